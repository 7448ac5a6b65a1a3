"""One row a tenant and hour of what was used; a gap is not a zero."""

from datetime import UTC, datetime, timedelta

import pytest

from clusters.models import Environment
from clusters.selectors import usage as history
from clusters.services import quotas, usage
from kcloud_site.tenants.models import UsageSample
from kcloud_site.tenants.resources import Resources
from kcloud_site.tenants.services import tenants
from tests.clusters.carving import ROOM, SHARE, carve

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 27, 10, 20, tzinfo=UTC)
USED = Resources(cpu=500, pods=3)


@pytest.fixture
def given(tenant):
    quotas.set_total(tenant=tenant, total=ROOM, by=None)
    return tenant


def seen(environment, used=USED, at=NOW):
    Environment.objects.filter(pk=environment.pk).update(used=used.parts(), seen_at=at)


def test_the_first_look_of_an_hour_is_kept(given):
    seen(carve(given))
    seen(carve(given))
    assert usage.sample(NOW) == 1
    assert usage.sample(NOW + timedelta(minutes=30)) == 0
    row = UsageSample.objects.get()
    assert row.hour == NOW.replace(minute=0)
    assert (row.limit, row.carved, row.used) == (ROOM.parts(), (SHARE + SHARE).parts(), (USED + USED).parts())
    assert usage.sample(NOW + timedelta(hours=1)) == 1


def test_what_was_not_seen_of_late_is_a_gap(given):
    seen(carve(given), at=NOW - timedelta(hours=1))
    usage.sample(NOW)
    assert UsageSample.objects.get().used is None


def test_one_environment_nobody_has_seen_makes_the_sum_unknown(given):
    seen(carve(given))
    carve(given)
    assert usage.used_by([given.pk], NOW) == {given.pk: None}


def test_without_environments_nothing_is_used(given):
    assert usage.used_by([given.pk], NOW) == {given.pk: Resources()}


def test_rows_are_kept_for_ninety_days(given):
    for days in (89, 91):
        hour = NOW - timedelta(days=days)
        UsageSample.objects.create(tenant=given, hour=hour, limit={}, carved={}, used=None)
    usage.sample(NOW)
    assert UsageSample.objects.filter(hour__lt=NOW - timedelta(days=1)).count() == 1


def test_a_closed_tenant_is_not_sampled(given):
    tenants.close_tenant(tenant=given, by=None, reason="merged")
    assert usage.sample(NOW) == 0


def test_sampling_many_tenants_takes_as_many_queries_as_one(
    given, other_tenant, django_assert_max_num_queries
):
    carve(given)
    quotas.set_total(tenant=other_tenant, total=ROOM, by=None)
    carve(other_tenant)
    with django_assert_max_num_queries(12):
        assert usage.sample(NOW) == 2


def rows(tenant, values):
    """One row an hour, the last one now; None: used is unknown."""
    for back, value in enumerate(reversed(values)):
        used = None if value is None else Resources(cpu=value).parts()
        UsageSample.objects.create(
            tenant=tenant,
            hour=NOW.replace(minute=0) - timedelta(hours=back),
            limit=ROOM.parts(),
            carved=SHARE.parts(),
            used=used,
        )


def test_the_history_says_lowest_highest_and_last_and_keeps_gaps(given):
    rows(given, [1000, None, 3000, 2000])
    points = history.history(given, "cpu", 7, NOW)
    assert [point.used for point in points] == [1000, None, 3000, 2000]
    chart = history.chart(points, "cpu", 7, NOW)
    assert "lowest 1 core, highest 3 cores, last 2 cores. Limit 8 cores" in chart.label
    used = dict(chart.lines)["a"]
    assert used.count("M") == 2
    assert dict(chart.lines)["b"].count("M") == 1
    assert chart.top == "10 cores"
    assert [row[1] for row in history.table(points, "cpu")] == ["2 cores", "3 cores", "–", "1 core"]


def test_ninety_days_are_shown_by_the_highest_of_six_hours(given):
    rows(given, list(range(100, 2500, 100)))
    points = history.history(given, "cpu", 90, NOW)
    assert len(points) in (4, 5)
    assert points[-1].used == 2400


def test_the_history_of_nothing_is_empty(given):
    assert history.history(given, "gpus", 1, NOW) == []
    assert "no use was seen" in history.chart([], "gpus", 1, NOW).label
