"""Change operations from outside: request, cancel, resume, prune. Each writes its audit event and wakes the queue.

Errors: SubjectBusy (with the id of the active operation), OperationNotResumable; both say what to do.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from kcloud_site.audit import trail
from kcloud_site.audit.chain import clean, plain
from kcloud_site.audit.trail import Subject
from kcloud_site.operations import kinds, queue
from kcloud_site.operations.errors import OperationNotResumable, SubjectBusy
from kcloud_site.operations.models import ACTIVE, LogLine, Operation, State, Step, StepTarget

__all__ = ["Subject", "cancel_operation", "prune", "request_operation", "resume_operation"]

KEEP_DETAILS_OF_SUCCEEDED = timedelta(days=90)
_RESUMABLE = (State.FAILED, State.CANCELLED)


def request_operation(
    *,
    kind: str,
    subject: models.Model | Subject,
    by: Any,
    inputs: Mapping[str, Any],
    reason: str = "",
    parent: Operation | None = None,
) -> Operation:
    """Write down the work and wake a worker. `inputs` are frozen as JSON; `by` is a user, or None for a rule.

    Raises SubjectBusy when another operation is at work on the subject, KeyError for an unknown kind.
    """
    known, about = kinds.get(kind), Subject.of(subject)
    draft = Operation(
        kind=kind,
        queue=known.queue,
        subject_type=about.type,
        subject_id=about.id,
        subject_name=clean(about.name)[:200],
        tenant_id=about.tenant_id,
        active_subject=_lock_name(about.type, about.id),
        requested_by=None if isinstance(by, trail.Actor) else by,
        requested_by_name=trail.Actor.of(by).name,
        reason=clean(reason),
        inputs=plain(inputs),
        parent=parent,
    )
    with transaction.atomic():
        _take_subject(draft)
        _write_steps(draft, known)
        trail.record(
            by=by,
            action="operation.request",
            subject=about,
            after={"kind": kind},
            reason=reason,
            operation=draft,
        )
        queue.wake_after_commit(draft.pk, draft.queue)
    return draft


def _lock_name(subject_type: str, subject_id: str) -> str:
    return f"{subject_type}:{subject_id}"


def _take_subject(draft: Operation) -> None:
    """Save the row; the database refuses a second active one. Tried again when the other ends that very moment."""
    for attempt in range(3):
        try:
            with transaction.atomic():
                draft.save(force_insert=True)
            return
        except IntegrityError:
            other = Operation.objects.filter(active_subject=draft.active_subject).first()
            if other is not None:
                raise _busy(other) from None
            if attempt == 2:
                raise


def _busy(other: Operation) -> SubjectBusy:
    return SubjectBusy(
        other.pk,
        _("%(operation)s is at work on %(name)s. Wait until it has ended, or cancel it.")
        % {"operation": f"op-{other.pk}", "name": other.subject_name},
    )


def _write_steps(operation: Operation, kind: kinds.Kind) -> None:
    definitions = list(kind.steps(operation))
    steps = Step.objects.bulk_create(
        [
            Step(operation=operation, key=step.key, position=position)
            for position, step in enumerate(definitions)
        ]
    )
    StepTarget.objects.bulk_create(
        [
            StepTarget(step=step, target=target)
            for step, definition in zip(steps, definitions, strict=True)
            for target in definition.targets
        ]
    )


def cancel_operation(*, operation: Operation, by: Any, reason: str = "") -> Operation:
    """Ask it to stop. One that waits is cancelled at once, a running one stops at its next check."""
    with transaction.atomic():
        # The owner's `finished` and the audit event belong to whoever wins this conditional update.
        waiting = Operation.objects.filter(pk=operation.pk, state=State.PENDING).update(
            state=State.CANCELLED, cancel_requested_at=Now(), finished_at=Now(), active_subject=None
        )
        running = 0 if waiting else _ask_to_cancel(operation.pk)
        operation.refresh_from_db()
        if waiting:
            finished = kinds.get(operation.kind).finished
            if finished is not None:
                finished(operation)
        if waiting or running:
            trail.record(
                by=by,
                action="operation.cancel",
                subject=_subject_of(operation),
                reason=reason,
                operation=operation,
            )
    return operation


def _ask_to_cancel(operation_id: int) -> int:
    unasked = Operation.objects.filter(pk=operation_id, state=State.RUNNING, cancel_requested_at__isnull=True)
    return unasked.update(cancel_requested_at=Now())


def _subject_of(operation: Operation) -> Subject:
    return Subject(operation.subject_type, operation.subject_id, operation.subject_name, operation.tenant_id)


def resume_operation(*, operation: Operation, by: Any, reason: str = "") -> Operation:
    """Queue a failed or cancelled operation again: what succeeded with the same inputs is not done twice.

    Raises OperationNotResumable when it is active or has succeeded, SubjectBusy when another is at work on the subject.
    """
    try:
        with transaction.atomic():
            again = Operation.objects.filter(pk=operation.pk, state__in=_RESUMABLE).update(
                state=State.PENDING,
                failure={},
                cancel_requested_at=None,
                finished_at=None,
                last_event_at=Now(),
                active_subject=_lock_name(operation.subject_type, operation.subject_id),
            )
            if again:
                _prepare_again(operation, by, reason)
    except IntegrityError:
        other = Operation.objects.filter(
            subject_type=operation.subject_type, subject_id=operation.subject_id, state__in=ACTIVE
        ).first()
        if other is None:
            raise
        raise _busy(other) from None
    operation.refresh_from_db()
    if not again:
        raise OperationNotResumable(_why_not(operation))
    return operation


def _prepare_again(operation: Operation, by: Any, reason: str) -> None:
    """Steps that did not succeed start anew, also the count of workers they took down."""
    unfinished = Step.objects.filter(operation=operation).exclude(state=State.SUCCEEDED)
    unfinished.update(state=State.PENDING, attempts=0, finished_at=None)
    trail.record(
        by=by, action="operation.resume", subject=_subject_of(operation), reason=reason, operation=operation
    )
    queue.wake_after_commit(operation.pk, operation.queue)


def _why_not(operation: Operation) -> str:
    if operation.state == State.SUCCEEDED:
        return _("op-%(id)s has succeeded: there is nothing left to do. Request it anew to do it again.") % {
            "id": operation.pk
        }
    return _("op-%(id)s is at work already. Wait until it has ended, or cancel it first.") % {
        "id": operation.pk
    }


def prune(*, keep: timedelta = KEEP_DETAILS_OF_SUCCEEDED, batch: int = 200) -> int:
    """Remove log lines and targets of operations that succeeded long ago; the operations and their steps stay.

    Failed and cancelled operations keep everything. Small transactions, so that others get their turn. Answers how
    many operations were pruned.
    """
    old = Operation.objects.filter(state=State.SUCCEEDED, finished_at__lt=timezone.now() - keep)
    holding = Q(lines__isnull=False) | Q(steps__targets__isnull=False)
    pruned = 0
    while ids := list(old.filter(holding).order_by("id").values_list("id", flat=True).distinct()[:batch]):
        for operation_id in ids:
            with transaction.atomic():
                LogLine.objects.filter(operation_id=operation_id).delete()
                StepTarget.objects.filter(step__operation_id=operation_id).delete()
        pruned += len(ids)
    return pruned
