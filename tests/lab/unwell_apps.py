"""Applications of a tenant on a real cluster that go wrong each in its own way, and looking after them as the clock
does: for the test of self-healing."""

from datetime import timedelta

from django.utils import timezone

from apps.models import App, Deployment, HealingDecision, Workload
from apps.samples import shop
from apps.services import deployments, healing_rounds
from clusters import access
from clusters.models import Environment
from kcloud_site.demo.sample import IMAGE
from kcloud_site.operations.models import State
from kcloud_site.tenants.resources import Resources
from kcloud_site.tenants.services import tenants
from tests.apps.things import carry_out, make_release
from tests.clusters.environments import GIB, ask, give_quota, newest
from tests.clusters.environments import carry_out as carry_out_operation
from tests.operations.processes import until

SPACE = "retail-dev"
PODS = f"/api/v1/namespaces/{SPACE}/pods"
SHARE = Resources(cpu=1500, memory=4 * GIB, storage=GIB, pods=30)


def make_environment(cluster, by):
    """A tenant and its environment on the cluster."""
    tenant = tenants.create_tenant(name="retail", title="Retail", by=by)
    give_quota(tenant)
    made = carry_out_operation(newest(ask(tenant, cluster, share=SHARE, by=by)))
    assert made.state == State.SUCCEEDED, made.failure


def place():
    return Environment.objects.select_related("cluster", "tenant").get()


def inside():
    """The portal as the environment's own account."""
    return access.kubernetes_for(place())


def hello(**changed):
    """Answers, and ends when it is told to."""
    container = {
        "name": "web",
        "image": IMAGE,
        "ports": [{"name": "http", "port": 8080}],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}},
    }
    return {"containers": [container], "run_as": 65532, "grace": 1, **changed}


def faulty(fault):
    """The shop's front with one of its faults. Without probes it counts as available as soon as it runs."""
    made = shop.spec(shop.WEB, fault=fault)
    for name in ("configuration", "scaling", "service"):
        made.pop(name)
    (container,) = made["containers"]
    container.pop("probes")
    return {**made, "grace": 1}


def run(name, version, spec, by, replicas=1):
    """Deploy a release there, to its end."""
    environment = place()
    app, _made = App.objects.get_or_create(tenant=environment.tenant, name=name)
    release = make_release(app, version, spec)
    made = deployments.deploy_release(
        app=app, environment=environment, release=release, by=by, replicas=replicas
    )
    assert carry_out(made).state == "succeeded", made.reason


def stop(name, by):
    """No pods of it any more."""
    carry_out(deployments.stop_workload(workload=workload(name), by=by))


def workload(name):
    rows = Workload.objects.select_related("app", "tenant", "environment__cluster", "release", "good_release")
    return rows.get(app__name=name)


def pods(name):
    return inside().list(PODS, labelSelector=f"kcloud.local/app={name}")


def decisions(name):
    rows = HealingDecision.objects.filter(workload__app__name=name).order_by("id")
    return [(row.rung, row.state, row.why) for row in rows]


def decided(name, rung, state, patience=150):
    """Look after all applications as the clock does until that was decided about one; the decision."""
    rows = HealingDecision.objects.filter(workload__app__name=name, rung=rung, state=state)

    def look():
        healing_rounds.look_after()
        return rows.first()

    return until(look, patience)


def carry_out_what_was_begun(name):
    """The operations self-healing asked for; how the newest ended."""
    for each in Deployment.objects.filter(workload__app__name=name, state="pending"):
        carry_out(each)
    return Deployment.objects.filter(workload__app__name=name).first()


def cooldown_passes(name):
    """Five minutes that nobody has to wait for."""
    past = timezone.now() - timedelta(minutes=6)
    HealingDecision.objects.filter(workload__app__name=name).update(first_at=past, last_at=past)
