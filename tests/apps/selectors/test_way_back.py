"""Where self-healing goes back to: what last worked, never what is kept out."""

import pytest

from apps.models import Workload
from apps.selectors.way_back import way_back
from apps.services import deployments
from tests.apps.things import carry_out, make_app, make_environment, make_release

pytestmark = pytest.mark.django_db


@pytest.fixture
def deploy(monkeypatch, tenant, operator):
    """Deploy another release; answers it."""
    environment, _fake = make_environment(monkeypatch, tenant)
    app = make_app(tenant)

    def one(version):
        release = make_release(app, version)
        carry_out(deployments.deploy_release(app=app, environment=environment, release=release, by=operator))
        return release

    return one


def back():
    good = way_back(Workload.objects.select_related("release", "good_release").get())
    return good and good.release.version


def test_the_first_release_has_none(deploy):
    deploy("1.0")
    assert back() is None


def test_it_is_what_ran_before_although_the_present_one_was_available_too(deploy):
    deploy("1.0")
    deploy("1.1")
    assert back() == "1.0"


def test_what_is_kept_out_is_passed_by(deploy):
    first = deploy("1.0")
    second = deploy("1.1")
    deploy("1.2")
    deployments.pin_release(Workload.objects.get(), second, {})
    assert back() == first.version


def test_going_back_leaves_nothing_to_go_back_to_what_was_left(deploy, operator):
    deploy("1.0")
    deploy("1.1")
    deployments.return_to_good(workload=Workload.objects.get(), by=operator, reason={"what": "crashes"})
    workload = Workload.objects.get()
    assert (workload.release.version, workload.good_release.version) == ("1.0", "1.0")
    assert back() is None


def test_a_configuration_of_before_is_a_way_back_of_its_own(deploy):
    deploy("1.0")
    Workload.objects.update(config_revision=3)
    good = way_back(Workload.objects.get())
    assert (good.release.version, good.config_revision) == ("1.0", None)
