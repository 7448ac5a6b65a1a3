"""Exceptions: one person, one right, one object, until a date; ended by hand, by the clock, with the membership."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import due
from kcloud_site.operations.models import DueRow
from kcloud_site.tenants import jobs, permissions
from kcloud_site.tenants.errors import GrantRefused, TenantClosed
from kcloud_site.tenants.models import Grant, Membership, User
from kcloud_site.tenants.services import grants, members, tenants
from tests.tenants.conftest import environment_of

pytestmark = pytest.mark.django_db

RIGHT = "environment.freeze"


@pytest.fixture
def developer(tenant, join):
    return join(tenant, "developer")


@pytest.fixture
def give(tenant, developer, environment, operator):
    def giving(**other):
        wanted = {
            "tenant": tenant,
            "user": developer,
            "right": RIGHT,
            "thing": environment,
            "expires_at": timezone.now() + timedelta(days=3),
            "reason": "covers for the operator",
            "by": operator,
        }
        return grants.grant_right(**{**wanted, **other})

    return giving


def may(user, thing, right=RIGHT):
    """Asked anew, as the next request would."""
    return permissions.may(User.objects.get(pk=user.pk), right, thing)


def test_a_person_may_what_was_granted_on_that_object_and_nothing_else(give, developer, environment, tenant):
    other = environment_of(tenant, "test")
    give()
    assert may(developer, environment)
    assert not may(developer, other)
    assert not may(developer, environment, "environment.remove")
    seen = permissions.visible(type(environment).objects.all(), developer, RIGHT)
    assert list(seen) == [environment]


def test_a_grant_is_recorded_with_its_reason_and_end(give, tenant):
    grant = give()
    event = AuditEvent.objects.get(action="grant.create")
    assert (event.tenant_id, event.reason) == (tenant.pk, "covers for the operator")
    assert event.after["until"] == grant.expires_at.isoformat(timespec="seconds")
    assert event.after["person"] == "retail-developer"


def test_a_right_is_gone_at_its_date_even_if_no_clock_came(give, developer, environment):
    give()
    with time_machine.travel(timezone.now() + timedelta(days=3, seconds=1)):
        assert not may(developer, environment)


def test_the_clock_ends_what_is_over_and_says_so(give, developer, environment):
    give()
    lasting = give(right="environment.resize", expires_at=timezone.now() + timedelta(days=9))
    with time_machine.travel(timezone.now() + timedelta(days=3, seconds=1)):
        jobs.end_grants()
        jobs.end_grants()
    grant = Grant.objects.get(permission=RIGHT)
    assert (grant.ended_at is not None, grant.ended_by) == (True, "")
    assert not developer.has_perm("clusters.freeze_environment", environment)
    event = AuditEvent.objects.get(action="grant.end")
    assert (event.actor_kind, event.actor) == ("rule", "exception-expiry")
    lasting.refresh_from_db()
    assert lasting.ended_at is None


def test_the_clock_is_told_to_look_each_minute(monkeypatch):
    from django.core.management import call_command

    from kcloud_site.operations.management.commands import clock

    monkeypatch.setattr(clock.Clock, "run", lambda self: None)
    call_command("clock")
    row = DueRow.objects.get(name="tenants.end_grants")
    assert row.every == 60
    assert due.resolve(row.job) is jobs.end_grants


def test_one_that_cannot_be_ended_does_not_hold_up_the_others(give, monkeypatch, caplog):
    give()
    give(right="environment.resize")
    real = permissions.take_back

    def failing(user, right, thing):
        if right == RIGHT:
            raise RuntimeError("broken")
        real(user, right, thing)

    monkeypatch.setattr(permissions, "take_back", failing)
    assert grants.end_due_grants(now=timezone.now() + timedelta(days=4)) == 1
    assert "cannot be ended" in caplog.text
    assert Grant.objects.get(permission=RIGHT).ended_at is None


def test_an_owner_takes_it_back_before_its_time(give, developer, environment, operator):
    grant = give()
    for _again in range(2):
        grants.end_grant(grant=grant, by=operator, reason="back from leave")
    assert not may(developer, environment)
    event = AuditEvent.objects.get(action="grant.end")
    assert (event.actor, event.reason, grant.ended_by) == ("operator", "back from leave", "operator")


def test_an_exception_goes_with_the_membership_and_does_not_return_with_it(
    give, developer, environment, operator, tenant
):
    give()
    members.remove_member(member=Membership.objects.get(user=developer), by=operator)
    assert Grant.objects.get().ended_by == "operator"
    members.add_member(tenant=tenant, user=developer, role="developer", by=operator)
    assert not may(developer, environment)


def test_an_exception_on_what_is_gone_can_be_ended(give, environment, operator):
    grant = give()
    environment.delete()
    grants.end_grant(grant=grant, by=operator)
    assert Grant.objects.get().ended_at is not None


def test_the_same_exception_is_given_once_and_again_after_its_end(give, developer, environment):
    give()
    with pytest.raises(GrantRefused, match="already") as refused:
        give()
    assert refused.value.field == "right"
    with time_machine.travel(timezone.now() + timedelta(days=4)):
        give(expires_at=timezone.now() + timedelta(days=1))
        assert may(developer, environment)
    assert Grant.objects.count() == 2


def test_what_is_not_the_tenants_or_not_fit_is_refused(give, other_tenant, join, environment, person):
    foreign = environment_of(other_tenant)
    for change, field in (
        ({"thing": foreign}, "thing"),
        ({"right": "tenant.edit"}, "right"),
        ({"thing": environment.cluster}, "thing"),
        ({"user": person}, "user"),
        ({"user": join(other_tenant, "owner")}, "user"),
        ({"expires_at": timezone.now()}, "expires_at"),
    ):
        with pytest.raises(GrantRefused) as refused:
            give(**change)
        assert refused.value.field == field, change
    assert not Grant.objects.exists()


def test_nothing_is_granted_in_a_closed_tenant(give, tenant, operator):
    tenants.close_tenant(tenant=tenant, by=operator, reason="merged")
    with pytest.raises(TenantClosed):
        give()
