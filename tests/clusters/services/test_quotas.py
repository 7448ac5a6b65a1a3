"""A tenant's quota is given, lent and carved up; what does not fit is refused by name, and two cannot take the same."""

from datetime import timedelta

import pytest
from django.utils import timezone

from clusters.errors import QuotaExceeded, QuotaInUse, ValueRefused
from clusters.selectors import quotas as reading
from clusters.services import quotas
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations.models import DueRow
from kcloud_site.tenants.errors import TenantClosed
from kcloud_site.tenants.models import Loan, Quota, Tenant
from kcloud_site.tenants.resources import Resources
from kcloud_site.tenants.services import tenants
from tests.clusters.carving import GIB, ROOM, SHARE, carve, remove, resize
from tests.operations.test_races import all_at_once, append


@pytest.fixture
def given(db, tenant):
    quotas.set_total(tenant=tenant, total=ROOM, by=None)
    return tenant


def lend(tenant, amount=SHARE, days=7, by=None):
    until = timezone.now() + timedelta(days=days)
    return quotas.lend(tenant=tenant, amount=amount, until=until, by=by, reason="load test")


def test_a_tenant_that_was_given_nothing_has_nothing_free(tenant):
    assert quotas.free_for(tenant) == Resources()
    with pytest.raises(QuotaExceeded) as refused:
        carve(tenant)
    assert set(refused.value.lacking) == {"cpu", "memory", "storage", "pods"}
    assert "request more quota" in str(refused.value)


def test_what_is_carved_out_is_not_free_any_more_and_returns_with_the_environment(given):
    environment = carve(given)
    assert quotas.free_for(given) == ROOM - SHARE
    remove(environment)
    assert quotas.free_for(given) == ROOM


def test_another_tenants_environments_take_nothing(given, other_tenant):
    quotas.set_total(tenant=other_tenant, total=ROOM, by=None)
    carve(other_tenant)
    assert quotas.free_for(given) == ROOM


def test_a_share_that_does_not_fit_is_refused_with_each_resource_and_what_is_free(given):
    carve(given)
    with pytest.raises(QuotaExceeded) as refused:
        carve(given, Resources(cpu=7000, memory=GIB, pods=100))
    assert refused.value.lacking == {"cpu": 1000, "pods": 60}
    told = str(refused.value)
    assert "CPU 7 cores, Pods 100;" in told
    assert "CPU 6 cores, Pods 40" in told
    assert "Memory" not in told


def test_the_last_of_it_can_be_carved_out(given):
    carve(given, ROOM)
    assert quotas.free_for(given) == Resources()


def test_growing_counts_only_what_is_more(given):
    environment = carve(given, ROOM - Resources(cpu=1000))
    resize(environment, ROOM)
    with pytest.raises(QuotaExceeded):
        resize(environment, ROOM + Resources(gpus=1))
    assert environment.resources == ROOM


def test_what_is_lent_can_be_carved_out_until_it_returns(given):
    carve(given, ROOM)
    loan = lend(given)
    carve(given)
    assert reading.standing(given).borrowed == SHARE
    Loan.objects.filter(pk=loan.pk).update(ends_at=timezone.now())
    assert quotas.end_due_loans(timezone.now()) == 1
    assert quotas.end_due_loans(timezone.now()) == 0
    assert reading.standing(given).over == {part: by for part, by in SHARE.parts().items() if by}


def test_over_the_quota_nothing_more_is_carved_out_but_things_may_get_smaller(given):
    lend(given)
    environment = carve(given, ROOM + SHARE)
    quotas.end_loan(loan=Loan.objects.get(), by=None)
    with pytest.raises(QuotaExceeded):
        carve(given, Resources(cpu=1))
    resize(environment, ROOM + Resources(cpu=500))
    assert reading.standing(given).over == {"cpu": 500}
    assert quotas.free_for(given).cpu == 0


def test_a_loan_ends_by_itself_when_its_time_is_up_and_not_before(given):
    loan = lend(given, days=1)
    assert quotas.end_due_loans(loan.ends_at - timedelta(seconds=1)) == 0
    assert quotas.end_due_loans(loan.ends_at) == 1
    loan.refresh_from_db()
    assert (loan.ended_at is not None, loan.ended_by) == (True, "")
    assert AuditEvent.objects.filter(action="quota.loan_ended", tenant_id=given.pk).count() == 1


def test_the_clock_ends_loans(given, django_capture_on_commit_callbacks):
    from kcloud_site.operations import due, jobs

    due.ensure_due(name="quotas.loans", job="clusters.jobs.end_loans", every=15)
    loan = lend(given)
    Loan.objects.update(ends_at=timezone.now())
    row = DueRow.objects.get(name="quotas.loans")
    jobs.run_due(row.name, row.job, row.arguments)
    loan.refresh_from_db()
    assert loan.ended_at is not None


def test_a_loan_taken_back_early_says_by_whom_and_only_once(given, operator):
    loan = lend(given)
    assert quotas.end_loan(loan=loan, by=operator, reason="needed elsewhere")
    assert not quotas.end_loan(loan=loan, by=None)
    assert loan.ended_by == "operator"
    event = AuditEvent.objects.get(action="quota.take_back")
    assert (event.actor, event.reason) == ("operator", "needed elsewhere")


@pytest.mark.parametrize(
    ("amount", "days", "field"),
    [(Resources(), 1, "amount"), (SHARE, 0, "until"), (SHARE, -1, "until"), (SHARE, 400, "until")],
)
def test_a_loan_of_nothing_or_for_no_time_or_for_ever_is_refused(given, amount, days, field):
    with pytest.raises(ValueRefused) as refused:
        lend(given, amount, days)
    assert refused.value.field == field
    assert not Loan.objects.exists()


def test_a_new_total_is_recorded_with_the_old_one_and_only_if_it_changed(tenant, operator):
    for _again in range(2):
        quotas.set_total(tenant=tenant, total=ROOM, by=operator, reason="contract")
    event = AuditEvent.objects.get(action="quota.change")
    assert (event.before["cpu"], event.after["cpu"], event.after["memory"]) == ("0", "8", "16Gi")
    assert (event.actor, event.reason, event.tenant_id) == ("operator", "contract", tenant.pk)


def test_a_total_below_what_is_carved_out_is_refused_with_the_sum(given):
    carve(given)
    carve(given)
    with pytest.raises(QuotaInUse) as refused:
        quotas.set_total(
            tenant=given, total=Resources(cpu=3000, memory=GIB * 16, storage=20 * GIB, pods=50), by=None
        )
    assert "CPU 4 cores" in str(refused.value)
    assert "CPU 1 core" in str(refused.value)
    assert "Pods" not in str(refused.value)
    assert Quota.objects.get().resources == ROOM


def test_a_total_may_grow_while_the_tenant_is_still_over_it(given):
    lend(given)
    carve(given, ROOM + SHARE)
    quotas.end_due_loans(timezone.now() + timedelta(days=8))
    quotas.set_total(tenant=given, total=ROOM + Resources(cpu=1000), by=None)
    assert reading.standing(given).over["cpu"] == 1000
    with pytest.raises(QuotaInUse):
        quotas.set_total(tenant=given, total=ROOM, by=None)


def test_a_closed_tenant_is_given_and_lent_nothing(given):
    tenants.close_tenant(tenant=given, by=None, reason="merged")
    with pytest.raises(TenantClosed):
        quotas.set_total(tenant=given, total=ROOM + ROOM, by=None)
    with pytest.raises(TenantClosed):
        lend(given)


def test_many_tenants_stand_in_as_many_queries_as_one(given, other_tenant, django_assert_num_queries):
    lend(given)
    carve(given)
    with django_assert_num_queries(3):
        reading.standings([given.pk])
    with django_assert_num_queries(3):
        found = reading.standings(
            Tenant.objects.values_list("pk", flat=True)[:0] or [given.pk, other_tenant.pk]
        )
    assert found[given.pk].free == ROOM
    assert (found[other_tenant.pk].total, found[other_tenant.pk].limit) == (None, Resources())


def test_of_environments_carved_at_the_same_time_only_those_that_fit_are_made(real_database, tmp_path):
    """Room for two, four come at once, in processes of their own."""
    tenant = tenants.create_tenant(name="retail", title="Retail", by=None)
    for number in range(6):
        quotas.set_total(tenant=tenant, total=SHARE + SHARE, by=None, reason=str(number))
        taken = tmp_path / f"taken-{number}"

        def take(taken=taken):
            try:
                append(taken, carve(tenant).pk)
            except QuotaExceeded as refused:
                append(taken, f"refused:{refused.lacking['cpu']}")

        assert all_at_once([take] * 4) == [0] * 4
        words = taken.read_text().split()
        assert (len(words), words.count("refused:2000")) == (4, 2)
        assert reading.standing(tenant).free == Resources()
        for environment in list(reading.carved_rows()):
            remove(environment)


def test_of_a_shrinking_total_and_a_carving_at_the_same_time_one_is_refused(real_database, tmp_path):
    tenant = tenants.create_tenant(name="retail", title="Retail", by=None)
    for number in range(6):
        quotas.set_total(tenant=tenant, total=SHARE, by=None)
        told = tmp_path / f"told-{number}"

        def take(told=told):
            try:
                carve(tenant)
            except QuotaExceeded:
                append(told, "refused")

        def shrink(told=told):
            try:
                quotas.set_total(tenant=tenant, total=Resources(), by=None)
            except QuotaInUse:
                append(told, "refused")

        assert all_at_once([take, shrink]) == [0, 0]
        assert told.read_text().split() == ["refused"]
        assert reading.standing(tenant).over == {}
        for environment in list(reading.carved_rows()):
            remove(environment)
