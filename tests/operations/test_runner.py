"""The runner's rules, one worker at a time, in the test's own transaction."""

import pytest
from django.db import IntegrityError, OperationalError

from kcloud_site.operations import journal, leases, runner, services
from kcloud_site.operations.errors import Cancelled, OperationNotResumable, StepFailed
from kcloud_site.operations.models import LogLine, Operation, State
from kcloud_site.operations.services import Subject
from tests.operations.sample_kinds import registered, step

CLUSTER = Subject("clusters.cluster", "1", "east")


def request(kind="test.sample", **inputs):
    return services.request_operation(kind=kind, subject=CLUSTER, by=None, inputs=inputs)


def run(operation):
    runner.run(operation.pk)
    operation.refresh_from_db()
    return operation


def states(operation):
    return {row.key: str(row.state) for row in operation.steps.all()}


@pytest.fixture
def sample(db):
    """`sample(step, …)` registers the steps as kind test.sample and requests one operation."""
    open_kinds = []

    def make(*steps, **options):
        block = registered("test.sample", steps, **options)
        block.__enter__()
        open_kinds.append(block)
        return request()

    yield make
    for block in open_kinds:
        block.__exit__(None, None, None)


def test_an_operation_runs_its_steps_in_order_and_succeeds(sample):
    seen = []
    operation = run(
        sample(step("one", lambda c: seen.append("one")), step("two", lambda c: seen.append("two")))
    )
    assert seen == ["one", "two"]
    assert operation.state == State.SUCCEEDED
    assert states(operation) == {"one": "succeeded", "two": "succeeded"}
    assert operation.active_subject is None
    assert operation.lease_owner == ""
    assert operation.finished_at >= operation.started_at


def test_a_second_wake_up_does_nothing(sample):
    seen = []
    operation = sample(step("one", lambda c: seen.append("one")))
    run(operation)
    run(operation)
    assert seen == ["one"]
    assert operation.attempts == 1


def test_a_wake_up_for_an_operation_that_is_not_there_does_nothing(db):
    runner.run(424242)
    assert Operation.objects.count() == 0


def test_a_failed_step_says_what_why_and_the_remedy_and_where(sample):
    def fail(context):
        context.log("trying")
        raise StepFailed(
            what="etcd did not start", why="port 2379 is in use", remedy="Stop what uses it", target="n1"
        )

    operation = run(sample(step("store", fail, targets=["n1", "n2"]), step("api")))
    assert operation.state == State.FAILED
    assert operation.failure == {
        "what": "etcd did not start",
        "why": "port 2379 is in use",
        "remedy": "Stop what uses it",
        "target": "n1",
        "step": "store",
        "line": 2,
    }
    assert states(operation) == {"store": "failed", "api": "pending"}
    first, second = operation.steps.first().targets.all()
    assert (first.state, first.outcome["why"]) == (State.FAILED, "port 2379 is in use")
    assert second.state == State.PENDING


def test_an_unexpected_error_leaves_its_traceback_in_the_log_and_a_readable_failure(sample):
    def stumble(context):
        raise ZeroDivisionError("division by zero")

    operation = run(sample(step("one", stumble)))
    assert operation.state == State.FAILED
    assert operation.failure["why"] == "ZeroDivisionError: division by zero"
    assert operation.failure["remedy"]
    assert "in stumble" in "\n".join(LogLine.objects.values_list("text", flat=True))


def test_a_constraint_broken_by_a_step_fails_the_step(sample):
    def collide(context):
        raise IntegrityError("UNIQUE constraint failed")

    assert run(sample(step("one", collide))).state == State.FAILED


def test_a_database_that_is_away_leaves_the_operation_to_the_next_worker(sample):
    def lose_database(context):
        raise OperationalError("server closed the connection")

    operation = sample(step("one", lose_database))
    with pytest.raises(OperationalError):
        runner.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.lease_owner) == (State.RUNNING, "")
    assert leases.claim_operation(operation.pk, owner="next").fencing == 2


def test_a_worker_stopped_by_the_queues_time_limit_lets_go_at_once(sample):
    def take_too_long(context):
        raise SystemExit("Task exceeded maximum timeout value")

    operation = sample(step("one", take_too_long))
    with pytest.raises(SystemExit):
        runner.run(operation.pk)
    assert leases.claim_operation(operation.pk, owner="next")


def test_a_kind_nobody_knows_fails_and_frees_its_subject(sample):
    operation = sample(step("one"))
    Operation.objects.update(kind="test.gone")
    run(operation)
    assert operation.state == State.FAILED
    assert "test.gone" in operation.failure["why"]
    assert operation.active_subject is None


def test_resuming_skips_what_succeeded_and_runs_only_the_targets_not_done(sample):
    asked = []

    def work(context):
        asked.append(context.pending_targets)
        for target in context.pending_targets:
            context.target_started(target)
            if target == "n2" and len(asked) == 1:
                context.target_failed(target, what="disk is full", remedy="Free some space")
            else:
                context.target_succeeded(target, {"changed": 3})

    before = []
    operation = run(sample(step("one", before.append), step("two", work, targets=["n1", "n2", "n3"])))
    assert operation.failure["what"] == "disk is full"
    assert operation.failure["target"] == "n2"
    services.resume_operation(operation=operation, by=None)
    assert operation.state == State.PENDING
    run(operation)
    assert operation.state == State.SUCCEEDED
    assert operation.failure == {}
    assert asked == [["n1", "n2", "n3"], ["n2"]]
    assert len(before) == 1


def test_several_failed_targets_are_all_named(sample):
    def work(context):
        context.target_failed("n1", what="no route")
        context.target_failed("n2", what="no route")

    failure = run(sample(step("one", work, targets=["n1", "n2"]))).failure
    assert failure["what"] == "2 hosts failed (n1, n2). n1: no route"


def test_a_target_that_was_at_work_when_the_step_ended_is_not_called_done(sample):
    def work(context):
        context.target_started("n1")
        raise StepFailed(what="ssh was cut")

    operation = run(sample(step("one", work, targets=["n1"])))
    cell = operation.steps.get().targets.get()
    assert cell.state == State.FAILED
    assert cell.outcome["remedy"]


def test_a_step_with_other_inputs_runs_again(sample):
    seen = []
    operation = sample(step("one", lambda c: seen.append(1)), step("two", lambda c: 1 / (len(seen) - 1)))
    run(operation)
    Operation.objects.update(inputs={"version": "1.34"})
    services.resume_operation(operation=operation, by=None)
    assert run(operation).state == State.SUCCEEDED
    assert len(seen) == 2


def test_a_step_cut_off_is_asked_whether_it_is_done(sample):
    ran = []
    operation = sample(step("one", ran.append, is_done=lambda c: True))
    operation.steps.update(state=State.RUNNING)
    assert run(operation).state == State.SUCCEEDED
    assert ran == []


def test_a_step_never_begun_is_not_asked_whether_it_is_done(sample):
    ran = []
    assert run(sample(step("one", ran.append, is_done=lambda c: True))).state == State.SUCCEEDED
    assert len(ran) == 1


def test_a_step_that_keeps_killing_its_worker_is_given_up(sample):
    operation = sample(step("one"))
    operation.steps.update(state=State.RUNNING, attempts=runner.MOST_DEATHS)
    run(operation)
    assert operation.state == State.FAILED
    assert "5 times" in operation.failure["what"]
    services.resume_operation(operation=operation, by=None)
    assert run(operation).state == State.SUCCEEDED


def test_cancelling_a_running_operation_stops_it_at_the_next_check(sample):
    def work(context):
        services.cancel_operation(operation=context.operation, by=None)
        assert context.cancelled
        context.check()

    operation = run(sample(step("one", work), step("two")))
    assert operation.state == State.CANCELLED
    assert states(operation) == {"one": "cancelled", "two": "pending"}
    assert operation.active_subject is None


def test_a_cancelled_operation_can_be_resumed(sample):
    calls = []

    def work(context):
        calls.append(1)
        if len(calls) == 1:
            raise Cancelled

    operation = run(sample(step("one", work)))
    services.resume_operation(operation=operation, by=None)
    assert run(operation).state == State.SUCCEEDED


def test_an_operation_that_succeeded_cannot_be_resumed(sample):
    operation = run(sample(step("one")))
    with pytest.raises(OperationNotResumable, match="nothing left to do"):
        services.resume_operation(operation=operation, by=None)


def test_the_owner_hears_of_the_end_once_with_everything_set(sample):
    heard = []
    operation = run(sample(step("one"), finished=lambda o: heard.append((o.state, o.failure, o.finished_at))))
    assert heard == [("succeeded", {}, operation.finished_at)]


def test_an_owner_that_cannot_finish_makes_the_operation_fail(sample):
    heard = []

    def finished(operation):
        heard.append(operation.state)
        if operation.state == State.SUCCEEDED:
            raise RuntimeError("cluster is gone")

    operation = run(sample(step("one"), finished=finished))
    assert heard == ["succeeded", "failed"]
    assert operation.failure["why"] == "RuntimeError: cluster is gone"


def test_an_owner_that_can_never_finish_still_frees_the_subject(sample):
    def finished(operation):
        raise RuntimeError("never")

    operation = run(sample(step("one"), finished=finished))
    assert (operation.state, operation.active_subject) == (State.FAILED, None)


def test_what_a_step_remembers_later_steps_recall(sample):
    recalled = []
    operation = sample(
        step("one", lambda c: c.remember(token="abc")),
        step("two", lambda c: recalled.append((c.recall("one"), c.recall(), c.recall("never")))),
    )
    run(operation)
    assert recalled == [({"token": "abc"}, {}, {})]


def test_log_numbers_grow_by_one_without_a_gap_over_resumes(sample):
    def work(context):
        assert context.log("a\nb\nc") == context.operation.last_line + 3
        raise StepFailed(what="no")

    operation = run(sample(step("one", work)))
    services.resume_operation(operation=operation, by=None)
    run(operation)
    numbers = list(LogLine.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, operation.last_line + 1))
    assert len(numbers) == 8


def test_hostile_text_is_logged_as_text(sample):
    run(sample(step("one", lambda c: c.log("a\x00b \ud800 \x1b[31m" + "x" * 20_000))))
    line = LogLine.objects.get()
    assert line.text.startswith("a\ufffdb ? ")
    assert len(line.text) == 16_000


def test_an_operation_held_by_another_worker_is_left_alone(sample):
    seen = []
    operation = sample(step("one", seen.append))
    assert leases.claim_operation(operation.pk, owner="other")
    run(operation)
    assert seen == []
    assert operation.lease_owner == "other"


@pytest.fixture
def points():
    """The journal points that were passed."""
    seen = []
    journal.listeners.append(seen.append)
    yield seen
    journal.listeners.remove(seen.append)


def test_many_lines_cost_few_writes_and_a_slow_one_does_not_wait_for_more(sample, points, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(journal.time, "monotonic", lambda: now[0])

    def work(context):
        for number in range(500):
            context.log(f"line {number}")
        assert points.count("after lines") == 500 / journal.FLUSH_LINES
        context.log("slow")
        now[0] += journal.FLUSH_AFTER
        context.log("later")
        assert LogLine.objects.count() == 502

    assert run(sample(step("one", work))).state == State.SUCCEEDED


def test_lines_are_written_before_the_state_they_explain(sample, points):
    run(sample(step("one", lambda context: context.log("why"))))
    assert "after lines" not in points  # they went with the step's outcome, in one transaction
    assert LogLine.objects.get().text == "why"


def test_every_write_is_between_two_points(sample, points):
    run(sample(step("one", lambda context: context.target_succeeded("n1"), targets=["n1"])))
    assert points == [
        "claimed",
        "check one",
        "before one intent",
        "after one intent",
        "before one n1 succeeded",
        "after one n1 succeeded",
        "before one outcome",
        "after one outcome",
        "before end",
        "after end",
    ]


def test_a_step_that_is_new_since_the_request_is_run_too(sample):
    steps = [step("one")]
    with registered("test.grown", steps):
        operation = request(kind="test.grown")
        steps.append(step("two"))
    with registered("test.grown", steps):
        run(operation)
    assert states(operation) == {"one": "succeeded", "two": "succeeded"}
