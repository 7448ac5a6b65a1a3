#!/usr/bin/python
"""Ask every service from this host, and from inside a pod on it: by its address and by its name. From the pod also
try what a network policy closes: it has to stay silent."""

import ctypes
import errno
import glob
import http.client
import json
import os
import secrets
import select
import socket
import struct
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kcloud_host import Failure

DOCUMENTATION = r"""
---
module: kcloud_probe
short_description: Reach services of the cluster from a node and from a pod on it
description:
  - Resolves each name at the cluster's DNS, asks the service over HTTP and checks which node answered.
  - From the pod, checks that closed addresses answer nothing, not even a refusal.
options:
  dns: {description: Address of the cluster's DNS, type: str, required: true}
  pod_uid: {description: A pod on this host whose network is used as well; empty for none, type: str}
  probes: {description: Services with name, address and the node that must answer, type: list, elements: dict}
  closed: {description: Addresses with port and node that must stay silent, type: list, elements: dict}
  timeout: {description: Seconds until everything must have answered, type: int}
author: KCloud
"""
EXAMPLES = r"""
- name: Reach every pod through its service
  kcloud_probe:
    dns: 10.96.0.10
    probes: [{name: h2.kcloud-verify.svc.cluster.local, address: 10.96.7.7, node: h2}]
"""
RETURN = r"""
answers:
  description: How many probes were answered rightly.
  returned: success
  type: int
"""

CLONE_NEWNET = 0x40000000


def lookup(server, name, timeout=2.0):
    """The first IPv4 address the server gives for the name; '' when it gives none."""
    number = secrets.randbits(16)
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    packet = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + question + b"\0" + struct.pack(">HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(timeout)
        link.sendto(packet, (server, 53))
        answer = link.recv(4096)
    found, flags, _asked, count = struct.unpack(">HHHH", answer[:8])
    if found != number or flags & 0x000F or not count:
        return ""
    place = _after_name(answer, 12 + len(question) + 1 + 4)
    kind, _class, _seconds, size = struct.unpack(">HHIH", answer[place : place + 10])
    return socket.inet_ntoa(answer[place + 10 : place + 14]) if (kind, size) == (1, 4) else ""


def _after_name(answer, place):
    """Where a record's name ends: written out label by label, or a pointer of two bytes to where it is."""
    while answer[place] and answer[place] < 0xC0:
        place += 1 + answer[place]
    return place + (2 if answer[place] else 1)


def ask(address, timeout=3.0):
    """The name of the node that answers behind the address."""
    connection = http.client.HTTPConnection(address, 80, timeout=timeout)
    try:
        connection.request("GET", "/", headers={"Accept": "application/json"})
        return json.loads(connection.getresponse().read(65536)).get("node", "")
    finally:
        connection.close()


def problem(dns, probe):
    """'' when the probe is answered as it should be, else what was seen."""
    try:
        found = lookup(dns, probe["name"])
        if found != probe["address"]:
            return "DNS says %r for %s, not %s" % (found, probe["name"], probe["address"])
        node = ask(probe["address"])
        return "" if node == probe["node"] else "%r answers for %s" % (node, probe["name"])
    except (OSError, ValueError, IndexError, struct.error, http.client.HTTPException) as error:
        return "%s (%s): %s" % (probe["name"], probe["address"], error)


def check_all(place, dns, probes, until):
    """Every probe, again until it is answered rightly or the time is over."""
    for probe in probes:
        while seen := problem(dns, probe):
            if time.monotonic() > until:
                raise Failure("not-reached", probe["node"], "from %s: %s" % (place, seen))
            time.sleep(0.2)
    return len(probes)


def answering(closed, patience=0.5):
    """Those of the closed addresses that answer a connection within the patience, all tried at the same time."""
    tried = {}
    for target in closed:
        link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        link.setblocking(False)
        link.connect_ex((target["address"], int(target["port"])))
        tried[link] = target
    until, found = time.monotonic() + patience, []
    while tried and (left := until - time.monotonic()) > 0:
        _readable, answered, _broken = select.select([], tried, [], left)
        for link in answered:
            error = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            target = tried.pop(link)
            link.close()
            # What no way leads to says nothing about policies; the probes before this one have shown that there is one.
            if error in (0, errno.ECONNREFUSED):
                found.append(target)
    for link in tried:
        link.close()
    return found


def check_closed(closed, until):
    """Policies take a moment to be known on every node: tried again until the time is over."""
    while found := answering(closed):
        if time.monotonic() > until:
            node, where = found[0]["node"], "%(address)s:%(port)s" % found[0]
            raise Failure("not-enforced", node, "a pod gets an answer from %s" % where)
        time.sleep(0.2)
    return len(closed)


def pod_process(uid):
    """A process of the pod, by its control group; 0 when there is none."""
    marks = (uid, uid.replace("-", "_"))
    for path in glob.glob("/proc/[0-9]*/cgroup"):
        try:
            with open(path) as file:
                text = file.read()
        except OSError:
            continue
        if any(mark in text for mark in marks):
            return int(path.split("/")[2])
    return 0


def check_in_pod(uid, dns, probes, closed, until):
    """The same from a pod's network: a child process enters it and reports through a pipe."""
    process = pod_process(uid)
    if not process:
        raise Failure("not-reached", "", "no process of pod %s runs on this host" % uid)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        report = {}
        try:
            enter_network(process)
            check_all("a pod", dns, probes, until)
            check_closed(closed, until)
        except Failure as failure:
            report = failure.as_result()
        except BaseException as error:
            report = Failure("not-reached", "", str(error)).as_result()
        os.write(writing, json.dumps(report).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        report = json.loads(pipe.read() or b"{}")
    os.waitpid(child, 0)
    if report:
        raise Failure(**report)
    return len(probes) + len(closed)


def enter_network(process):
    with open("/proc/%d/ns/net" % process) as space:
        if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "cannot enter the pod's network")


def main():
    module = AnsibleModule(
        argument_spec={
            "dns": {"type": "str", "required": True},
            "pod_uid": {"type": "str", "default": ""},
            "probes": {"type": "list", "elements": "dict", "default": []},
            "closed": {"type": "list", "elements": "dict", "default": []},
            "timeout": {"type": "int", "default": 40},
        }
    )
    wanted = module.params
    until = time.monotonic() + wanted["timeout"]
    try:
        answers = check_all("the host", wanted["dns"], wanted["probes"], until)
        if wanted["pod_uid"]:
            answers += check_in_pod(
                wanted["pod_uid"], wanted["dns"], wanted["probes"], wanted["closed"], until
            )
    except Failure as failure:
        module.fail_json(msg=str(failure), kcloud=failure.as_result())
    module.exit_json(changed=False, answers=answers)


if __name__ == "__main__":
    main()
