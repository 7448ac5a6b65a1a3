"""Request, cancel, resume, prune; and the audit trail they write."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import kinds, leases, runner, services
from kcloud_site.operations.errors import OperationNotResumable, SubjectBusy
from kcloud_site.operations.models import LogLine, Operation, State, StepTarget
from kcloud_site.operations.services import Subject
from tests.operations.sample_kinds import registered, step

EAST = Subject("clusters.cluster", "1", "east")


@pytest.fixture
def sample(db):
    with registered(
        "test.sample",
        [step("one", lambda c: c.log("hello"), targets=["n1", "n2"]), step("two")],
        queue="provisioning",
    ) as kind:
        yield kind


def request(subject=EAST, by=None, **options):
    return services.request_operation(kind="test.sample", subject=subject, by=by, inputs={"a": 1}, **options)


def test_a_request_writes_the_whole_record_before_anything_happens(sample, operator):
    operation = request(by=operator, reason="new region")
    assert (operation.state, operation.queue, operation.inputs) == (State.PENDING, "provisioning", {"a": 1})
    assert (operation.requested_by, operation.requested_by_name, operation.reason) == (
        operator,
        "operator",
        "new region",
    )
    assert [(row.key, row.position) for row in operation.steps.all()] == [("one", 0), ("two", 1)]
    assert list(StepTarget.objects.values_list("step__key", "target")) == [("one", "n1"), ("one", "n2")]


def test_a_row_can_be_the_subject(sample, operator):
    operation = request(subject=operator)
    assert (operation.subject_type, operation.subject_id) == ("tenants.user", str(operator.pk))
    assert operation.subject_name == "operator"


def test_an_unknown_kind_is_refused_with_the_known_ones(sample):
    with pytest.raises(KeyError, match=r"unknown operation kind test\.nothing; known: .*test\.sample"):
        services.request_operation(kind="test.nothing", subject=EAST, by=None, inputs={})
    assert not Operation.objects.exists()


def test_a_second_request_on_a_busy_subject_is_refused_with_the_first(sample):
    first = request()
    with pytest.raises(SubjectBusy, match=f"op-{first.pk} is at work on east") as refused:
        request()
    assert refused.value.operation_id == first.pk
    assert Operation.objects.count() == 1
    assert AuditEvent.objects.count() == 1


def test_another_subject_is_not_busy(sample):
    request()
    assert request(subject=Subject("clusters.cluster", "2", "west")).pk
    assert request(subject=Subject("clusters.host", "1", "n1")).pk


def test_the_database_itself_refuses_two_active_operations_on_one_subject(sample):
    first = request()
    with pytest.raises(IntegrityError), transaction.atomic():
        Operation.objects.create(kind="x", active_subject=first.active_subject)


def test_the_database_itself_refuses_an_ended_operation_that_holds_its_subject(sample):
    operation = request()
    with pytest.raises(IntegrityError), transaction.atomic():
        Operation.objects.filter(pk=operation.pk).update(state=State.FAILED)


def test_the_subject_is_free_when_the_operation_has_ended(sample):
    runner.run(request().pk)
    assert request().pk


def test_inputs_that_json_cannot_hold_are_refused_and_nothing_stays(sample):
    with pytest.raises(ValueError):
        services.request_operation(kind="test.sample", subject=EAST, by=None, inputs={"a": float("nan")})
    assert not Operation.objects.exists()


def test_steps_that_cannot_be_planned_leave_nothing_half_made(db):
    def broken(operation):
        raise ValueError("no host")

    kind = kinds.register(kinds.Kind(key="test.broken", title="Broken", steps=broken))
    try:
        with pytest.raises(ValueError, match="no host"):
            services.request_operation(kind="test.broken", subject=EAST, by=None, inputs={})
    finally:
        del kinds._KINDS[kind.key]
    assert not Operation.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_kind_cannot_be_registered_twice(sample):
    with pytest.raises(ValueError, match="registered twice"):
        kinds.register(sample)


def test_a_waiting_operation_is_cancelled_at_once_and_its_owner_told(db, operator):
    heard = []
    with registered("test.sample", [step("one")], finished=lambda operation: heard.append(operation.state)):
        operation = services.cancel_operation(operation=request(), by=operator, reason="typo")
        assert (operation.state, operation.active_subject) == (State.CANCELLED, None)
        runner.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, heard) == (State.CANCELLED, ["cancelled"])
    event = AuditEvent.objects.first()
    assert (event.actor, event.action, event.reason) == ("operator", "operation.cancel", "typo")


def test_a_running_operation_is_only_asked_to_stop_and_asked_once(sample):
    operation = request()
    leases.claim_operation(operation.pk, owner="first")
    services.cancel_operation(operation=operation, by=None)
    asked_at = operation.cancel_requested_at
    services.cancel_operation(operation=operation, by=None)
    assert (operation.state, operation.cancel_requested_at) == (State.RUNNING, asked_at)
    assert AuditEvent.objects.filter(action="operation.cancel").count() == 1


def test_cancelling_what_has_ended_changes_nothing(sample):
    operation = request()
    runner.run(operation.pk)
    before = AuditEvent.objects.count()
    assert services.cancel_operation(operation=operation, by=None).state == State.SUCCEEDED
    assert AuditEvent.objects.count() == before


def test_resuming_is_refused_while_another_operation_holds_the_subject(sample):
    failed = request()
    Operation.objects.update(state=State.FAILED, active_subject=None)
    other = request()
    with pytest.raises(SubjectBusy) as refused:
        services.resume_operation(operation=failed, by=None)
    assert refused.value.operation_id == other.pk
    failed.refresh_from_db()
    assert failed.state == State.FAILED


def test_resuming_what_is_at_work_is_refused(sample):
    with pytest.raises(OperationNotResumable, match="at work already"):
        services.resume_operation(operation=request(), by=None)


def test_resuming_twice_queues_it_once(sample):
    operation = request()
    Operation.objects.update(state=State.FAILED, active_subject=None)
    services.resume_operation(operation=operation, by=None)
    with pytest.raises(OperationNotResumable):
        services.resume_operation(operation=operation, by=None)
    assert AuditEvent.objects.filter(action="operation.resume").count() == 1


def test_pruning_takes_the_details_of_old_successes_and_nothing_else(sample):
    old, failed, young = (request(subject=Subject("clusters.cluster", str(n), "x")) for n in range(3))
    for operation in (old, failed, young):
        runner.run(operation.pk)
    long_ago = timezone.now() - timedelta(days=91)
    Operation.objects.filter(pk__in=[old.pk, failed.pk]).update(finished_at=long_ago)
    Operation.objects.filter(pk=failed.pk).update(state=State.FAILED)
    assert services.prune(batch=1) == 1
    assert services.prune() == 0
    assert set(LogLine.objects.values_list("operation", flat=True)) == {failed.pk, young.pk}
    assert not StepTarget.objects.filter(step__operation=old).exists()
    assert old.steps.count() == 2
    old.refresh_from_db()
    assert old.last_line == 1
