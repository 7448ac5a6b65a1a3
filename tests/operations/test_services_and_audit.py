"""Request, cancel, resume, prune; and the audit trail they write."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from kcloud_site.operations import audit, chain, kinds, leases, runner, services
from kcloud_site.operations.errors import OperationNotResumable, SubjectBusy
from kcloud_site.operations.models import AuditEvent, Lease, LogLine, Operation, State, StepTarget
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


def events(count):
    return [
        audit.record(
            by=None, action="cluster.deploy", subject=EAST, before={"n": n}, after={"n": n + 1}, reason="r"
        )
        for n in range(count)
    ]


def test_an_untouched_trail_is_intact(db):
    events(3)
    assert audit.verify() == audit.Verdict(events=3)
    assert audit.verify().intact


def test_an_empty_trail_is_intact(db):
    assert audit.verify() == audit.Verdict(events=0)


CHANGES = {
    "at": datetime(2020, 1, 1, tzinfo=UTC),
    "actor": "somebody",
    "action": "cluster.reset",
    "object_type": "clusters.host",
    "object_id": "2",
    "object_name": "west",
    "before": {"n": 7},
    "after": None,
    "reason": "",
    "operation_id": 7,
    "previous_hash": "f" * 64,
    "hash": "e" * 64,
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_changed_field_of_an_event_is_noticed_there(db, field):
    rows = events(4)
    AuditEvent.objects.filter(pk=rows[1].pk).update(**{field: CHANGES[field]})
    assert audit.verify().broken_id == rows[1].pk


def test_every_sealed_field_is_among_those_tried():
    columns = {field.attname for field in AuditEvent._meta.concrete_fields} - {"id"}
    assert columns == set(CHANGES)
    assert columns == {*chain.FIELDS, "hash"}


@pytest.mark.parametrize(("removed", "found"), [(0, 1), (1, 2), (2, 3)])
def test_a_removed_event_is_noticed_at_the_next(db, removed, found):
    rows = events(4)
    rows[removed].delete()
    assert audit.verify().broken_id == rows[found].pk


def test_a_removed_end_is_noticed(db):
    rows = events(3)
    rows[2].delete()
    verdict = audit.verify()
    assert (verdict.broken_id, verdict.intact) == (0, False)
    assert verdict.why == "events are missing at the end: 3 were written, 2 are left"


def test_a_changed_event_sealed_anew_is_noticed_at_the_next(db):
    rows = events(3)
    changed = {name: getattr(rows[1], name) for name in chain.FIELDS} | {"reason": "forged"}
    AuditEvent.objects.filter(pk=rows[1].pk).update(reason="forged", hash=chain.seal(changed))
    assert audit.verify().broken_id == rows[2].pk


def test_a_trail_forged_from_the_middle_to_its_end_does_not_meet_its_head(db):
    rows = events(3)
    forged = {name: getattr(rows[2], name) for name in chain.FIELDS} | {"reason": "forged"}
    AuditEvent.objects.filter(pk=rows[2].pk).update(reason="forged", hash=chain.seal(forged))
    assert not audit.verify().intact
    assert Lease.objects.get(name="audit-chain").fencing == 3


def test_the_command_says_the_trail_is_intact(db, capsys):
    events(2)
    call_command("audit", "verify")
    assert capsys.readouterr().out == "The audit trail is intact: 2 events.\n"


def test_the_command_names_the_first_broken_event_and_fails(db):
    rows = events(3)
    AuditEvent.objects.filter(pk__in=[rows[1].pk, rows[2].pk]).update(reason="forged")
    with pytest.raises(CommandError, match=f"broken at event {rows[1].pk}, .* cluster.deploy: its content"):
        call_command("audit", "verify")


def test_the_command_names_a_missing_end(db):
    events(2)[1].delete()
    with pytest.raises(CommandError, match="broken at the end: events are missing"):
        call_command("audit", "verify")


@pytest.mark.parametrize(
    "value",
    [
        {"f": 1.0, "g": 1e16, "h": 1e-7, "i": -0.5},
        {"nul": "a\x00b", "half": "\ud800"},
        {"at": datetime(2026, 1, 1, tzinfo=UTC)},
    ],
)
def test_values_databases_give_back_differently_do_not_break_the_seal(db, value):
    audit.record(by=None, action="x.y", subject=Subject("a.b", "1", "n\x00"), after=value)
    assert audit.verify().intact


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(_json)
def test_the_canonical_form_of_a_plain_value_is_its_own(value):
    assert chain.canonical(chain.plain(value)) == chain.canonical(value)


@given(_json, _json)
def test_different_plain_values_have_different_digests(one, other):
    same = chain.canonical(one) == chain.canonical(other)
    assert (chain.digest(one) == chain.digest(other)) is same


@given(st.dictionaries(st.text(max_size=6), st.integers(), min_size=2, max_size=5))
def test_the_order_of_keys_does_not_matter(value):
    backwards = dict(reversed(list(value.items())))
    assert chain.digest(value) == chain.digest(backwards)


def test_numbers_without_a_json_form_are_refused():
    with pytest.raises(ValueError):
        chain.canonical({"load": float("inf")})
