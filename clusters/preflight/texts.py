"""The words of preflight: title of each check, and message and remedy of each of its cases. Pure data, marked
for translation; `clusters.preflight.checks.describe` fills the {places} with the facts of a finding.
"""

from __future__ import annotations

from clusters.problems import gettext_noop as _

TITLES: dict[str, str] = {
    "ssh": _("SSH, host key and sudo"),
    "os": _("Operating system"),
    "architecture": _("Architecture"),
    "kernel": _("Kernel"),
    "features": _("Kernel features"),
    "policies": _("Network policies"),
    "cgroup": _("Control groups"),
    "cpu": _("CPU"),
    "memory": _("Memory"),
    "disk": _("Disk space"),
    "swap": _("Swap"),
    "clock": _("Clock"),
    "ports": _("Ports"),
    "existing": _("Earlier installations"),
    "addresses": _("Addresses and networks"),
    "identity": _("Name and machine id"),
    "bundle": _("Release bundle"),
    "hosts": _("Hosts"),
    "networks": _("Networks of other clusters"),
    "clocks": _("Clocks among hosts"),
    "quorum": _("Quorum"),
    "host_loss": _("Loss of one host"),
    "region_loss": _("Loss of one region"),
    "storage": _("Default storage"),
}

FALLBACK: dict[str, tuple[str, str]] = {
    "pass": (_("passed"), ""),
    "warn": (_("a warning this version has no words for"), _("Check again.")),
    "block": (_("a block this version has no words for"), _("Check again.")),
}

_KERNEL_REMEDY = _("Install a newer kernel and reboot the host.")
_OWN = _("this cluster's own; deploying again changes nothing")

TEXTS: dict[tuple[str, str], tuple[str, str]] = {
    ("ssh", "ok"): (_("signed in as {user}, sudo works, host key as recorded"), ""),
    ("ssh", "HostUnreachable"): (
        _("does not answer at {address}"),
        _("See that the host is on, that sshd runs, and that nothing between drops port {port}."),
    ),
    ("ssh", "HostKeyMissing"): (
        _("has no recorded host key, so nobody can tell whether the right machine answers"),
        _("Gather the host's facts: that records the key and shows it."),
    ),
    ("ssh", "HostKeyChanged"): (
        _("shows another host key than the one recorded: it may be another machine"),
        _("If it was installed anew, remove the host and enrol it again; otherwise find out who answers."),
    ),
    ("ssh", "SignInRefused"): (
        _("refused the sign-in of {user}"),
        _("Put the credential's public key into that user's authorized_keys, or choose another credential."),
    ),
    ("ssh", "SudoRefused"): (
        _("does not let {user} become root"),
        _("Allow it without a password: {user} ALL=(ALL) NOPASSWD: ALL in /etc/sudoers.d/."),
    ),
    ("ssh", "ScriptFailed"): (
        _("let {user} in, but the checks could not run there: {why}"),
        _("See that python3 is installed and that the host is not overloaded, then check again."),
    ),
    ("ssh", "SecretUnreadable"): (
        _("the credential of {user} cannot be opened: the portal's master key is another one"),
        _("Restore KCLOUD_MASTER_KEY, or give the credential its secret again."),
    ),
    ("ssh", "unreadable"): (
        _("the host's answer cannot be read: {why}"),
        _("Look at what the host prints at sign-in, and that python3 there is a plain Python 3."),
    ),
    ("os", "ok"): (_("{os}"), ""),
    ("os", "suite"): (
        _("{os}; the bundle's packages are for {wanted}"),
        _("Install {wanted} on the host, or build a bundle for its system."),
    ),
    ("os", "systemd"): (_("systemd does not run as the first process"), _("Boot the host with systemd.")),
    ("architecture", "ok"): (_("{found}"), ""),
    ("architecture", "differs"): (
        _("the host is {found}, the bundle is for {wanted}"),
        _("Use a host of that architecture, or build a bundle for {found}."),
    ),
    ("kernel", "ok"): (_("{kernel}"), ""),
    ("kernel", "unknown"): (_("“{kernel}” is not a kernel version this portal can compare"), _KERNEL_REMEDY),
    ("kernel", "old"): (_("{kernel}; Kubernetes {version} needs {wanted} or newer"), _KERNEL_REMEDY),
    ("kernel", "aged"): (
        _("{kernel}; {wanted} or newer is recommended: older ones lack fixes for containers"),
        _KERNEL_REMEDY,
    ),
    ("kernel", "nftables"): (
        _("{kernel}; proxy mode nftables needs {wanted} or newer"),
        _("Choose proxy mode iptables, or install a newer kernel."),
    ),
    ("policies", "ok"): (_("can be kept, by {way}"), ""),
    ("policies", "master"): (_("a master runs no pods"), ""),
    ("policies", "unseen"): (_("the host does not show whether its kernel can queue packets"), ""),
    ("policies", "none"): (
        _(
            "the kernel can queue packets neither for nftables nor for iptables: network policies could not be kept"
        ),
        _(
            "Use a kernel with nfnetlink_queue and nft_queue or xt_NFQUEUE; the usual ones of Debian have them."
        ),
    ),
    ("features", "ok"): (_("overlay, bridge filtering, nf_tables, connection tracking"), ""),
    ("features", "missing"): (
        _("missing: {missing}"),
        _("Load or install the kernel modules (overlay, br_netfilter, nf_tables, nf_conntrack)."),
    ),
    ("features", "unseen"): (_("nothing known to be missing; not to be seen from inside: {unseen}"), ""),
    ("cgroup", "v2"): (_("version 2"), ""),
    ("cgroup", "v1"): (_("version 1, fully supported by Kubernetes {version}"), ""),
    ("cgroup", "deprecated"): (
        _("version 1, which Kubernetes only maintains since 1.31 and refuses by default from 1.35 on"),
        _("Boot with systemd.unified_cgroup_hierarchy=1 before you upgrade to 1.35. {version} works."),
    ),
    ("cgroup", "removed"): (
        _("version 1; the kubelet of {version} refuses to start on it"),
        _("Boot the host with systemd.unified_cgroup_hierarchy=1, or plan a version before 1.35."),
    ),
    ("cpu", "ok"): (_("{cores} cores"), ""),
    ("cpu", "few"): (
        _("{cores} cores, {wanted} recommended"),
        _("Give the machine more cores."),
    ),
    ("cpu", "none"): (_("{cores} cores, {wanted} needed"), _("Give the machine more cores.")),
    ("memory", "ok"): (_("{found} GiB"), ""),
    ("memory", "little"): (
        _("{found} GiB, {wanted} GiB recommended"),
        _("Give the machine more memory."),
    ),
    ("memory", "short"): (
        _("{found} GiB, {wanted} GiB needed"),
        _("Give the machine more memory, or choose another host."),
    ),
    ("disk", "ok"): (_("{path} has {found} GiB free"), ""),
    ("disk", "little"): (
        _("{path} has {found} GiB free, {wanted} recommended"),
        _("Free space there: images and logs grow."),
    ),
    ("disk", "short"): (
        _("{path} has {found} GiB free, {wanted} needed"),
        _("Free space there, for example old logs: journalctl --vacuum-size=200M."),
    ),
    ("disk", "unseen"): (
        _("the file systems cannot be read, so nobody knows whether there is room"),
        _("Look with df -h on the host."),
    ),
    ("disk", "read_only"): (
        _("{path} is mounted read-only"),
        _("Mount it writable; look at the kernel's log first."),
    ),
    ("swap", "off"): (_("off"), ""),
    ("swap", "on"): (
        _("{found} GiB of swap are on: a pod beyond its memory slows the whole host before it is stopped"),
        _("Turn it off for good: swapoff -a, and take it out of /etc/fstab."),
    ),
    ("clock", "ok"): (_("within {limit} ms of the portal's"), ""),
    ("clock", "off"): (
        _("{skew} ms off the portal's clock"),
        _("Set up a time source, for example systemd-timesyncd or chrony."),
    ),
    ("clock", "wrong"): (
        _("{skew} ms off the portal's clock: certificates and elections would fail"),
        _("Set the clock, and set up a time source such as systemd-timesyncd or chrony."),
    ),
    ("ports", "ok"): (_("{count} ports free"), ""),
    ("ports", "own"): (_OWN, ""),
    ("ports", "busy"): (
        _("in use: {ports}"),
        _("Stop the program, or choose another host. Kubernetes needs exactly these ports."),
    ),
    ("ports", "node_ports"): (
        _("in the node port range {range}: {ports}"),
        _("Stop the program, or choose another node port range; a service may be given this port."),
    ),
    ("existing", "clean"): (_("no Kubernetes, no containers"), ""),
    ("existing", "own"): (_OWN, ""),
    ("existing", "kubernetes"): (
        _("there is a Kubernetes already: {found}"),
        _("Reset that cluster, or remove it: stop its services and delete the folders named."),
    ),
    ("existing", "containers"): (
        _("containers run already ({found}): a node manages all containers of its host"),
        _("Move them elsewhere, or choose another host."),
    ),
    ("existing", "runtime"): (
        _("{found} is installed and runs; deploying replaces its configuration"),
        _("Remove it if nothing needs it."),
    ),
    ("addresses", "ok"): (_("pods and services overlap none of {count} networks"), ""),
    ("addresses", "none"): (
        _("the host's addresses cannot be read"),
        _("Install iproute2 on the host: networks are set up with it."),
    ),
    ("addresses", "pods"): (
        _("the plan's pod network {network} overlaps {other}, which the host uses"),
        _("Change the pod network. Free here: {free}."),
    ),
    ("addresses", "services"): (
        _("the plan's service network {network} overlaps {other}, which the host uses"),
        _("Change the service network. Free here: {free}."),
    ),
    ("identity", "ok"): (_("unique"), ""),
    ("identity", "no_machine_id"): (
        _("the host has no machine id"),
        _("Make one: systemd-machine-id-setup, then restart."),
    ),
    ("identity", "machine_id"): (
        _("has the same machine id as {others}: one machine enrolled twice, or a copied disk"),
        _("On a copy: empty /etc/machine-id, run systemd-machine-id-setup, restart."),
    ),
    ("identity", "hostname"): (
        _("calls itself {hostname}, as {others} does"),
        _("Give each host a name of its own: hostnamectl set-hostname."),
    ),
    ("identity", "node"): (
        _("the cluster {others} has a node of this name"),
        _("It may be a node of that cluster: make sure before you deploy over it."),
    ),
    ("bundle", "ok"): (_("{version}, {files} files, {size} GiB, signed with key {key}"), ""),
    ("bundle", "missing"): (
        _("there is no release bundle for Kubernetes {version}"),
        _(
            "Build it: manage.py bundle build --version {version}. Or choose a version that is there: "
            "{known}."
        ),
    ),
    ("bundle", "refused"): ("{what}", "{remedy}"),
    ("bundle", "incomplete"): (
        _("the bundle of {version} lacks {missing}"),
        _("Build it again: manage.py bundle build --version {version}."),
    ),
    ("hosts", "ok"): (_("masters: {masters}, workers: {workers}"), ""),
    ("hosts", "spare"): (
        _("the pools ask for {wanted} spare hosts of region {region}, and there are {there}"),
        _("Enrol {missing} more hosts in the region, or ask for fewer."),
    ),
    ("hosts", "gone"): (
        _("not enrolled any more: {hosts}"),
        _("Take them out of the plan, or enrol them again."),
    ),
    ("hosts", "taken"): (_("taken by another cluster meanwhile: {hosts}"), _("Choose spare hosts.")),
    ("hosts", "planned"): (
        _("another draft plans with them too: {hosts}"),
        _("Whoever deploys first gets them."),
    ),
    ("networks", "ok"): (_("overlap none of {count} other clusters"), ""),
    ("networks", "pods_clash"): (
        _("the pod network {network} overlaps {other} of {cluster} in the same region: routes would collide"),
        _("Change the pod network. Free here: {free}."),
    ),
    ("networks", "services_clash"): (
        _("the service network {network} overlaps pods of {cluster} ({other}) in the same region"),
        _("Change the service network. Free here: {free}."),
    ),
    ("networks", "pods_shared"): (
        _("the pod network {network} overlaps {other} of {cluster}: the two can never be joined"),
        _("Change the pod network unless that is fine. Free here: {free}."),
    ),
    ("networks", "services_shared"): (
        _("the service network {network} overlaps {other} of {cluster}: the two can never be joined"),
        _("Change the service network unless that is fine. Free here: {free}."),
    ),
    ("clocks", "ok"): (_("at most {spread} ms apart"), ""),
    ("clocks", "unseen"): (_("fewer than two clocks could be read"), ""),
    ("clocks", "apart"): (
        _("{first} and {last} are {spread} ms apart"),
        _("Set up one time source for all hosts."),
    ),
    ("quorum", "ok"): (
        _("a majority of {masters} is {quorum}; {tolerated} may be lost"),
        "",
    ),
    ("quorum", "even"): (
        _("{masters} masters need {quorum} for a majority, no better than {before}"),
        _("Choose 1 master, or 3."),
    ),
    ("host_loss", "ok"): (_("any one host may be lost: the API goes on and {workers} workers stay"), ""),
    ("host_loss", "single"): (
        _("losing {host} stops the control of the cluster: pods run on, nothing new starts or heals"),
        _("Choose 3 masters to survive the loss of one."),
    ),
    ("host_loss", "worker"): (
        _("losing {host} leaves no worker: all applications stop"),
        _("Add a second worker."),
    ),
    ("host_loss", "both"): (
        _("losing the only master stops the control, losing the only worker stops all applications"),
        _("Choose 3 masters and at least 2 workers for anything that matters."),
    ),
    ("region_loss", "one"): (_("everything stands in {region}: losing the region stops the cluster"), ""),
    ("region_loss", "ok"): (_("any one of {regions} may be lost"), ""),
    ("region_loss", "stops"): (
        _("losing {region} takes {masters} of {total} masters and stops the control, though others go on"),
        _("Spread 3 masters over 3 regions."),
    ),
    ("region_loss", "workers"): (
        _("losing {region} leaves no worker"),
        _("Put workers into another region too."),
    ),
    ("storage", "none"): (_("none: a claim must name its class"), ""),
    ("storage", "local"): (_("local volumes: fast, and lost with their host"), ""),
}
