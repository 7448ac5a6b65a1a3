"""Periodic work, and the clock that leads it."""

import logging
import os
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ
from hypothesis import given
from hypothesis import strategies as st

from kcloud_site.operations import clock, due, jobs, leases, processes, queue, schedule, services
from kcloud_site.operations.models import DueRow, Lease, Operation
from kcloud_site.operations.services import Subject
from tests.operations import processes as real
from tests.operations.sample_kinds import registered, step

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB = "kcloud_site.operations.jobs.prune"
moments = st.integers(-(10**9), 10**9).map(lambda seconds: NOW + timedelta(seconds=seconds))
periods = st.integers(1, 100_000)


@given(moments, periods, moments)
def test_the_next_turn_lies_after_now_and_at_most_one_period_away(due_at, every, now):
    following = schedule.next_due(due_at, every, now)
    assert now < following <= now + timedelta(seconds=every)


@given(moments, periods, st.integers(0, 10**6))
def test_a_late_row_keeps_its_grid(due_at, every, late):
    following = schedule.next_due(due_at, every, due_at + timedelta(seconds=late))
    assert (following - due_at) % timedelta(seconds=every) == timedelta(0)


@given(moments, periods, moments)
def test_a_row_moved_on_is_not_due_until_its_turn(due_at, every, now):
    following = schedule.next_due(due_at, every, now)
    assert not schedule.is_due(following, every, now)
    assert schedule.is_due(following, every, following)


def test_a_row_a_clock_set_back_has_pushed_away_is_due():
    assert schedule.is_due(NOW + timedelta(hours=2), 60, NOW)
    assert schedule.next_due(NOW + timedelta(hours=2), 60, NOW) == NOW + timedelta(seconds=60)


@pytest.fixture
def woken(monkeypatch):
    """What the queue was asked to carry."""
    asked = []
    monkeypatch.setattr(queue, "wake_job", lambda name, job, arguments: asked.append((name, job, arguments)))
    monkeypatch.setattr(queue, "wake", lambda operation_id, queue: asked.append((operation_id, queue)))
    return asked


def test_a_new_row_is_due_at_once_and_then_once_a_period(db, woken):
    row = due.ensure_due(name="metrics:1", job=JOB, every=60, arguments={"cluster": 1})
    assert due.dispatch(row.due_at) == 1
    assert due.dispatch(row.due_at + timedelta(seconds=59)) == 0
    assert due.dispatch(row.due_at + timedelta(seconds=60)) == 1
    assert woken == [("metrics:1", JOB, {"cluster": 1})] * 2
    row.refresh_from_db()
    assert row.last_at is not None


def test_ensuring_again_changes_what_is_called_and_not_when(db):
    first = due.ensure_due(name="a", job=JOB, every=60)
    again = due.ensure_due(name="a", job=JOB, every=30, arguments={"x": 1})
    assert (again.pk, again.every, again.arguments, again.due_at) == (first.pk, 30, {"x": 1}, first.due_at)
    assert DueRow.objects.count() == 1


def test_a_removed_row_is_not_called(db, woken):
    due.ensure_due(name="a", job=JOB, every=60)
    due.remove_due(name="a")
    assert due.dispatch(timezone.now() + timedelta(hours=1)) == 0


def test_a_row_that_is_switched_off_is_not_called(db, woken):
    due.ensure_due(name="a", job=JOB, every=60)
    DueRow.objects.update(enabled=False)
    assert due.dispatch(timezone.now() + timedelta(hours=1)) == 0
    assert due.next_turn() is None


@pytest.mark.parametrize(
    "job", ["os.system", "django.core.management.call_command", "kcloud_site", "kcloud_siteevil.x"]
)
def test_a_row_may_only_name_functions_of_the_product(db, job):
    with pytest.raises(ImportError, match="not a function of this product"):
        due.ensure_due(name="a", job=job, every=60)
    assert not DueRow.objects.exists()


def test_a_row_may_only_name_functions(db):
    with pytest.raises(ImportError, match="is not a function"):
        due.ensure_due(name="a", job="kcloud_site.operations.clock.TICK", every=60)


def test_a_period_below_a_second_is_refused(db):
    with pytest.raises(ValueError, match="a: every must be at least 1 second"):
        due.ensure_due(name="a", job=JOB, every=0)


def test_a_bad_row_does_not_keep_the_others_waiting(db, monkeypatch):
    asked = []

    def wake_job(name, job, arguments):
        asked.append(name)
        if name == "bad":
            raise RuntimeError("cannot be pickled")

    monkeypatch.setattr(queue, "wake_job", wake_job)
    for name in ("a", "bad", "z"):
        due.ensure_due(name=name, job=JOB, every=60)
    now = timezone.now()
    assert due.dispatch(now) == 2
    assert asked == ["a", "bad", "z"]
    assert due.dispatch(now) == 0
    assert due.dispatch(now + timedelta(seconds=60)) == 2


def test_a_row_of_which_nothing_is_right_does_not_stop_the_clock(db, woken):
    DueRow.objects.create(name="bad", job="no.such", every=0, due_at=timezone.now(), arguments=[1, 2])
    due.ensure_due(name="good", job=JOB, every=60)
    due.dispatch(timezone.now())
    assert [name for name, _job, _arguments in woken] == ["good"]


def test_two_leaders_dispatch_a_row_once(db, woken):
    row = due.ensure_due(name="a", job=JOB, every=60)
    now = timezone.now()
    assert due._dispatch_one(row, now)
    assert not due._dispatch_one(row, now)
    assert len(woken) == 1


def test_a_job_that_fails_is_logged_and_harms_nobody(caplog):
    with caplog.at_level(logging.ERROR):
        jobs.run_due("a", "no.such.function", {})
    assert "due job a (no.such.function) failed" in caplog.text


def test_a_job_is_called_with_its_arguments(db, monkeypatch):
    heard = []
    monkeypatch.setattr(jobs, "prune", lambda **arguments: heard.append(arguments))
    jobs.run_due("a", JOB, {"days": 3})
    assert heard == [{"days": 3}]


def request():
    return services.request_operation(
        kind="test.sample", subject=Subject("clusters.cluster", "1", "east"), by=None, inputs={}
    )


@pytest.fixture
def claimed(db):
    """`claimed(owner)` answers an operation in that worker's hands, its lease over for `ended` seconds."""
    with registered("test.sample", [step("one")], queue="provisioning"):
        operation = request()

        def make(owner, ended=0.1):
            leases.claim_operation(operation.pk, owner=owner)
            until = timezone.now() - timedelta(seconds=ended)
            Operation.objects.update(lease_until=until)
            operation.refresh_from_db()
            return operation

        yield make


def sweep():
    return clock.sweep(clock.Wakes(), timezone.now())


def test_an_operation_whose_lease_has_ended_is_woken_in_its_queue(claimed, woken):
    operation = claimed("elsewhere:1:2:3:4")
    assert sweep() == 1
    assert woken == [(operation.pk, "provisioning")]


def test_an_operation_in_good_hands_is_left_alone(claimed, woken):
    claimed("elsewhere:1:2:3:4", ended=-2)
    assert sweep() == 0


def test_a_worker_of_this_machine_that_is_only_late_is_waited_for(claimed, woken):
    claimed(processes.identity(), ended=1)
    assert sweep() == 0


def test_a_worker_of_this_machine_that_hangs_is_given_up_after_a_while(claimed, woken):
    claimed(processes.identity(), ended=clock.STALLED.total_seconds() + 1)
    assert sweep() == 1


def test_a_worker_of_this_machine_that_is_dead_is_not_waited_for(claimed, woken):
    alive = processes.identity().rsplit(":", 3)
    claimed(":".join([alive[0], "999999999", "1", "aa"]), ended=-100)
    assert sweep() == 1


def test_a_fresh_request_is_given_time_to_be_claimed(claimed, woken):
    assert sweep() == 0


def test_a_request_that_waits_is_woken_ever_more_rarely(claimed, woken, monkeypatch):
    Operation.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    passed = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    wakes = clock.Wakes()
    for _second in range(300):
        clock.sweep(wakes, timezone.now())
        passed[0] += 1
    assert 6 <= len(woken) <= 9


def test_a_queue_that_is_away_does_not_stop_the_sweep(claimed, monkeypatch):
    claimed("elsewhere:1:2:3:4")

    def away(*_args):
        raise ConnectionError

    monkeypatch.setattr(queue, "wake", away)
    assert sweep() == 0


def test_the_operations_that_ended_are_forgotten():
    wakes = clock.Wakes()
    one, two = Operation(pk=1), Operation(pk=2)
    assert wakes.may_wake(one)
    assert wakes.may_wake(two)
    assert not wakes.may_wake(two)
    wakes.forget_others([two])
    assert wakes.may_wake(one)
    assert not wakes.may_wake(two)


def test_of_two_clocks_one_leads(db, woken):
    first, second = clock.Clock(), clock.Clock()
    assert first.tick() <= clock.TICK
    assert second.tick() == clock.STANDBY
    assert (first.leads, second.leads) == (True, False)


def test_a_clock_that_was_overtaken_stops_leading(db, woken):
    first, second = clock.Clock(), clock.Clock()
    first.tick()
    Lease.objects.filter(name="clock").update(until=timezone.now() - timedelta(seconds=1))
    second.tick()
    first._renewed_at = 0
    first.tick()
    assert (first.leads, second.leads) == (False, True)


def test_a_clock_waits_no_longer_than_to_the_next_turn():
    assert clock._pause(None) == clock.TICK
    assert clock._pause(timezone.now() + timedelta(hours=1)) == clock.TICK
    assert 0 < clock._pause(timezone.now() + timedelta(seconds=0.02)) <= 0.02
    assert 0 < clock._pause(timezone.now() - timedelta(hours=1)) <= 0.001


def test_a_tick_that_fails_does_not_end_the_clock(db, monkeypatch):
    leader = clock.Clock()
    ticks = []

    def tick():
        ticks.append(1)
        leader.stopping = len(ticks) == 2
        raise RuntimeError("the database is away")

    monkeypatch.setattr(leader, "tick", tick)
    monkeypatch.setattr(clock.connections, "close_all", lambda: None)
    leader.run()
    assert len(ticks) == 2


def test_when_the_leading_clock_is_killed_another_leads_and_the_work_goes_on(real_database):
    due.ensure_due(name="a", job=JOB, every=1)
    pids = [real.fork(lambda: clock.Clock().run()) for _clock in range(2)]

    def leader():
        owner = Lease.objects.filter(name="clock").values_list("owner", flat=True).first()
        return int(owner.split(":")[-3]) if owner else None

    try:
        first = real.until(leader)
        real.until(OrmQ.objects.exists)
        real.kill(first)
        pids.remove(first)
        assert real.until(lambda: leader() != first and leader()) == pids[0]
        OrmQ.objects.all().delete()
        real.until(OrmQ.objects.exists)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            real.wait(pid)
