"""Several workers at once: one claim wins, old fencing numbers are refused, the audit chain stays one."""

import os
import threading
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from kcloud_site.audit import trail
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import leases, runner, services
from kcloud_site.operations.errors import LeaseLost, SubjectBusy
from kcloud_site.operations.heartbeat import Heartbeat
from kcloud_site.operations.journal import Journal
from kcloud_site.operations.models import LogLine, Operation, State
from kcloud_site.operations.services import Subject
from tests.operations import processes
from tests.operations.sample_kinds import registered, step

ROUNDS = 12
LONG_AGO = "2000-01-01T00:00:00Z"


def request(number=1):
    return services.request_operation(
        kind="test.race", subject=Subject("clusters.cluster", str(number), "east"), by=None, inputs={}
    )


def all_at_once(works):
    """Run works in processes that start together, at a pipe's closing; their exit statuses."""
    reader, writer = os.pipe()

    def waiting(work):
        def begin():
            os.close(writer)
            connection.ensure_connection()
            os.read(reader, 1)
            work()

        return begin

    pids = [processes.fork(waiting(work)) for work in works]
    os.close(reader)
    os.close(writer)
    return [processes.wait(pid) for pid in pids]


def append(path, text):
    with open(path, "a") as file:
        file.write(f"{text}\n")


def take_away(operation):
    """Another worker takes the operation over, as after a long pause of the first."""
    Operation.objects.filter(pk=operation.pk).update(lease_until=LONG_AGO)
    return leases.claim_operation(operation.pk, owner="next")


def test_of_workers_that_race_for_an_operation_one_wins(real_database, tmp_path):
    with registered("test.race", [step("one", lambda c: append(tmp_path / "ran", c.operation.pk))]):
        for number in range(ROUNDS):
            operation = request(number)
            assert all_at_once([lambda operation=operation: runner.run(operation.pk)] * 3) == [0, 0, 0]
            operation.refresh_from_db()
            assert (operation.state, operation.attempts, operation.fencing) == (State.SUCCEEDED, 1, 1)
    ran = (tmp_path / "ran").read_text().split()
    assert len(ran) == len(set(ran)) == ROUNDS


def test_of_workers_that_race_to_take_over_one_wins(real_database, tmp_path):
    with registered("test.race", [step("one", lambda c: append(tmp_path / "ran", c.operation.pk))]):
        for number in range(ROUNDS):
            operation = request(number)
            assert leases.claim_operation(operation.pk, owner="dead")
            Operation.objects.filter(pk=operation.pk).update(lease_until=LONG_AGO)
            assert all_at_once([lambda operation=operation: runner.run(operation.pk)] * 3) == [0, 0, 0]
            operation.refresh_from_db()
            assert (operation.state, operation.attempts) == (State.SUCCEEDED, 2)
    assert len((tmp_path / "ran").read_text().split()) == ROUNDS


def test_of_requests_on_one_subject_one_is_taken(real_database, tmp_path):
    def ask():
        try:
            append(tmp_path / "taken", request().pk)
        except SubjectBusy as busy:
            append(tmp_path / "busy", busy.operation_id)

    with registered("test.race", [step("one")]):
        assert all_at_once([ask] * 4) == [0, 0, 0, 0]
    (taken,) = (tmp_path / "taken").read_text().split()
    assert (tmp_path / "busy").read_text().split() == [taken] * 3
    assert Operation.objects.get().pk == int(taken)


def test_a_worker_that_lost_its_lease_in_mid_step_changes_nothing_more(real_database, tmp_path):
    """Every door a step has to the database is tried after the loss."""
    refused = []

    def work(context):
        taken = take_away(context.operation)
        assert taken.fencing == context.fencing + 1
        for door in (
            lambda: context.target_started("n1"),
            lambda: context.target_succeeded("n1"),
            lambda: context.target_failed("n1", what="late"),
            lambda: context.remember(late=True),
            context.check,
        ):
            with pytest.raises(LeaseLost):
                door()
            refused.append(door)
        assert context.cancelled

    with registered("test.race", [step("one", work, targets=["n1"]), step("two")]):
        operation = request()
        runner.run(operation.pk)
    operation.refresh_from_db()
    assert len(refused) == 5
    assert (operation.state, operation.lease_owner, operation.fencing) == (State.RUNNING, "next", 2)
    assert [(row.state, row.outcome) for row in operation.steps.all()] == [("running", {}), ("pending", {})]
    assert operation.steps.first().targets.get().state == State.PENDING
    assert not LogLine.objects.exists()


@pytest.mark.parametrize("outcome", ["returns", "raises"])
def test_the_end_of_a_worker_that_lost_its_lease_is_not_written(real_database, outcome):
    def work(context):
        take_away(context.operation)
        if outcome == "raises":
            raise RuntimeError("late")

    with registered(
        "test.race", [step("one", work)], finished=lambda operation: pytest.fail("told of an end")
    ):
        operation = request()
        runner.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.failure, operation.lease_owner) == (State.RUNNING, {}, "next")


def test_a_late_write_with_an_old_number_is_refused_and_nothing_of_it_stays(real_database):
    with registered("test.race", [step("one")]):
        operation = request()
    first = Journal(leases.claim_operation(operation.pk, owner="first"))
    second = Journal(take_away(operation))
    first.log("late")
    with pytest.raises(LeaseLost), first.writing("late", failure={"what": "late"}):
        pytest.fail("entered")
    second.log("in time")
    second.flush()
    operation.refresh_from_db()
    assert operation.failure == {}
    assert [(line.number, line.text) for line in operation.lines.all()] == [(1, "in time")]


def test_a_write_after_the_end_is_refused(real_database):
    with registered("test.race", [step("one")]):
        operation = request()
    journal = Journal(leases.claim_operation(operation.pk, owner="first"))
    Operation.objects.filter(pk=operation.pk).update(state=State.FAILED, active_subject=None)
    journal.log("late")
    with pytest.raises(LeaseLost):
        journal.flush()


def test_the_heartbeat_keeps_a_quiet_operation_and_writes_its_lines(real_database):
    with registered("test.race", [step("one")]):
        operation = request()
    claimed = leases.claim_operation(operation.pk, owner="first")
    journal = Journal(claimed)
    with Heartbeat(journal):
        journal.log("quiet")
        processes.until(lambda: LogLine.objects.filter(text="quiet").exists())
        processes.until(lambda: Operation.objects.get(pk=operation.pk).lease_until > claimed.lease_until)
    assert leases.claim_operation(operation.pk, owner="second") is None


def test_the_heartbeat_of_a_lost_operation_ends_by_itself(real_database):
    with registered("test.race", [step("one")]):
        operation = request()
    journal = Journal(leases.claim_operation(operation.pk, owner="first"))
    take_away(operation)
    heartbeat = Heartbeat(journal)
    with heartbeat:
        processes.until(lambda: not heartbeat._thread.is_alive())
        assert journal.signs().lost


def test_the_heartbeat_goes_on_after_the_database_was_away(real_database, monkeypatch):
    with registered("test.race", [step("one")]):
        operation = request()
    claimed = leases.claim_operation(operation.pk, owner="first")
    journal = Journal(claimed)
    renewals = []

    def renew():
        renewals.append(1)
        if len(renewals) < 3:
            raise OperationalError("server closed the connection unexpectedly")
        Journal.renew(journal)

    monkeypatch.setattr(journal, "renew", renew)
    with Heartbeat(journal):
        processes.until(lambda: Operation.objects.get(pk=operation.pk).lease_until > claimed.lease_until)
    assert len(renewals) >= 3


def test_a_lease_outlives_a_database_that_is_locked_for_over_a_second(real_database):
    """Another writer holds what the heartbeat needs; the renewal waits, and comes before anybody may take over."""
    with registered("test.race", [step("one")]):
        operation = request()
    claimed = leases.claim_operation(operation.pk, owner="first")
    with Heartbeat(Journal(claimed)):
        released = claimed.lease_until - timedelta(seconds=1.2)
        with transaction.atomic():
            Operation.objects.filter(pk=operation.pk).update(reason="locked")
            processes.until(lambda: timezone.now() > released)
        processes.until(lambda: Operation.objects.get(pk=operation.pk).lease_until > claimed.lease_until)
    operation.refresh_from_db()
    assert (operation.lease_owner, operation.fencing) == ("first", 1)


def test_lines_from_many_threads_are_numbered_without_gap_or_double(real_database):
    with registered("test.race", [step("one")]):
        operation = request()
    journal = Journal(leases.claim_operation(operation.pk, owner="first"))

    def chat(name):
        for number in range(200):
            journal.log(f"{name} {number}")
        connection.close()

    threads = [threading.Thread(target=chat, args=[name]) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.flush()
    lines = list(operation.lines.values_list("number", "text"))
    assert [number for number, _text in lines] == list(range(1, 601))
    for name in "abc":
        said = [text for _number, text in lines if text.startswith(name)]
        assert said == [f"{name} {number}" for number in range(200)]


def test_of_processes_that_want_a_lease_one_holds_it(real_database, tmp_path):
    def want():
        if leases.acquire(name="watch:1", owner=str(os.getpid())):
            append(tmp_path / "held", os.getpid())

    for _round in range(ROUNDS):
        assert set(all_at_once([want] * 3)) == {0}
        leases.Lease.objects.filter(name="watch:1").update(until=LONG_AGO)
    assert len((tmp_path / "held").read_text().split()) == ROUNDS
    assert leases.Lease.objects.get(name="watch:1").fencing == ROUNDS


def test_many_writers_make_one_audit_chain(real_database):
    user = get_user_model().objects.create(username="operator")

    def write():
        for number in range(10):
            with transaction.atomic():
                trail.record(
                    by=user,
                    action="test.write",
                    subject=Subject("a.b", str(number), "x"),
                    after={"pid": os.getpid()},
                )

    assert all_at_once([write] * 4) == [0] * 4
    assert trail.verify() == trail.Verdict(events=40)
    assert len({event.after["pid"] for event in AuditEvent.objects.all()}) == 4


def test_an_event_of_a_change_that_was_undone_leaves_no_hole_in_the_chain(real_database):
    subject = Subject("a.b", "1", "x")
    trail.record(by=None, action="test.kept", subject=subject)
    with transaction.atomic():
        trail.record(by=None, action="test.undone", subject=subject)
        transaction.set_rollback(True)
    trail.record(by=None, action="test.kept", subject=subject)
    assert trail.verify() == trail.Verdict(events=2)
