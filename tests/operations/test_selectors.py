"""Lists of operations: what is at work first, then the newest, and nothing that costs by how many there are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from kcloud_site.operations import selectors
from kcloud_site.operations.models import ACTIVE, Operation, State
from kcloud_site.operations.selectors import AtWorkFirst, OperationPaginator

pytestmark = pytest.mark.django_db


def make(*states):
    return Operation.objects.bulk_create(
        Operation(kind="x", subject_type="a", subject_id=str(n), subject_name="x", state=state)
        for n, state in enumerate(states)
    )


def expected():
    rows = sorted(Operation.objects.all(), key=lambda row: (row.state not in ACTIVE, -row.pk))
    return [row.pk for row in rows]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 50])
def test_pages_side_by_side_are_the_whole_list_in_its_order(size):
    make("failed", "running", "succeeded", "pending", "cancelled", "running", "succeeded")
    paginator = OperationPaginator(AtWorkFirst(Operation.objects.all()), size)
    shown = [row.pk for number in paginator.page_range for row in paginator.page(number)]
    assert shown == expected()


@given(st.integers(0, 12), st.integers(0, 12))
def test_any_slice_is_that_part_of_the_list(django_db_blocker, start, length):
    with django_db_blocker.unblock():
        if not Operation.objects.exists():
            make("failed", "running", "succeeded", "pending", "cancelled", "running", "succeeded")
        listed = AtWorkFirst(Operation.objects.all())
        assert [row.pk for row in listed[start : start + length]] == expected()[start : start + length]


def test_counting_stops_and_says_that_there_is_more(monkeypatch):
    monkeypatch.setattr(selectors, "MOST", 4)
    make(*["succeeded"] * 4)
    paginator = OperationPaginator(AtWorkFirst(Operation.objects.all()), 3)
    assert (paginator.count, paginator.goes_on) == (4, False)
    make("running")
    paginator = OperationPaginator(AtWorkFirst(Operation.objects.all()), 3)
    assert (paginator.count, paginator.goes_on, paginator.num_pages) == (4, True, 2)


def test_every_state_is_counted_worst_first():
    make("succeeded", "failed", "failed", "running")
    counts = selectors.counts_by_state(Operation.objects.all())
    assert counts == [("failed", 2), ("running", 1), ("pending", 0), ("cancelled", 0), ("succeeded", 1)]
    assert {state for state, _count in counts} | {State.SKIPPED} == set(State)


def test_the_list_page_asks_as_often_for_many_as_for_few(client, operator):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/operations/").status_code == 200
        return len(captured)

    client.force_login(operator)
    make("running", "failed")
    few = queries()
    make(*["succeeded", "failed", "cancelled"] * 40, "running")
    assert queries() == few
