"""Deployments that are asked for, decided on by somebody else, and begun at their hour."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.errors import (
    ApprovalDecided,
    FourEyes,
    ReleasePinned,
    ReleaseRefused,
    ValueRefused,
    WorkloadRefused,
)
from apps.models import Deployment, DeploymentRequest, Workload
from apps.selectors import approvals as reading
from apps.services import approvals, deployments
from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants.permissions import PermissionDenied
from tests.apps.things import carry_out, make_app, make_environment, make_release

pytestmark = pytest.mark.django_db


@pytest.fixture
def environment(monkeypatch, tenant):
    made, _cluster = make_environment(monkeypatch, tenant, "prod", stage="prod", protected=True)
    return made


@pytest.fixture
def app(tenant):
    return make_app(tenant)


@pytest.fixture
def people(join, tenant):
    return join(tenant, "developer"), join(tenant, "operator")


@pytest.fixture
def asked(app, environment, people):
    return ask(app, environment, people[0])


def ask(app, environment, by, **values):
    release = app.releases.first() or make_release(app)
    given = {"reason": "the fix of #12", "release": release, **values}
    return approvals.ask(app=app, environment=environment, by=by, **given)


def actions():
    return list(
        AuditEvent.objects.filter(object_type="apps.deploymentrequest")
        .order_by("pk")
        .values_list("action", flat=True)
    )


def test_what_was_approved_by_another_is_deployed_at_once(asked, people):
    developer, operator = people
    done = approvals.approve(request=asked, by=operator, reason="looks well")
    assert (done.state, done.decided_by) == ("deployed", operator)
    made = carry_out(done.deployment)
    assert (made.state, made.requested_by) == ("succeeded", operator.username)
    assert made.note == f"Asked for by {developer.username}: the fix of #12 looks well"
    assert actions() == ["deployment.ask", "deployment.approve"]


def test_nobody_decides_on_their_own(app, environment, people):
    _developer, operator = people
    own = ask(app, environment, operator)
    with pytest.raises(FourEyes):
        approvals.approve(request=own, by=operator)
    with pytest.raises(FourEyes):
        approvals.decline(request=own, by=operator, reason="no")
    own.refresh_from_db()
    assert own.state == "open"
    assert not Deployment.objects.exists()


def test_a_no_needs_a_reason_and_ends_it(asked, people):
    developer, operator = people
    with pytest.raises(ValueRefused):
        approvals.decline(request=asked, by=operator, reason=" ")
    approvals.decline(request=asked, by=operator, reason="not on a Friday")
    assert (asked.state, asked.decision_reason) == ("declined", "not on a Friday")
    with pytest.raises(ApprovalDecided):
        approvals.approve(request=asked, by=operator)
    with pytest.raises(ApprovalDecided):
        approvals.withdraw(request=asked, by=developer)
    assert actions() == ["deployment.ask", "deployment.decline"]
    assert not Deployment.objects.exists()


def test_it_is_withdrawn_by_whoever_asked_or_may_deploy_and_by_nobody_else(
    app, environment, people, join, tenant
):
    developer, operator = people
    for person in (developer, operator):
        assert approvals.withdraw(request=ask(app, environment, developer), by=person).state == "withdrawn"
    with pytest.raises(PermissionDenied):
        approvals.withdraw(request=ask(app, environment, developer), by=join(tenant, "developer", "other"))


def test_what_the_deployment_is_refused_for_leaves_the_request_open(asked, environment, people):
    environment.__class__.objects.update(frozen=True)
    fresh = reading.requests_of(asked.tenant).get()
    with pytest.raises(WorkloadRefused):
        approvals.approve(request=fresh, by=people[1])
    environment.__class__.objects.update(frozen=False)
    fresh = reading.requests_of(asked.tenant).get()
    assert fresh.state == "open"
    assert approvals.approve(request=fresh, by=people[1]).state == "deployed"


def test_what_could_not_be_deployed_anyway_is_not_asked_for(app, environment, people, tenant):
    developer, _operator = people
    with pytest.raises(ValueRefused):
        ask(app, environment, developer, reason="")
    with pytest.raises(ValueRefused):
        ask(app, environment, developer, replicas=-1)
    with pytest.raises(ValueRefused):
        ask(app, environment, developer, config_revision=3)
    with pytest.raises(ReleaseRefused):
        ask(app, environment, developer, release=make_release(make_app(tenant, "other")))
    for wrong in (timedelta(minutes=-1), timedelta(days=40)):
        with pytest.raises(ValueRefused):
            ask(app, environment, developer, deploy_at=timezone.now() + wrong)
    bad = make_release(app, "bad")
    deployments.pin_release(deployments.workload_of(app, environment), bad, {"what": "it failed"})
    with pytest.raises(ReleasePinned):
        ask(app, environment, developer, release=bad)
    assert not DeploymentRequest.objects.exists()


def test_it_waits_for_those_who_may_decide_and_not_for_the_asker(asked, people, join, tenant):
    developer, operator = people
    assert list(reading.waiting_for(operator)) == [asked]
    for other in (developer, join(tenant, "developer", "other"), join(tenant, "viewer")):
        assert not reading.waiting_for(other).exists()
        assert not reading.may_decide(other, asked)
    assert reading.may_decide(operator, asked)


# --- at an hour ---------------------------------------------------------------------------------


def later(**values):
    return timezone.now() + timedelta(**values)


def due(request):
    """As if its hour had come."""
    DeploymentRequest.objects.filter(pk=request.pk).update(deploy_at=later(seconds=-1))
    ended = approvals.start_due(timezone.now())
    request.refresh_from_db()
    return ended


def test_a_scheduled_one_is_deployed_when_its_hour_has_come_and_not_before(app, environment, people):
    _developer, operator = people
    made = approvals.schedule(
        app=app, environment=environment, release=make_release(app), by=operator, deploy_at=later(hours=1)
    )
    assert approvals.start_due(timezone.now()) == 0
    assert not Deployment.objects.exists()
    assert due(made) == 1
    assert (made.state, carry_out(made.deployment).state) == ("deployed", "succeeded")
    assert approvals.start_due(timezone.now()) == 0
    assert Deployment.objects.count() == 1


def test_approved_for_an_hour_it_waits_and_can_still_be_withdrawn(app, environment, people):
    developer, operator = people
    asked = ask(app, environment, developer, deploy_at=later(hours=1))
    assert approvals.approve(request=asked, by=operator).state == "scheduled"
    approvals.withdraw(request=asked, by=developer)
    assert due(asked) == 0
    assert not Deployment.objects.exists()


def test_whoever_scheduled_it_must_still_be_allowed_to_deploy(app, environment, people):
    developer, operator = people
    asked = ask(app, environment, developer, deploy_at=later(hours=1))
    approvals.approve(request=asked, by=operator)
    operator.memberships.update(role="viewer")
    assert due(asked) == 1
    assert (asked.state, "may not deploy" in asked.failure["what"]) == ("failed", True)
    assert not Deployment.objects.exists()
    assert actions()[-1] == "deployment.not_started"


def test_a_busy_application_is_tried_again_and_given_up_in_the_end(app, environment, people):
    _developer, operator = people
    release = make_release(app)
    deployments.deploy_release(app=app, environment=environment, release=release, by=operator)
    made = approvals.schedule(
        app=app, environment=environment, release=release, by=operator, deploy_at=later(hours=1)
    )
    assert due(made) == 0
    assert made.state == "scheduled"
    DeploymentRequest.objects.update(deploy_at=timezone.now() - approvals.PATIENCE)
    assert approvals.start_due(timezone.now()) == 1
    made.refresh_from_db()
    assert made.state == "failed"
    assert Workload.objects.get().generation == 1


def test_one_that_is_refused_says_why_and_the_next_goes_on(app, environment, people):
    _developer, operator = people
    bad, good = make_release(app, "bad"), make_release(app, "good")
    rows = [
        approvals.schedule(
            app=app, environment=environment, release=each, by=operator, deploy_at=later(hours=1)
        )
        for each in (bad, good)
    ]
    deployments.pin_release(deployments.workload_of(app, environment), bad, {"what": "it failed"})
    DeploymentRequest.objects.update(deploy_at=later(seconds=-1))
    assert approvals.start_due(timezone.now()) == 2
    for each in rows:
        each.refresh_from_db()
    assert [each.state for each in rows] == ["failed", "deployed"]
    assert "kept out" in rows[0].failure["what"]


def test_an_hour_is_needed_for_scheduling(app, environment, people):
    with pytest.raises(ValueRefused):
        approvals.schedule(
            app=app, environment=environment, release=make_release(app), by=people[1], deploy_at=None
        )
