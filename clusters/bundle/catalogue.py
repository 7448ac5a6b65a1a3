"""What a bundle can be made of: the pinned versions, what each component yields and what it costs. Pure data.

Costs were measured on 2 cores with cold caches: seconds, bytes of compiler cache, bytes that stay.
To add a Kubernetes version: a folder in modules/ with its go.mod and go.sum, and a line in KUBERNETES.
"""

from __future__ import annotations

from dataclasses import dataclass

from clusters.bundle.errors import VersionUnknown

MB = 1_000_000
GO_WANTED = (1, 26)
ETCD = "3.6.16"
COREDNS = "1.14.7"
NETWORK_POLICY = "1.1.0"
REGISTRY = "3.1.2"
LOGS = "1.51.1-0.20260624061259-dc94972a8708"
PAUSE = "1"
HELLO = "1"
SHOP = "1.0"
SHOP_NEXT = "1.1"
KUBERNETES = ("1.34.4", "1.33.13")  # newest first: `bundle build` without a version makes the first

_K8S = "k8s.io/kubernetes/cmd/"
KUBERNETES_BINARIES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)
ETCD_PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "etcdctl": "go.etcd.io/etcd/etcdctl/v3",
    "etcdutl": "go.etcd.io/etcd/etcdutl/v3",
}
# Ours for kernels whose nftables cannot queue packets, the project's own for all others: see modules/network-policy.
_POLICY = "sigs.k8s.io/kube-network-policies"
NETWORK_POLICY_PACKAGES = {
    "kcloud-network-policy": "kcloud.local/network-policy",
    "kube-network-policies": f"{_POLICY}/cmd/kube-network-policies/standard",
}
DEBIAN_PACKAGES = (
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "ethtool",
    "haproxy",
    "ipset",
    "iptables",
    "nftables",
    "runc",
    "socat",
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What making a component takes: seconds on two cores, bytes while it is made, bytes that stay."""

    seconds: int
    scratch: int
    stays: int


SOURCE_COSTS = {
    "kubernetes": Cost(seconds=330, scratch=3600 * MB, stays=486 * MB),
    "etcd": Cost(seconds=40, scratch=500 * MB, stays=64 * MB),
    "coredns": Cost(seconds=100, scratch=1300 * MB, stays=80 * MB),
    "network-policy": Cost(seconds=90, scratch=900 * MB, stays=64 * MB),
    "logs": Cost(seconds=90, scratch=400 * MB, stays=29 * MB),
    "registry": Cost(seconds=70, scratch=800 * MB, stays=32 * MB),
    "pause": Cost(seconds=5, scratch=60 * MB, stays=2 * MB),
    "hello": Cost(seconds=10, scratch=100 * MB, stays=9 * MB),
    "shop": Cost(seconds=25, scratch=60 * MB, stays=150 * MB),
    "packages": Cost(seconds=30, scratch=80 * MB, stays=80 * MB),
}
RELEASE_COSTS = SOURCE_COSTS | {
    "kubernetes": Cost(seconds=60, scratch=500 * MB, stays=600 * MB),
    "etcd": Cost(seconds=10, scratch=30 * MB, stays=70 * MB),
    "coredns": Cost(seconds=10, scratch=30 * MB, stays=80 * MB),
}


@dataclass(frozen=True, slots=True)
class GoBuild:
    """One `go build` each for `packages` (binary name -> import path) of the main module in `folder`."""

    folder: str
    packages: dict[str, str]
    module: str
    version: str
    linker_flags: str
    licence: str = "Apache-2.0"


def known_version(version: str) -> str:
    """`version` if a bundle can be built for it; raises VersionUnknown, naming those it can."""
    if version not in KUBERNETES:
        raise VersionUnknown(version, KUBERNETES)
    return version


def kubernetes_build(version: str) -> GoBuild:
    """How the Kubernetes binaries are built. Without the -X flags nodes report v0.0.0-master as their version."""
    major, minor, _ = known_version(version).split(".")
    at = "-X k8s.io/component-base/version."
    return GoBuild(
        folder=f"modules/kubernetes-{major}.{minor}",
        packages={name: _K8S + name for name in KUBERNETES_BINARIES},
        module="k8s.io/kubernetes",
        version=version,
        linker_flags=f"-s -w {at}gitVersion=v{version} {at}gitMajor={major} {at}gitMinor={minor}",
    )


def etcd_build() -> GoBuild:
    """How etcd and its two tools are built."""
    return GoBuild(
        folder="modules/etcd",
        packages=dict(ETCD_PACKAGES),
        module="go.etcd.io/etcd/server/v3",
        version=ETCD,
        linker_flags="-s -w",
    )


def coredns_build() -> GoBuild:
    """How the DNS server of the coredns image is built."""
    return GoBuild(
        folder="modules/coredns",
        packages={"coredns": "github.com/coredns/coredns"},
        module="github.com/coredns/coredns",
        version=COREDNS,
        linker_flags="-s -w",
    )


def network_policy_build() -> GoBuild:
    """How the two programs are built that make NetworkPolicy hold on a node."""
    return GoBuild(
        folder="modules/network-policy",
        packages=dict(NETWORK_POLICY_PACKAGES),
        module=_POLICY,
        version=NETWORK_POLICY,
        linker_flags="-s -w",
    )


def logs_build() -> GoBuild:
    """How the store of log lines and the shipper are built: the project's collector, and our program around it."""
    at = "github.com/VictoriaMetrics/VictoriaLogs"
    programs = {"victoria-logs": f"{at}/app/victoria-logs", "kcloud-log-shipper": "kcloud.local/log-shipper"}
    return GoBuild(
        folder="modules/logs",
        packages=programs,
        module=at,
        version=LOGS,
        linker_flags="-s -w",
    )


def registry_build() -> GoBuild:
    """How the image registry of the portal's own machine is built: the project's library, and our program around it."""
    return GoBuild(
        folder="modules/registry",
        packages={"kcloud-registry": "kcloud.local/registry"},
        module="github.com/distribution/distribution/v3",
        version=REGISTRY,
        linker_flags=f"-s -w -X github.com/distribution/distribution/v3/version.version=v{REGISTRY}",
    )


def own_build(name: str, version: str) -> GoBuild:
    """How a program of our own in images/ is built; it has no dependency but Go's standard library."""
    return GoBuild(
        folder=f"images/{name}",
        packages={name: f"kcloud.local/{name}"},
        module=f"kcloud.local/{name}",
        version=version,
        linker_flags="-s -w",
    )
