"""The journal of one step: intent before the effect, outcome after, each in one transaction with its targets."""

from typing import Any

from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from kcloud_site.audit.chain import plain
from kcloud_site.operations.errors import StepFailed
from kcloud_site.operations.journal import Journal
from kcloud_site.operations.kinds import StepDefinition
from kcloud_site.operations.models import State, Step, StepTarget


def begin(step: Step, definition: StepDefinition, digest: str, journal: Journal) -> None:
    """Write the intent: the step runs now, with these inputs, on these targets. Targets done alike stay done."""
    with journal.writing(f"{step.key} intent"):
        Step.objects.filter(pk=step.pk).update(
            state=State.RUNNING,
            input_hash=digest,
            attempts=F("attempts") + 1,
            started_at=Now(),
            finished_at=None,
        )
        rows = [StepTarget(step=step, target=target, input_hash=digest) for target in definition.targets]
        StepTarget.objects.bulk_create(rows, ignore_conflicts=True)
        (
            StepTarget.objects.filter(step=step)
            .exclude(state=State.SUCCEEDED, input_hash=digest)
            .update(state=State.PENDING, input_hash=digest, outcome={}, started_at=None, finished_at=None)
        )
    step.refresh_from_db()


def succeed(step: Step, journal: Journal) -> None:
    """Write that the step is done, and with it every target it did not speak of."""
    with journal.writing(f"{step.key} outcome"):
        _set_targets(step, (State.PENDING, State.RUNNING), state=State.SUCCEEDED)
        Step.objects.filter(pk=step.pk).update(state=State.SUCCEEDED, finished_at=Now())


def stop(step: Step, state: str, journal: Journal, *, failed: StepFailed | None = None) -> None:
    """Write that the step failed or was cancelled. Targets not begun stay pending: resuming takes them."""
    with journal.writing(f"{step.key} {state}"):
        if failed is not None and failed.target:
            _fail_target(step, failed)
        if state == State.CANCELLED:
            _set_targets(step, (State.RUNNING,), state=State.CANCELLED)
        else:
            unclear = {
                "what": _("Did not finish"),
                "why": _("The step ended before this host had."),
                "remedy": _("Resume runs the step again on this host."),
                "line": failed.where.get("line", 0) if failed else 0,
            }
            _set_targets(step, (State.RUNNING,), state=State.FAILED, outcome=unclear)
        Step.objects.filter(pk=step.pk).update(state=state, finished_at=Now())


def _fail_target(step: Step, failed: StepFailed) -> None:
    outcome = plain(
        {"what": failed.what, "why": failed.why, "remedy": failed.remedy, "line": failed.where.get("line", 0)}
    )
    # A target that has ended has said itself how; the step's sum of all failures is not its own story.
    row = StepTarget.objects.filter(step=step, target=failed.target).exclude(
        state__in=(State.SUCCEEDED, State.FAILED)
    )
    row.update(state=State.FAILED, outcome=outcome, finished_at=Now())


def _set_targets(step: Step, states: tuple[str, ...], **fields: Any) -> None:
    StepTarget.objects.filter(step=step, state__in=states).update(finished_at=Now(), **fields)
