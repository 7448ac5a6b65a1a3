"""Which secret goes where: no host gets one it does not need, and no authority key leaves the portal."""

import base64
import datetime
import json
import tomllib

import pytest

from clusters.deploying import node_files, pki
from clusters.deploying.node_registries import NodeRegistry
from clusters.kubeconfigs import kubeconfig
from tests.clusters import deployments

NOW = datetime.datetime(2026, 5, 1, tzinfo=datetime.UTC)
STEPS = [
    "collect",
    "distribute",
    "runtime",
    "store",
    "control",
    "api",
    "scheduler",
    "agent",
    "balancer",
    "network",
]
THREE = deployments.make(masters=3)
SECRETS = pki.complete({}, node_files.layout(THREE), now=NOW)


def every_file(role):
    """(step, member, file) for the steps a role takes part in."""
    mine = {"master": ["store", "control", "api", "scheduler"], "worker": ["agent", "balancer"]}[role]
    for member in THREE.members:
        for step in mine if member.role == role else []:
            for file in node_files.files(step, THREE, member, SECRETS):
                yield step, member, file


def content(file):
    return file.get("secret_content") or file["content"]


@pytest.mark.parametrize("role", ["master", "worker"])
def test_no_authority_key_ever_goes_to_a_host(role):
    for _step, _member, file in every_file(role):
        for name in pki.AUTHORITIES:
            key = SECRETS[f"{name}.key"].decode()
            assert key not in content(file)
            assert base64.b64encode(key.encode()).decode() not in content(file)


@pytest.mark.parametrize("role", ["master", "worker"])
def test_private_keys_are_readable_by_root_alone_and_marked_secret(role):
    seen = 0
    for _step, _member, file in every_file(role):
        private = "PRIVATE KEY" in content(file) or "client-key-data" in content(file)
        assert ("secret_content" in file) == (private or file["path"].endswith("encryption.json"))
        if "secret_content" in file:
            seen += 1
            assert file["mode"] == "0600"
    assert seen > 0


def test_a_worker_gets_only_its_own_identity():
    for _step, member, file in every_file("worker"):
        for other in THREE.members:
            for kind in ("kubelet", "etcd"):
                key = SECRETS.get(f"{kind}-{other.name}.key")
                if key and (kind, other.name) != ("kubelet", member.name):
                    assert key.decode() not in content(file)
                    assert base64.b64encode(key).decode() not in content(file)


def test_paths_are_the_same_on_every_host_of_a_role():
    paths = {}
    for step, member, file in every_file("master"):
        paths.setdefault(step, {}).setdefault(member.name, []).append(file["path"])
    for by_host in paths.values():
        assert len({tuple(found) for found in by_host.values()}) == 1


@pytest.mark.parametrize("step", ["collect", "distribute", "runtime", "network", "verify"])
def test_steps_without_secrets_have_no_files(step):
    assert node_files.files(step, THREE, THREE.masters[0], SECRETS) == []


def conf(deployment, step, member, name):
    files = node_files.files(step, deployment, member, SECRETS)
    text = next(file["secret_content"] for file in files if file["path"].endswith(name))
    return kubeconfig.parse(text.encode()) if "127.0.0.1" not in text else json.loads(text)


def test_masters_talk_to_their_own_api_and_workers_to_the_balancer():
    for step, member, name in (
        ("control", THREE.masters[1], "controller-manager.conf"),
        ("scheduler", THREE.masters[1], "scheduler.conf"),
        ("agent", THREE.workers[0], "kubelet.conf"),
        ("balancer", THREE.workers[0], "kube-proxy.conf"),
        ("network", THREE.workers[0], "network-policy.conf"),
    ):
        assert conf(THREE, step, member, name)["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"


def test_with_one_master_workers_talk_to_it_directly():
    one = deployments.make(masters=1)
    assert conf(one, "agent", one.workers[0], "kubelet.conf").server == "https://10.0.0.1:6443"


def test_secrets_are_encrypted_first_and_read_in_clear_last():
    document = json.loads(node_files.encryption(SECRETS[pki.ENCRYPTION_KEY]))
    (rule,) = document["resources"]
    assert rule["resources"] == ["secrets"]
    assert [next(iter(provider)) for provider in rule["providers"]] == ["secretbox", "identity"]
    assert rule["providers"][0]["secretbox"]["keys"][0]["secret"] == SECRETS[pki.ENCRYPTION_KEY].decode()


def test_the_layout_takes_the_first_service_address():
    layout = node_files.layout(THREE)
    assert layout.service_address == "10.96.0.1"
    assert [member.name for member in layout.masters] == ["m1", "m2", "m3"]


def test_workers_are_told_of_registries_by_address_and_authority():
    registry = NodeRegistry("registry.example.com:5000", "10.0.0.9:5000", b"CERTIFICATE")
    found = node_files.files("runtime", THREE, THREE.workers[0], SECRETS, [registry])
    authority, hosts = found
    assert authority["content"] == "CERTIFICATE"
    assert hosts["path"] == "/etc/containerd/certs.d/registry.example.com:5000/hosts.toml"
    told = tomllib.loads(hosts["content"])
    place = "https://10.0.0.9:5000"
    assert told["server"] == place
    assert told["host"][place] == {"capabilities": ["pull", "resolve"], "ca": authority["path"]}
    assert node_files.files("agent", THREE, THREE.workers[0], SECRETS, [registry]) == node_files.files(
        "agent", THREE, THREE.workers[0], SECRETS
    )


@pytest.mark.parametrize("text", ["", "a/../b:5000", 'x"\n', "Registry", "10.0.0.9:5000/x"])
def test_what_is_no_host_gets_into_no_file(text):
    with pytest.raises(ValueError, match="not a host"):
        NodeRegistry(text, "10.0.0.9:5000", b"")
