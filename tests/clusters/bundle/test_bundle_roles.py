"""A host gets what its role needs and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.bundle import catalogue
from clusters.bundle.manifest import KINDS, Manifest, ManifestFile, read_manifest
from clusters.bundle.roles import MASTER_BINARIES, WORKER_BINARIES, files_for


def test_a_master_gets_the_control_plane_and_the_store(bundle):
    assert files_for(read_manifest(bundle), "master") == ["bin/etcd", "bin/kube-apiserver", "bin/kubectl"]


def test_a_worker_gets_the_agent_packages_and_images(bundle):
    assert files_for(read_manifest(bundle), "worker") == [
        "bin/kube-proxy",
        "bin/kubelet",
        "debs/bookworm-amd64/Packages",
        "debs/bookworm-amd64/runc_1.1.5_amd64.deb",
        "images/pause.tar",
    ]


def test_every_binary_that_is_built_has_a_role():
    built = {
        *catalogue.KUBERNETES_BINARIES,
        *catalogue.ETCD_PACKAGES,
        *catalogue.NETWORK_POLICY_PACKAGES,
    }
    # Of the logs' component the store stays with the portal.
    assert built | {"kcloud-log-shipper"} == MASTER_BINARIES | WORKER_BINARIES


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(sorted(MASTER_BINARIES | WORKER_BINARIES))))
)
def test_both_roles_together_are_all_but_the_licences(pairs):
    files = tuple(
        ManifestFile(f"f{index}/{name}", kind, "c", "1", "MIT", 1, "0" * 64, "s")
        for index, (kind, name) in enumerate(pairs)
    )
    manifest = Manifest("1.34.4", "now", "linux", "amd64", "bookworm", files)
    both = set(files_for(manifest, "master")) | set(files_for(manifest, "worker"))
    assert both == {file.path for file in files if file.kind != "licence"}


def test_a_role_that_is_none_is_refused(bundle):
    with pytest.raises(KeyError):
        files_for(read_manifest(bundle), "observer")
