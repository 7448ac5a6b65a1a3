"""Whatever people and workers do to operations, in whatever order, what must always hold holds."""

import contextlib

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kcloud_site.audit import trail
from kcloud_site.operations import leases, runner, services
from kcloud_site.operations.errors import Cancelled, OperationNotResumable, StepFailed, SubjectBusy
from kcloud_site.operations.models import ACTIVE, Operation, State
from kcloud_site.operations.services import Subject
from tests.operations.sample_kinds import registered, step

LONG_AGO = "2000-01-01T00:00:00Z"
DEEDS = {
    "run": lambda story, operation: runner.run(operation.pk),
    "claim and die": lambda story, operation: leases.claim_operation(operation.pk, owner="dead"),
    "lease ends": lambda story, operation: Operation.objects.filter(
        pk=operation.pk, state=State.RUNNING
    ).update(lease_until=LONG_AGO),
    "cancel": lambda story, operation: services.cancel_operation(operation=operation, by=None),
    "resume": lambda story, operation: services.resume_operation(operation=operation, by=None),
    "step fails": lambda story, operation: story.second_will(StepFailed(what="no", target="n1")),
    "step is cancelled": lambda story, operation: story.second_will(Cancelled()),
}
moves = st.lists(st.tuples(st.sampled_from(["request", *DEEDS]), st.integers(0, 2)), max_size=25)


class Story:
    """Two subjects, the operations on them, and what the next run's second step will do."""

    def __init__(self):
        self.outcome = None
        self.told = []

    def second(self, context):
        context.log("second")
        outcome, self.outcome = self.outcome, None
        if outcome:
            raise outcome

    def kind(self):
        steps = [step("first", lambda c: c.log("first")), step("second", self.second, targets=["n1"])]
        return registered("test.story", steps, finished=lambda o: self.told.append((o.pk, o.state)))

    def move(self, action, number):
        if action == "request":
            subject = Subject("clusters.cluster", str(number % 2), f"c{number % 2}")
            services.request_operation(kind="test.story", subject=subject, by=None, inputs={})
        elif rows := list(Operation.objects.order_by("id")):
            DEEDS[action](self, rows[number % len(rows)])

    def second_will(self, outcome):
        self.outcome = outcome

    def check(self, before):
        active = [row.active_subject for row in Operation.objects.filter(state__in=ACTIVE)]
        assert None not in active
        assert len(active) == len(set(active))
        assert trail.verify().intact
        for row in Operation.objects.all():
            assert row.fencing >= before.get(row.pk, 0)
            assert (row.finished_at is None) == row.is_active
            assert bool(row.failure) == (row.state == State.FAILED)
            numbers = list(row.lines.values_list("number", flat=True))
            assert numbers == list(range(1, row.last_line + 1))
            steps = [item.state for item in row.steps.all()]
            assert (steps == ["succeeded", "succeeded"]) == (row.state == State.SUCCEEDED)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(moves)
def test_every_story_of_operations_keeps_the_rules(db, story_moves):
    story = Story()
    with story.kind(), transaction.atomic():
        for action, number in story_moves:
            before = dict(Operation.objects.values_list("pk", "fencing"))
            with contextlib.suppress(SubjectBusy, OperationNotResumable):
                story.move(action, number)
            story.check(before)
        for row in Operation.objects.filter(state__in=[State.FAILED, State.CANCELLED, State.SUCCEEDED]):
            assert (row.pk, row.state) in story.told
        transaction.set_rollback(True)
