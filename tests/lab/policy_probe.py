"""Runs on a node of the lab (Python 3.9, standard library): pods that answer, and pods that ask, in their own networks.

    policy_probe.py serve PLAN   every pod of this node answers with its place on TCP and UDP, until it is ended
    policy_probe.py ask PLAN     every pod of this node asks every target; prints [[source, target, protocol, answer]]

PLAN is JSON: {"pods": {place: uid}, "port": n, "targets": [[target, protocol, address, port]]}. An answer is the place
that answered, "open" for a node that let the connection in, an address the DNS gave, or "" for silence.
"""

import ctypes
import glob
import json
import os
import signal
import socket
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

PATIENCE = 0.7


def process_of(uid):
    marks = (uid, uid.replace("-", "_"))
    for path in glob.glob("/proc/[0-9]*/cgroup"):
        try:
            with open(path) as file:
                text = file.read()
        except OSError:
            continue
        if any(mark in text for mark in marks):
            return path.split("/")[2]
    raise SystemExit("no process of pod %s" % uid)


def in_network(uid, act):
    """A child in the pod's network; the parent reads what it prints as JSON."""
    with open("/proc/%s/ns/net" % process_of(uid)) as space:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), 0x40000000):
                os._exit(1)
            os.write(writing, json.dumps(act()).encode())
            os._exit(0)
        os.close(writing)
        return pid, reading


def serve(place, port):
    def datagrams():
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        link.bind(("0.0.0.0", port))
        while True:
            _asked, sender = link.recvfrom(64)
            link.sendto(place.encode(), sender)

    threading.Thread(target=datagrams, daemon=True).start()
    listener = socket.create_server(("0.0.0.0", port), backlog=64)
    while True:
        link, _sender = listener.accept()
        link.sendall(place.encode())
        link.close()


def ask(target):
    name, protocol, address, port = target
    try:
        if name == "dns":
            return [name, protocol, resolve(address, port)]
        if protocol == "TCP":
            with socket.create_connection((address, port), PATIENCE) as link:
                said = link.recv(64).decode("utf-8", "replace")
                return [name, protocol, "open" if name.startswith("node/") else said]
        return [name, protocol, datagram(address, port, b"?").decode()]
    except OSError:
        return [name, protocol, ""]


def datagram(address, port, text):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect((address, port))
        for _again in range(2):
            link.settimeout(PATIENCE / 2)
            try:
                link.send(text)
                return link.recv(512)
            except TimeoutError:
                continue
    return b""


def resolve(address, port):
    labels = b"".join(
        bytes([len(each)]) + each for each in b"kubernetes.default.svc.cluster.local".split(b".")
    )
    question = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    answer = datagram(address, port, question)
    return socket.inet_ntoa(answer[-4:]) if len(answer) > 4 else ""


def main():
    how, plan = sys.argv[1], json.loads(sys.argv[2])
    if how == "serve":
        for place, uid in plan["pods"].items():
            in_network(uid, lambda place=place: serve(place, plan["port"]))
        signal.pause()

    def ask_all():
        with ThreadPoolExecutor(32) as pool:
            return list(pool.map(ask, plan["targets"]))

    asking = {place: in_network(uid, ask_all) for place, uid in plan["pods"].items()}
    rows = []
    for place, (pid, reading) in asking.items():
        with os.fdopen(reading, "rb") as pipe:
            rows += [[place, *row] for row in json.loads(pipe.read())]
        os.waitpid(pid, 0)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
