"""Whole pools of workers and the clock as real processes: whatever is killed, the work gets done and nothing stays."""

import io
import os
import signal

import pytest
from django.core.management import call_command
from django_q.models import OrmQ

from kcloud_site.operations import queue
from kcloud_site.operations.models import DueRow, Lease, LogLine, Operation, State
from kcloud_site.operations.processes import start_time
from tests.operations import processes
from tests.operations.pools import descendants, ended, gone, pool_and_clock, request, running
from tests.operations.sample_kinds import registered, step


def test_a_request_is_carried_out_by_the_pool(real_database):
    with registered("test.work", [step("one", lambda context: context.log("hello"))]), pool_and_clock():
        operation = request()
        processes.until(lambda: ended(operation))
    assert (operation.state, operation.attempts) == (State.SUCCEEDED, 1)
    assert LogLine.objects.get().text == "hello"


def test_a_worker_killed_at_work_is_replaced_by_another(real_database, tmp_path):
    def work(context):
        (tmp_path / str(context.operation.attempts)).write_text(str(os.getpid()))
        if context.operation.attempts == 1:
            signal.pause()

    with registered("test.work", [step("one", work)]), pool_and_clock():
        operation = request()
        victim = processes.until(lambda: (tmp_path / "1").exists() and (tmp_path / "1").read_text())
        os.kill(int(victim), signal.SIGKILL)
        processes.until(lambda: ended(operation))
    assert (operation.state, operation.attempts, operation.fencing) == (State.SUCCEEDED, 2, 2)
    assert (tmp_path / "2").read_text() != victim


def test_a_pool_whose_idle_workers_are_killed_goes_on(real_database):
    with registered("test.work", [step("one")]), pool_and_clock() as (pool, _clock):
        for victim in descendants(pool)[1:]:
            os.kill(victim, signal.SIGKILL)
            processes.until(lambda victim=victim: start_time(victim) is None)
        operation = request()
        processes.until(lambda: ended(operation))
    assert operation.state == State.SUCCEEDED


def test_nothing_of_a_killed_pool_stays(real_database):
    with registered("test.work", [step("one")]), pool_and_clock() as (pool, _clock):
        below = descendants(pool)
        processes.kill(pool)
        assert processes.until(lambda: gone(below))


def test_a_pool_and_a_clock_told_to_stop_leave_nothing(real_database):
    """A supervisor sends SIGTERM to the whole process group, twice when it is impatient."""

    def tell_time():
        call_command("clock", stdout=io.StringIO())

    with running(lambda: queue.serve("default"), tell_time) as (pool, clock):
        below = processes.until(lambda: descendants(pool)[4:] and descendants(pool))
        processes.until(
            lambda: DueRow.objects.filter(name="operations.prune", last_at__isnull=False).exists()
        )
        for group in (pool, clock, pool, clock):
            os.killpg(group, signal.SIGTERM)
        assert (processes.wait(pool), processes.wait(clock)) == (0, 0)
        assert processes.until(lambda: gone(below))
        assert Lease.objects.get(name="clock").owner == ""


def test_a_wake_up_that_got_lost_is_sent_again(real_database):
    with registered("test.work", [step("one")]):
        operation = request()
        OrmQ.objects.all().delete()
        with pool_and_clock():
            processes.until(lambda: ended(operation))
    assert operation.state == State.SUCCEEDED


def test_wake_ups_doubled_and_out_of_order_do_the_work_once(real_database, tmp_path):
    def work(context):
        with open(tmp_path / "done", "a") as done:
            done.write(f"{context.operation.pk}\n")

    with registered("test.work", [step("one", work)]):
        operations = [request(number) for number in range(4)]
        for operation in [*reversed(operations), *operations]:
            queue.wake(operation.pk, "default")
        with pool_and_clock():
            processes.until(lambda: not OrmQ.objects.exists())
            processes.until(lambda: all(ended(operation) for operation in operations))
    assert sorted((tmp_path / "done").read_text().split()) == sorted(
        str(operation.pk) for operation in operations
    )
    assert {operation.attempts for operation in operations} == {1}


def test_a_pool_refuses_a_queue_its_settings_were_not_read_for():
    with pytest.raises(ValueError, match="started for queue default"):
        queue.serve("provisioning")


@pytest.mark.parametrize("named", ["default", "provisioning", None])
def test_the_worker_command_starts_anew_when_the_queue_is_not_yet_in_its_environment(monkeypatch, named):
    """django-q2 reads the queue's name when Django starts: too early for an option of the command line."""
    calls = []
    monkeypatch.setattr(queue, "serve", lambda name: calls.append(("serve", name)))
    monkeypatch.setattr(
        os, "execv", lambda _program, _arguments: calls.append(("exec", os.environ["Q_CLUSTER_NAME"]))
    )
    monkeypatch.delenv("Q_CLUSTER_NAME", raising=False)
    if named:
        monkeypatch.setenv("Q_CLUSTER_NAME", named)
    call_command("worker", queue="provisioning")
    assert calls[0] == (("serve", "provisioning") if named == "provisioning" else ("exec", "provisioning"))


def test_an_operation_is_there_after_its_request_even_if_the_queue_is_away(real_database, monkeypatch):
    def away(*args, **options):
        raise ConnectionError("redis is gone")

    monkeypatch.setattr(queue, "async_task", away)
    with registered("test.work", [step("one")]):
        operation = request()
    assert Operation.objects.get(pk=operation.pk).state == State.PENDING
