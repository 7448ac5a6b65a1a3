"""A planned cluster, whose hosts and API server are fakes: what the tests of deployments share."""

from contextlib import contextmanager

import pytest

from clusters import access
from clusters.adapters import ansible, ssh
from clusters.bundle.manifest import encode
from clusters.models import Bundle, Credential, Host, Region
from clusters.selectors.preflight import PreflightVerdict
from clusters.services import bundles, credentials, deployment, plans
from tests.clusters.deployment_fakes import FakeAnsible, ReadyKubernetes, manifest
from tests.clusters.deployments import plan_data


@pytest.fixture
def fake(monkeypatch):
    fake = FakeAnsible()
    monkeypatch.setattr(ansible, "run_playbook", fake.run_playbook)

    @contextmanager
    def identity(target):
        yield ssh.Identity(None, None, ("-F", "/dev/null"), {})

    monkeypatch.setattr(ssh, "identity", identity)
    return fake


@pytest.fixture
def api(monkeypatch):
    api = ReadyKubernetes()
    for node in ("w1", "w2"):
        api.objects[f"/api/v1/nodes/{node}"] = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
    monkeypatch.setattr(access, "kubernetes_for", lambda cluster, **_options: api)
    return api


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    (tmp_path / "manifest.json").write_bytes(encode(manifest()))
    row = Bundle.objects.create(
        version="1.34.4",
        path=str(tmp_path),
        manifest_sha256="0" * 64,
        state="verified",
        verified_at="2026-01-01T00:00:00Z",
    )
    monkeypatch.setattr(
        bundles, "refresh_bundle", lambda *, version: Bundle.objects.filter(version=version).first()
    )
    return row


@pytest.fixture
def hosts(operator):
    region = Region.objects.create(name="east")
    credential = credentials.create_credential(
        name="lab",
        username="kcloud",
        kind=Credential.Kind.PASSWORD,
        secret="a-password-of-hosts",
        by=operator,
    )
    names = {"m1": 1, "m2": 2, "m3": 3, "w1": 11, "w2": 12, "s1": 21}
    return {
        name: Host.objects.create(
            name=name,
            region=region,
            address=f"10.0.0.{n}",
            credential=credential,
            state="ready",
            host_key="ssh-x AAAA",
        )
        for name, n in names.items()
    }


@pytest.fixture
def verdict(monkeypatch):
    """The preflight's answer; "passed" unless a test says otherwise."""
    answer = {"state": "passed"}
    monkeypatch.setattr(deployment, "preflight_verdict", lambda cluster: PreflightVerdict(answer["state"], 1))
    return answer


@pytest.fixture
def cluster(hosts, bundle, verdict, operator):
    return plans.create_cluster(spec=plan_data(), by=operator)
