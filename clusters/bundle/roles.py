"""Which files of a bundle a host needs for what it will be. Pure.

A host that is master and worker at once takes both lists. Licence texts stay with the bundle on the portal.
"""

from __future__ import annotations

from typing import Literal

from clusters.bundle.manifest import Manifest, ManifestFile

Role = Literal["master", "worker"]

MASTER_BINARIES = frozenset(
    {
        "etcd",
        "etcdctl",
        "etcdutl",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubectl",
    }
)
WORKER_BINARIES = frozenset(
    {"kubelet", "kube-proxy", "kcloud-network-policy", "kube-network-policies", "kcloud-log-shipper"}
)


def files_for(manifest: Manifest, role: Role) -> list[str]:
    """Sorted paths, relative to the bundle, of the files that a host of this role needs."""
    wanted = {"master": _master_needs, "worker": _worker_needs}[role]
    return sorted(file.path for file in manifest.files if wanted(file))


def _name(file: ManifestFile) -> str:
    return file.path.rpartition("/")[2]


def _master_needs(file: ManifestFile) -> bool:
    return file.kind == "binary" and _name(file) in MASTER_BINARIES


def _worker_needs(file: ManifestFile) -> bool:
    if file.kind == "binary":
        return _name(file) in WORKER_BINARIES
    return file.kind in ("package", "package-index", "image")
