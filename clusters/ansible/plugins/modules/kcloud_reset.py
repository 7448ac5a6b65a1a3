#!/usr/bin/python
"""Take everything a deployment brought away from a host; what was there before stays."""

import contextlib
import glob
import os
import re
import signal
import time

from ansible.module_utils import kcloud_fence, kcloud_files, kcloud_packages
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.kcloud_host import Failure, from_os_error, run

DOCUMENTATION = r"""
---
module: kcloud_reset
short_description: Take everything a deployment brought away from a host
description:
  - Stops services and pods, removes units, files, mounts, network devices, routes and packet rules,
    and purges the packages that the deployment installed.
options:
  fence: {description: Number of the operation and of the attempt, type: dict, required: true}
author: KCloud
"""
EXAMPLES = r"""
- name: Back to a bare host
  kcloud_reset:
    fence: "{{ kcloud_fence }}"
"""
RETURN = r"""
changes:
  description: What was taken away, one line each; empty when nothing was there.
  returned: always
  type: list
"""

UNITS = (
    "kubelet", "kube-proxy", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd",
    "kcloud-network-policy", "kcloud-network", "kcloud-log-shipper",
)  # fmt: skip
PACKAGE_UNITS = ("haproxy", "containerd")
PATHS = (
    "/etc/kubernetes", "/etc/containerd", "/etc/cni", "/etc/haproxy", "/etc/apt/sources.list.d/kcloud.list",
    "/usr/local/sbin/kcloud-network", "/opt/kcloud", "/opt/containerd", "/var/lib/etcd", "/var/lib/kubelet",
    "/var/lib/containerd", "/var/lib/cni", "/var/lib/kcloud", "/var/lib/haproxy",
    "/var/lib/kcloud-log-shipper", "/var/lib/private/kcloud-log-shipper", "/var/log/kubernetes",
    "/var/log/pods", "/var/log/containers", "/run/containerd", "/run/cni-ipam", "/run/flannel", "/run/kubernetes",
    "/var/run/kubernetes",
)  # fmt: skip
OURS = re.compile(r"KUBE-|CNI-|KCLOUD-|kcloud|kubernetes")


def stop_units():
    """Services first, in the order in which nothing is started again by another."""
    there = [unit for unit in UNITS if os.path.exists("/etc/systemd/system/%s.service" % unit)]
    if there:
        run(
            ["systemctl", "disable", "--now", *["%s.service" % unit for unit in there]],
            "unit-stop",
            timeout=150,
        )
    stopped = ["stopped %s" % unit for unit in there]
    for unit in there:
        os.unlink("/etc/systemd/system/%s.service" % unit)
    return stopped


def stop_pods():
    """Containers go with the runtime: its helpers are killed, then it is stopped."""
    changes = []
    pids = _pod_processes()
    if pids:
        changes.append("stopped %d processes of pods" % len(pids))
    for unit in PACKAGE_UNITS:
        run(["systemctl", "stop", "%s.service" % unit], "unit-stop", check=False)
    until = time.monotonic() + 20
    while pids := _pod_processes():
        for pid in pids:
            _kill(pid)
        if time.monotonic() > until:
            raise Failure("unit-stop", "pods", "processes %s do not end" % pids)
        time.sleep(0.1)
    return changes


def _pod_processes():
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            with open(path + "/cgroup") as file:
                in_pod = "kubepods" in file.read()
            with open(path + "/cmdline") as file:
                helper = "containerd-shim" in file.read().split("\0")[0]
            with open(path + "/stat") as file:
                dead = file.read().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            continue
        if (in_pod or helper) and not dead:
            found.append(int(path[6:]))
    return found


def _kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def unmount():
    """Volumes and container file systems, the innermost first."""
    with open("/proc/self/mounts") as file:
        points = [line.split()[1] for line in file]
    ours = ("/var/lib/kubelet", "/run/containerd", "/var/lib/containerd", "/run/netns/cni-")
    mounted = [point for point in points if point.startswith(ours)]
    for point in reversed(mounted):
        run(["umount", "-l", point], "mount", point, check=False)
    for path in glob.glob("/run/netns/cni-*"):
        os.unlink(path)
    return ["unmounted %d file systems" % len(mounted)] if mounted else []


def clear_network():
    changes = []
    if os.path.exists("/sys/class/net/cni0"):
        run(["ip", "link", "delete", "cni0"], "network", "cni0")
        changes.append("removed cni0")
    for line in run(["ip", "-4", "route", "show", "proto", "200"], "network", check=False).splitlines():
        run(["ip", "route", "del", line.split()[0], "proto", "200"], "network", check=False)
        changes.append("removed the route to %s" % line.split()[0])
    return changes + _clear_rules()


def _clear_rules():
    """Packet rules of the service proxy and ours; rules of others stay."""
    changes = []
    for program in ("iptables", "ip6tables"):
        rules = run([program + "-save"], "network", check=False)
        if not OURS.search(rules) and "! -o cni0" not in rules:
            continue
        kept = [line for line in rules.splitlines() if not OURS.search(line) and "! -o cni0" not in line]
        _restore(program, kept)
        changes.append("removed rules of %s" % program)
    tables = run(["nft", "list", "tables"], "network", check=False) if os.path.exists("/usr/sbin/nft") else ""
    for family, name in re.findall(r"^table (\S+) (kube-proxy|kube-network-policies)$", tables, re.MULTILINE):
        run(["nft", "delete", "table", family, name], "network")
        changes.append("removed the nftables table %s" % name)
    return changes


def _restore(program, lines):
    path = "/run/kcloud/rules"
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    run([program + "-restore", path], "network", program)
    os.unlink(path)


def purge_packages():
    ours = [name for name in kcloud_packages.recorded() if name in kcloud_packages.installed()]
    if not ours:
        return []
    options = ["-q", "-y", "-o", "DPkg::Lock::Timeout=60", "-o", "Dpkg::Options::=--force-unsafe-io"]
    run(
        ["dpkg", "--force-confold", "--configure", "-a"], "package-remove", "dpkg --configure -a", timeout=300
    )
    # Exactly these: apt would also take what only looks unneeded.
    run(
        ["apt-get", *options, "--no-auto-remove", "purge", *ours],
        "package-remove",
        ", ".join(ours),
        timeout=600,
    )
    return ["removed %d packages" % len(ours)]


def reset():
    changes = stop_units() + stop_pods() + unmount() + clear_network() + purge_packages()
    changes += kcloud_files.absent(PATHS)
    if changes:
        run(["systemctl", "daemon-reload"], "unit-stop", "daemon-reload")
        run(["systemctl", "reset-failed"], "unit-stop", check=False)
    return changes


def main():
    fence = {"owner": {"type": "str"}, "operation": {"type": "int"}, "fencing": {"type": "int"}}
    module = AnsibleModule(argument_spec={"fence": {"type": "dict", "required": True, "options": fence}})
    try:
        lock = kcloud_fence.take(**module.params["fence"])
        changes = reset()
    except kcloud_fence.Refused as refused:
        module.fail_json(msg=str(refused), kcloud={"code": "fenced", "subject": "", "evidence": str(refused)})
    except Failure as failure:
        module.fail_json(msg=str(failure), kcloud=failure.as_result())
    except OSError as error:
        module.fail_json(msg=str(error), kcloud=from_os_error(error).as_result())
    del lock
    module.exit_json(changed=bool(changes), changes=changes)


if __name__ == "__main__":
    main()
