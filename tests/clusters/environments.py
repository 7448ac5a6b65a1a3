"""Environments for tests: a tenant with quota, a cluster in memory, operations carried out at once."""

from clusters.models import Environment
from clusters.services import environments, quotas
from kcloud_site.operations import runner
from kcloud_site.operations.models import Operation
from kcloud_site.tenants.resources import Resources
from tests.clusters.fake_kubernetes import FakeKubernetes
from tests.clusters.kube_objects import make_cluster

GIB = 1024**3
ROOM = Resources(cpu=8000, memory=16 * GIB, storage=100 * GIB, pods=50, gpus=1)
SHARE = Resources(cpu=1000, memory=2 * GIB, storage=10 * GIB, pods=10)


def fake_cluster(monkeypatch, name="dev"):
    """A cluster that runs, and the fake that answers for it and for its environments."""
    fake = FakeKubernetes()
    monkeypatch.setattr("clusters.access.kubernetes_for", lambda place, **_options: fake)
    return make_cluster(name), fake


def give_quota(tenant, total=ROOM):
    quotas.set_total(tenant=tenant, total=total, by=None)


def ask(tenant, cluster, name="dev", share=SHARE, by=None, **values):
    """An environment asked for, not made yet."""
    return environments.create_environment(
        tenant=tenant,
        cluster=cluster,
        name=name,
        stage=values.pop("stage", "dev"),
        share=share,
        by=by,
        **values,
    )


def make(tenant, cluster, name="dev", **values):
    """One that is ready."""
    made = ask(tenant, cluster, name, **values)
    carry_out(newest(made))
    made.refresh_from_db()
    assert made.state == Environment.State.READY, made.state_reason
    return made


def newest(environment):
    """The newest operation about it."""
    rows = Operation.objects.filter(subject_type="clusters.environment", subject_id=str(environment.pk))
    return rows.order_by("-id").first()


def carry_out(operation):
    runner.run(operation.pk)
    operation.refresh_from_db()
    return operation
