# ruff: noqa: SIM108, SIM905
# Runs on the host, sent over SSH on stdin: Python 3.6 and newer, standard library only, changes nothing.
# Prints one line: "KCLOUD-FACTS 1 {json}". A part that fails is left out and named under "problems".
import glob
import gzip
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time

SYSCTLS = (
    "net.ipv4.ip_forward net.ipv4.conf.all.rp_filter net.bridge.bridge-nf-call-iptables net.ipv4.ip_local_port_range "
    "net.netfilter.nf_conntrack_max fs.file-max fs.inotify.max_user_instances fs.inotify.max_user_watches "
    "kernel.pid_max kernel.panic kernel.panic_on_oops vm.overcommit_memory vm.panic_on_oom vm.swappiness"
).split()
MODULES = (
    "overlay br_netfilter nf_conntrack nf_tables ip_tables iptable_nat nf_nat vxlan ip_vs xt_comment "
    "nfnetlink_queue nft_queue xt_NFQUEUE"
).split()
# What the kernel was built with says about those that show nowhere else when they are built in.
OPTIONS = {
    "nfnetlink_queue": "CONFIG_NETFILTER_NETLINK_QUEUE",
    "nft_queue": "CONFIG_NFT_QUEUE",
    "xt_NFQUEUE": "CONFIG_NETFILTER_XT_TARGET_NFQUEUE",
}
TOOLS = (
    "ip iptables nft conntrack ethtool socat tar systemctl mount modprobe sysctl crictl ctr kubectl haproxy "
    "apt-get dpkg dnf yum zypper rpm apk pacman chronyd ntpd"
).split()
MANAGERS = "apt-get dnf yum zypper apk pacman".split()
SIGNS = {
    "kubernetes": "/etc/kubernetes /var/lib/kubelet /etc/rancher /var/lib/rancher /var/lib/k0s /usr/bin/kubelet "
    "/usr/local/bin/kubelet /etc/systemd/system/kubelet.service /lib/systemd/system/kubelet.service "
    "/etc/systemd/system/k3s.service",
    "etcd": "/var/lib/etcd /etc/etcd /etc/systemd/system/etcd.service /lib/systemd/system/etcd.service",
    "runtime": "/var/lib/containerd /etc/containerd /run/containerd/containerd.sock /var/lib/docker "
    "/run/docker.sock /run/crio/crio.sock /usr/bin/containerd /usr/bin/dockerd /usr/bin/crio",
    "network": "/etc/cni/net.d /var/lib/cni /opt/cni",
}
PROCESSES = {
    "kubelet": "kubernetes",
    "kube-apiserver": "kubernetes",
    "kube-controller": "kubernetes",
    "kube-scheduler": "kubernetes",
    "kube-proxy": "kubernetes",
    "k3s-server": "kubernetes",
    "k3s-agent": "kubernetes",
    "etcd": "etcd",
    "containerd": "runtime",
    "containerd-shim": "runtime",
    "conmon": "runtime",
    "dockerd": "runtime",
    "crio": "runtime",
    "flanneld": "network",
    "calico-node": "network",
}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def read(path, most=65536):
    with open(path, "rb") as file:
        return file.read(most).decode("utf-8", "replace")


def read_or(path, other="", most=65536):
    try:
        return read(path, most).strip()
    except OSError:
        return other


def said(*command):
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=5,
        check=False,
        env={"PATH": PATH, "LC_ALL": "C"},
    )
    return done.stdout.decode("utf-8", "replace").strip()


def number(text, other=None):
    try:
        return int(text)
    except (TypeError, ValueError):
        return other


def system():
    release = {}
    for line in (read_or("/etc/os-release") or read_or("/usr/lib/os-release")).splitlines():
        key, _equals, value = line.partition("=")
        release[key] = value.strip().strip("\"'")
    return {
        "os_id": release.get("ID", ""),
        "os_version": release.get("VERSION_ID", ""),
        "os_name": release.get("PRETTY_NAME", ""),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "package_manager": next((name for name in MANAGERS if shutil.which(name, path=PATH)), ""),
        "tools": [name for name in TOOLS if shutil.which(name, path=PATH)],
        "systemd": os.path.isdir("/run/systemd/system"),
        "boot_id": read_or("/proc/sys/kernel/random/boot_id"),
        "uptime": float(read("/proc/uptime").split()[0]),
        "load": list(os.getloadavg()),
    }


def names():
    return {
        "hostname": socket.gethostname(),
        "machine_id": read_or("/etc/machine-id"),
        "product_uuid": read_or("/sys/class/dmi/id/product_uuid").lower(),
        "root": os.geteuid() == 0,
    }


def virtualization():
    if shutil.which("systemd-detect-virt", path=PATH):
        return {"virtualization": said("systemd-detect-virt") or "none"}
    product = read_or("/sys/class/dmi/id/product_name").lower()
    known = {"kvm": "kvm", "vmware": "vmware", "virtualbox": "oracle", "virtual machine": "microsoft"}
    return {"virtualization": next((known[word] for word in known if word in product), "none")}


def processor():
    model = ""
    for line in read("/proc/cpuinfo").splitlines():
        if line.lower().startswith(("model name", "hardware", "cpu model")):
            model = line.partition(":")[2].strip()
            break
    return {"cpus": len(os.sched_getaffinity(0)), "cpu_model": model}


def memory():
    values = {}
    for line in read("/proc/meminfo").splitlines():
        key, _colon, rest = line.partition(":")
        values[key] = number(rest.split()[0] if rest.split() else "", 0) * 1024
    return {
        "memory": values["MemTotal"],
        "memory_available": values.get("MemAvailable", values.get("MemFree", 0)),
        "swap": values.get("SwapTotal", 0),
        "swap_devices": [line.split()[0] for line in read_or("/proc/swaps").splitlines()[1:] if line.split()],
    }


def disks():
    found = []
    for path in sorted(glob.glob("/sys/block/*")):
        name = os.path.basename(path)
        sectors = number(read_or(path + "/size"), 0)
        if name.startswith(("loop", "ram", "zram", "sr", "fd", "dm-", "md", "nbd")) or not sectors:
            continue
        found.append(
            {
                "name": name,
                "size": sectors * 512,
                "rotational": read_or(path + "/queue/rotational") == "1",
                "model": read_or(path + "/device/model"),
            }
        )
    return {"disks": found[:128]}


def is_storage(device, path, kind):
    """Whether data of ours could come to lie there."""
    if path.startswith(("/var/lib/kubelet/pods", "/var/lib/docker/", "/run/", "/proc", "/sys", "/dev")):
        return False
    if kind not in "ext2 ext3 ext4 xfs btrfs zfs f2fs overlay tmpfs vfat aufs".split():
        return False  # network file systems too: statvfs would hang on a dead server
    usual = path in "/ /var /etc /opt /home /boot /usr /data /srv /tmp /run".split() or path.startswith(
        "/var/lib/"
    )
    return (usual or kind not in ("tmpfs", "overlay")) and os.path.isdir(path)


def mounts():
    found = {}
    for line in read("/proc/self/mounts", 1 << 20).splitlines():
        device, path, kind = line.split()[:3]
        path = path.replace("\\040", " ")
        if path in found or not is_storage(device, path, kind):
            continue
        about = os.statvfs(path)
        found[path] = {
            "path": path,
            "device": device,
            "kind": kind,
            "size": about.f_blocks * about.f_frsize,
            "free": about.f_bavail * about.f_frsize,
            "inodes": about.f_files,
            "inodes_free": about.f_favail,
            "read_only": bool(about.f_flag & os.ST_RDONLY),
        }
    return {"mounts": list(found.values())[:64]}


def network():
    addresses = {}
    if shutil.which("ip", path=PATH):
        for line in said("ip", "-o", "addr", "show").splitlines():
            words = line.split()
            if len(words) > 3 and words[2] in ("inet", "inet6"):
                addresses.setdefault(words[1].partition("@")[0], []).append(words[3])
    found = []
    for path in sorted(glob.glob("/sys/class/net/*")):
        name = os.path.basename(path)
        if name == "lo" or name.startswith(("veth", "cali", "lxc")) or not os.path.isdir(path):
            continue
        speed = number(read_or(path + "/speed"))
        found.append(
            {
                "name": name,
                "mac": read_or(path + "/address"),
                "addresses": addresses.get(name, [])[:16],
                "speed": speed if speed and speed > 0 else None,
                "mtu": number(read_or(path + "/mtu"), 0),
                "up": read_or(path + "/operstate") in ("up", "unknown"),
                "physical": os.path.exists(path + "/device"),
            }
        )
    return {"nics": found[:64]}


def routes():
    found, default = [], None
    for line in read("/proc/net/route").splitlines()[1:]:
        words = line.split()
        address, gateway, mask = (bytes.fromhex(words[place])[::-1] for place in (1, 2, 7))
        bits = bin(int.from_bytes(mask, "big")).count("1")
        if bits == 0 and default is None:
            default = {"interface": words[0], "gateway": socket.inet_ntoa(gateway)}
        elif bits:
            found.append({"interface": words[0], "network": "%s/%d" % (socket.inet_ntoa(address), bits)})
    servers = [
        line.split()[1] for line in read_or("/etc/resolv.conf").splitlines() if line.startswith("nameserver ")
    ]
    return {"default_route": default, "routes": found[:128], "name_servers": servers[:8]}


def graphics():
    makers = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel", "0x1a03": "ASPEED", "0x1db7": "Phytium"}
    found = []
    for path in sorted(glob.glob("/sys/bus/pci/devices/*")):
        if not read_or(path + "/class").startswith("0x03"):
            continue
        vendor, slot = read_or(path + "/vendor"), os.path.basename(path)
        model = ""
        for line in read_or("/proc/driver/nvidia/gpus/%s/information" % slot).splitlines():
            if line.startswith("Model:"):
                model = line.partition(":")[2].strip()
        driver = (
            os.path.basename(os.path.realpath(path + "/driver")) if os.path.exists(path + "/driver") else ""
        )
        device = read_or(path + "/device")
        found.append(
            {"slot": slot, "vendor": makers.get(vendor, vendor), "model": model or device, "driver": driver}
        )
    return {"gpus": found[:32]}


def control_groups():
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return {"cgroup_version": 2, "cgroup_controllers": read("/sys/fs/cgroup/cgroup.controllers").split()}
    rows = [line.split() for line in read("/proc/cgroups").splitlines() if not line.startswith("#")]
    return {
        "cgroup_version": 1,
        "cgroup_controllers": [row[0] for row in rows if len(row) > 3 and row[3] == "1"],
    }


def owners():
    """Socket inode -> program name, for sockets of all processes."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/fd"):
        name = read_or(os.path.dirname(path) + "/comm")
        try:
            for descriptor in os.listdir(path)[:4096]:
                try:
                    target = os.readlink(path + "/" + descriptor)
                except OSError:
                    continue
                if target.startswith("socket:["):
                    found[target[8:-1]] = name
        except OSError:
            continue
    return found


def listening():
    found, who = {}, owners()
    for table, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in read_or("/proc/net/" + table).splitlines()[1:]:
            words = line.split()
            if len(words) < 10 or words[3] != state:
                continue
            raw, _colon, port = words[1].partition(":")
            family = socket.AF_INET6 if table.endswith("6") else socket.AF_INET
            packed = b"".join(bytes.fromhex(raw[at : at + 8])[::-1] for at in range(0, len(raw), 8))
            address = socket.inet_ntop(family, packed)
            key = (table[:3], int(port, 16), address)
            found[key] = {
                "protocol": key[0],
                "port": key[1],
                "address": address,
                "program": who.get(words[9], ""),
            }
    return {"listening": [found[key] for key in sorted(found)][:512]}


def signs():
    found = []
    for kind in sorted(SIGNS):
        for path in SIGNS[kind].split():
            if os.path.isdir(path) and not os.path.islink(path):
                there = bool(os.listdir(path))
            else:
                there = os.path.exists(path)
            if there:
                found.append({"kind": kind, "what": path, "running": False})
    running = {read_or(path) for path in glob.glob("/proc/[0-9]*/comm")}
    for name in sorted(running & set(PROCESSES)):
        found.append({"kind": PROCESSES[name], "what": name, "running": True})
    return {"signs": found}


def kernel_options():
    """{"CONFIG_X": "y" or "m"}; {} when the kernel does not tell how it was built."""
    text = read_or("/boot/config-" + platform.release(), "", 1 << 20)
    if not text and os.path.exists("/proc/config.gz"):
        with gzip.open("/proc/config.gz", "rt") as file:
            text = file.read(1 << 20)
    rows = [line.partition("=") for line in text.splitlines() if line.startswith("CONFIG_")]
    return {row[0]: row[2] for row in rows}


def module_state(name, options, absent):
    """ "loaded" (or built in), "available", "missing", or "unknown"."""
    if name in OPTIONS and options:
        built = options.get(OPTIONS[name], "")
        return "loaded" if built == "y" else absent if built == "m" else "missing"
    return absent


def kernel_settings():
    values = {name: read_or("/proc/sys/" + name.replace(".", "/"), None) for name in SYSCTLS}
    built_in = read_or("/lib/modules/%s/modules.builtin" % platform.release())
    file_systems = read_or("/proc/filesystems").split()
    # A container, or a kernel whose module directory is elsewhere: nobody can tell what it could load.
    absent = "missing" if os.path.isdir("/lib/modules/" + platform.release()) else "unknown"
    modules, options = {}, kernel_options()
    for name in MODULES:
        if os.path.isdir("/sys/module/" + name) or name in file_systems or "/%s.ko" % name in built_in:
            modules[name] = "loaded"
        elif glob.glob("/lib/modules/%s/kernel/**/%s.ko*" % (platform.release(), name), recursive=True):
            modules[name] = "available"
        else:
            modules[name] = module_state(name, options, absent)
    return {
        "sysctls": {name: " ".join(value.split()) for name, value in values.items() if value is not None},
        "modules": modules,
        "selinux": {"1": "enforcing", "0": "permissive"}.get(read_or("/sys/fs/selinux/enforce"), "off"),
        "apparmor": read_or("/sys/module/apparmor/parameters/enabled") == "Y",
    }


def clock():
    zone = os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]
    synchronized = None
    try:
        import ctypes

        # adjtimex with no modes only reads; it answers TIME_ERROR (5) while the kernel's clock is not synchronized.
        size = 512
        synchronized = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(size)) not in (-1, 5)
    except (ImportError, AttributeError, OSError):
        pass
    return {"time_zone": zone or "UTC", "clock_synchronized": synchronized, "clock": time.time()}


def main():
    facts, problems = {}, {}
    for part in (
        names, system, virtualization, processor, memory, disks, mounts, network, routes, graphics,
        control_groups, listening, signs, kernel_settings, clock,
    ):  # fmt: skip
        try:
            facts.update(part())
        except Exception as error:
            problems[part.__name__] = "%s: %s" % (type(error).__name__, str(error)[:200])
    facts["problems"] = problems
    sys.stdout.write("\nKCLOUD-FACTS 1 " + json.dumps(facts, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
