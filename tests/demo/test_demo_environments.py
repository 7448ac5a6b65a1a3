"""The demo's environments: made once, found again, and gone on with after an interruption."""

import pytest

from clusters.errors import ClusterUnreachable
from clusters.models import Environment
from kcloud_site.demo import environments, people
from kcloud_site.operations.models import Operation
from kcloud_site.tenants.resources import total
from tests.clusters.environments import carry_out, fake_cluster

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(monkeypatch):
    return fake_cluster(monkeypatch, "demo")


@pytest.fixture
def run(place, operator):
    def make():
        environments.make_environments(
            cluster=place[0],
            by=operator,
            say=lambda _text, _share: None,
            wait=lambda operation, _say: carry_out(operation),
        )

    return make


def test_two_tenants_have_their_environments_and_a_second_run_finds_them(run):
    run()
    made = Environment.objects.order_by("namespace")
    assert [each.namespace for each in made] == ["logistics-dev", "retail-dev", "retail-prod", "retail-test"]
    assert {each.state for each in made} == {"ready"}
    assert [each.namespace for each in made if each.protected] == ["retail-prod"]
    before = Operation.objects.count()
    run()
    assert (Environment.objects.count(), Operation.objects.count()) == (4, before)


def test_a_creation_that_failed_is_resumed(run, place):
    place[1].down = ClusterUnreachable("away")
    run()
    assert {each.state for each in Environment.objects.all()} == {"failed"}
    place[1].down = None
    run()
    assert {each.state for each in Environment.objects.all()} == {"ready"}


def test_the_shares_fit_into_the_quotas():
    for tenant in people.TENANTS:
        shares = total(share for name, _name, _stage, share in environments.WANTED if name == tenant)
        assert shares.exceeds(environments.TOTAL) == {}
