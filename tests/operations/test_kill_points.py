"""The worker is killed, a real process with SIGKILL, at every journal point of a sample operation.

The sample has what operations have: steps of the portal, a step on several hosts, a step that starts a program, a step
that remembers, a log. Its effects are files in the outside world, made with O_EXCL: a second making would be seen.
"""

import itertools
import os
import signal
import subprocess
import sys

import pytest
from django.contrib.auth import get_user_model

from kcloud_site.operations import children, journal, leases, runner, services
from kcloud_site.operations.models import LogLine, Operation, State, StepTarget
from kcloud_site.operations.services import Subject
from tests.operations import processes
from tests.operations.sample_kinds import registered, step

HOSTS = ["n1", "n2", "n3"]


class World:
    """What the operation changes outside the database. An effect there already is left; one made twice is noted."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def make(self, name):
        """An idempotent effect, as a role's task is: make it unless it is there."""
        try:
            os.close(os.open(self.folder / name, os.O_CREAT | os.O_EXCL))
            with open(self.folder / "journal", "a") as made:
                made.write(f"{name}\n")
        except FileExistsError:
            pass

    def has(self, name):
        return (self.folder / name).exists()

    def made(self):
        return sorted((self.folder / "journal").read_text().split())


def sample_steps(world):
    def prepare(context):
        context.log("collecting the plan\nfour lines\nof it\nhere")
        journal.point("effect plan")
        world.make("plan")
        journal.point("effect plan made")
        context.remember(token="t-1")

    def store(context):
        for host in context.pending_targets:
            context.check()
            context.target_started(host)
            context.log("starting etcd", target=host)
            journal.point(f"effect {host}")
            world.make(f"etcd-{host}")
            journal.point(f"effect {host} made")
            context.target_succeeded(host, {"changed": 1})

    def agent(context):
        assert context.recall("prepare") == {"token": "t-1"}
        code = f"import os; os.close(os.open({str(world.folder / 'agent')!r}, os.O_CREAT))"
        child = children.start(context, [sys.executable, "-S", "-c", code])
        journal.point("child started")
        assert child.wait() == 0
        context.log("agent is up")

    return [
        step(
            "prepare",
            prepare,
            is_done=lambda context: world.has("plan") and bool(context.recall().get("token")),
        ),
        step("store", store, targets=HOSTS),
        step("agent", agent),
    ]


def finished(operation):
    """The owner's part of the end: a row in the same transaction, which must be there once."""
    get_user_model().objects.create(username=f"{operation.state}-{operation.pk}")


def die_at(number):
    """Stop this process at the nth point."""
    counter = itertools.count(1)

    def listener(_name):
        if next(counter) == number:
            processes.die()

    journal.listeners.append(listener)


def run_and_die_at(operation_id, number):
    def work():
        die_at(number)
        runner.run(operation_id)

    return processes.wait(processes.fork(work))


def take_over(operation_id):
    """The next worker, once the dead one's lease has ended."""
    Operation.objects.filter(pk=operation_id, state=State.RUNNING).update(lease_until="2000-01-01T00:00:00Z")
    return processes.wait(processes.fork(lambda: runner.run(operation_id)))


def request(number):
    return services.request_operation(
        kind="test.killed",
        subject=Subject("clusters.cluster", str(number), "east"),
        by=None,
        inputs={"number": number},
    )


def assert_ended_well(operation, world, note):
    operation.refresh_from_db()
    assert (operation.state, operation.failure) == (State.SUCCEEDED, {}), note
    assert operation.active_subject is None, note
    assert {row.state for row in operation.steps.all()} == {State.SUCCEEDED}, note
    cells = StepTarget.objects.filter(step__operation=operation)
    assert sorted((cell.target, cell.state) for cell in cells) == [
        (host, State.SUCCEEDED) for host in HOSTS
    ], note
    assert world.made() == sorted(["plan", *(f"etcd-{host}" for host in HOSTS)]), note
    assert world.has("agent"), note
    numbers = LogLine.objects.filter(operation=operation).order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(1, operation.last_line + 1)), note
    assert get_user_model().objects.filter(username__endswith=f"-{operation.pk}").count() == 1, note


def test_an_operation_killed_at_any_journal_point_ends_well_with_each_effect_once(real_database, tmp_path):
    for number in itertools.count(1):
        world = World(tmp_path / f"world-{number}")
        with registered("test.killed", sample_steps(world), finished=finished):
            operation = request(number)
            died = run_and_die_at(operation.pk, number) == -signal.SIGKILL
            operation.refresh_from_db()
            if died and operation.is_active:
                assert take_over(operation.pk) == 0
            assert_ended_well(operation, world, f"killed at point {number}")
        if not died:
            break
    assert number > 40


@pytest.mark.parametrize("gap", [1, 7])
def test_an_operation_whose_every_worker_is_killed_still_comes_to_its_end(real_database, tmp_path, gap):
    """Each worker gets a little further than the one before it, then dies."""
    world = World(tmp_path / "world")
    with registered("test.killed", sample_steps(world), finished=finished):
        operation = request(0)
        for number in itertools.count(6, gap):
            if run_and_die_at(operation.pk, number) == 0:
                break
            Operation.objects.filter(pk=operation.pk, state=State.RUNNING).update(
                lease_until="2000-01-01T00:00:00Z"
            )
            # A person looks after each death; the guard against deadly steps has a test of its own.
            operation.steps.update(attempts=0)
        assert_ended_well(operation, world, f"gap {gap}")


def test_a_program_of_a_killed_worker_is_gone_before_the_step_runs_again(real_database, tmp_path):
    pids = tmp_path / "pids"

    def run(context):
        if context.operation.attempts > 1:
            (tmp_path / "alive").write_text(
                str([pid for pid in pids.read_text().split() if is_alive(int(pid))])
            )
            return
        # A program that starts another one, in a session of its own: no process group, no parent leads to it.
        shell = f"echo $$ >> {pids}; setsid sh -c 'echo $$ >> {pids}; exec sleep 1000' & exec sleep 1000"
        children.start(context, ["sh", "-c", shell], stdin=subprocess.DEVNULL)
        processes.until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        processes.die()

    with registered("test.killed", [step("one", run)]):
        operation = request(1)
        assert processes.wait(processes.fork(lambda: runner.run(operation.pk))) == -signal.SIGKILL
        assert take_over(operation.pk) == 0
    assert (tmp_path / "alive").read_text() == "[]"
    operation.refresh_from_db()
    assert operation.state == State.SUCCEEDED


def is_alive(pid):
    from kcloud_site.operations.processes import start_time

    return start_time(pid) is not None


def test_the_lease_of_a_killed_worker_ends_by_itself_in_time(real_database, tmp_path):
    """The take-over without any help: only the lease's end, as the database's clock sees it."""
    with registered(
        "test.killed", [step("one", lambda context: context.operation.attempts > 1 or processes.die())]
    ):
        operation = request(1)
        assert processes.wait(processes.fork(lambda: runner.run(operation.pk))) == -signal.SIGKILL
        claimed = processes.until(lambda: leases.claim_operation(operation.pk, owner="next"), patience=10)
    assert claimed.fencing == 2
    assert (claimed.last_event_at - Operation.objects.get(pk=operation.pk).started_at) > leases.HEARTBEAT
