"""The demo's shop: registered, published and deployed once; gone on with after an interruption."""

import pytest

from apps.models import App, Deployment, Pin, Workload
from apps.samples import shop as samples
from kcloud_site.demo import shop
from kcloud_site.operations.models import Operation, State
from kcloud_site.tenants.models import Tenant
from tests.apps.things import FakeControllers
from tests.clusters.environments import carry_out, give_quota, make
from tests.clusters.kube_objects import make_cluster

pytestmark = pytest.mark.django_db


@pytest.fixture
def fake(monkeypatch):
    found = FakeControllers()
    monkeypatch.setattr("clusters.access.kubernetes_for", lambda place, **_options: found)
    return found


@pytest.fixture
def retail(fake):
    tenant = Tenant.objects.create(name="retail", title="Retail")
    give_quota(tenant)
    cluster = make_cluster("demo")
    for stage in shop.STAGES:
        make(tenant, cluster, stage, stage=stage)
    return tenant


@pytest.fixture
def run(retail, operator):
    def make_shop():
        shop.make_shop(
            by=operator,
            say=lambda _text, _share: None,
            wait=lambda operation, _say: operation.state == State.SUCCEEDED or carry_out(operation),
        )

    return make_shop


def test_four_applications_run_in_three_environments_and_a_second_run_finds_them(run):
    run()
    assert set(App.objects.values_list("name", flat=True)) == {app.name for app in samples.APPS}
    assert set(Workload.objects.values_list("state", flat=True)) == {"healthy"}
    assert Workload.objects.count() == 12
    web = App.objects.get(name=samples.WEB)
    assert set(web.releases.values_list("version", flat=True)) == set(samples.TAGS)
    assert set(Workload.objects.filter(release__version="1.0").values_list("app__name", flat=True)) >= {
        web.name
    }
    before = Operation.objects.count(), Deployment.objects.count()
    run()
    assert (Operation.objects.count(), Deployment.objects.count()) == before


def test_what_never_came_up_is_deployed_again(run, fake):
    fake.bad = {"kcloud.local/shop-redis:1.0"}
    run()
    assert Workload.objects.filter(app__name=samples.CACHE, state="healthy").count() == 0
    fake.bad = set()
    run()
    assert set(Workload.objects.values_list("state", flat=True)) == {"healthy"}
    assert Pin.objects.filter(lifted_at__isnull=True).count() == 0


def test_what_somebody_changed_meanwhile_is_left_alone(run):
    run()
    Workload.objects.filter(app__name=samples.WEB).update(state="stopped", stopped=True)
    before = Deployment.objects.count()
    run()
    assert Deployment.objects.count() == before


def test_the_farewell_names_a_page_for_each_environment():
    assert list(shop.pages("http://x")) == [
        f"http://x/tenants/retail/apps/shop-web/in/{stage}/" for stage in ("dev", "test", "prod")
    ]
