"""Runs an operation: claims it, takes its steps in order, ends it. Any worker may call `run` at any time, twice too.

Killed anywhere, the operation is claimed by the next worker when the lease has ended; steps that succeeded with the
same inputs are skipped, the step that was cut off is asked whether its effect is there already, else it runs again.
"""

from __future__ import annotations

import contextlib
import logging
import traceback
from contextlib import nullcontext
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kcloud_site.audit.chain import clean, digest, plain
from kcloud_site.operations import children, context, kinds, leases, portal, processes, steps
from kcloud_site.operations.errors import Cancelled, LeaseLost, StepFailed
from kcloud_site.operations.heartbeat import Heartbeat
from kcloud_site.operations.journal import Journal, point
from kcloud_site.operations.models import Operation, State, Step, StepTarget

# A step that took its worker down this often is not tried again without a person.
MOST_DEATHS = 5
_log = logging.getLogger(__name__)
# What means "the database is away", not "the step is wrong": nothing can be written now, the next worker goes on.
_DATABASE_AWAY = (OperationalError, InterfaceError)


def run(operation_id: int) -> None:
    """Claim the operation and carry it to its end; return at once when it is not there to be claimed."""
    operation = leases.claim_operation(operation_id, owner=processes.identity())
    if operation is None:
        return
    # Inside a caller's transaction (tests) nobody else can claim it, and another connection could not see it.
    alone = connection.in_atomic_block
    journal = Journal(operation, patience=0.0 if alone else 0.2)
    try:
        with nullcontext() if alone else Heartbeat(journal):
            point("claimed")
            _Line(operation, journal).carry_out()
    except LeaseLost:
        _log.info("op-%s: taken over by another worker", operation_id)
    except BaseException:
        # The database was away, or the queue's time limit struck. If this write fails too, the lease's end will tell.
        with contextlib.suppress(*_DATABASE_AWAY):
            leases.give_up(operation)
        raise


class _Line:
    """The steps of one claimed operation."""

    def __init__(self, operation: Operation, journal: Journal) -> None:
        self.operation = operation
        self.journal = journal

    def carry_out(self) -> None:
        """Run what is left and end the operation. Raises LeaseLost, and database errors when nothing can be written."""
        children.end_survivors(self.operation.pk, portal=portal.identity(), before=self.journal.fencing)
        try:
            definitions = list(kinds.get(self.operation.kind).steps(self.operation))
            for position, definition in enumerate(definitions):
                self._take(position, definition)
        except LeaseLost:
            raise
        except Cancelled:
            self._end(State.CANCELLED)
        except StepFailed as failed:
            self._end(State.FAILED, _explained(failed))
        except _DATABASE_AWAY:
            raise
        except Exception as error:
            self._end(State.FAILED, _explained(StepFailed(**self._unexpected(error))))
        else:
            self._end(State.SUCCEEDED)

    def _take(self, position: int, definition: kinds.StepDefinition) -> None:
        step = self._step(position, definition.key)
        wanted = definition.input_hash or digest(self.operation.inputs)
        if step.state == State.SUCCEEDED and step.input_hash == wanted:
            return
        cut_off = step.state == State.RUNNING
        running = context.RunningStep(self.operation, step, definition, self.journal)
        try:
            running.check()
            if cut_off and self._was_done(running, definition):
                running.log(_("The step was already done when the worker before this one stopped."))
            else:
                self._guard_against_deaths(step, cut_off)
                steps.begin(step, definition, wanted, self.journal)
                definition.run(running)
                _raise_for_failed_targets(step)
            steps.succeed(step, self.journal)
        except LeaseLost:
            raise
        except Cancelled:
            running.log(_("Cancelled."), level="warning")
            steps.stop(step, State.CANCELLED, self.journal)
            raise
        except StepFailed as failed:
            self._step_failed(running, step, failed)
            raise
        except _DATABASE_AWAY:
            raise
        except Exception as error:
            explained = StepFailed(**self._unexpected(error, step.key))
            self._step_failed(running, step, explained)
            raise explained from error

    def _step(self, position: int, key: str) -> Step:
        """The step's row; a new one when the product has gained a step since the request."""
        step = Step.objects.filter(operation=self.operation, key=key).first()
        if step is None:
            with self.journal.writing(f"{key} new"):
                step = Step.objects.create(operation=self.operation, key=key, position=position)
        return step

    def _was_done(self, running: context.RunningStep, definition: kinds.StepDefinition) -> bool:
        if definition.is_done is None:
            return False
        try:
            return definition.is_done(running)
        except StepFailed:
            return False

    def _guard_against_deaths(self, step: Step, cut_off: bool) -> None:
        if cut_off and step.attempts >= MOST_DEATHS:
            raise StepFailed(
                what=_("The worker died %(times)d times in this step") % {"times": step.attempts},
                why=_("Something stops the worker process each time, for example too little memory."),
                remedy=_("Look at the worker's own log and the machine's memory, then resume."),
            )

    def _step_failed(self, running: context.RunningStep, step: Step, failed: StepFailed) -> None:
        line = failed.where.get("line") or running.log(str(failed), target=failed.target, level="error")
        failed.where = {"step": step.key, "line": line}
        steps.stop(step, State.FAILED, self.journal, failed=failed)

    def _unexpected(self, error: Exception, step: str = "") -> dict[str, Any]:
        number = 0
        for line in traceback.format_exception(error):
            number = self.journal.log(line.rstrip("\n"), step=step, level="error")
        return {
            "what": _("The portal met an error it did not expect"),
            "why": clean(f"{type(error).__name__}: {error}"),
            "remedy": _("Resume tries again. If it comes back, report it with the log of this operation."),
            "where": {"step": step, "line": number},
        }

    def _end(self, state: str, failure: dict[str, Any] | None = None) -> None:
        """The last write. An app's `finished` that fails makes the operation fail, and is not asked a third time."""
        try:
            self._end_with_hook(state, failure)
            return
        except (LeaseLost, *_DATABASE_AWAY):
            raise
        except Exception as error:
            failure = failure or _explained(StepFailed(**self._unexpected(error)))
            _log.exception("op-%s: finished() of %s failed", self.operation.pk, self.operation.kind)
        try:
            self._end_with_hook(State.FAILED, failure)
        except (LeaseLost, *_DATABASE_AWAY):
            raise
        except Exception:
            self._end_with_hook(State.FAILED, failure, ask=False)

    def _end_with_hook(self, state: str, failure: dict[str, Any] | None, *, ask: bool = True) -> None:
        with self.journal.writing("end"):
            Operation.objects.filter(pk=self.operation.pk).update(
                state=state,
                failure=failure or {},
                finished_at=Now(),
                active_subject=None,
                lease_owner="",
                lease_until=None,
            )
            if ask:
                _tell_owner(Operation.objects.get(pk=self.operation.pk))


def _tell_owner(operation: Operation) -> None:
    """Run the kind's `finished`. A kind this worker does not know has nobody to tell."""
    try:
        finished = kinds.get(operation.kind).finished
    except KeyError:
        return
    if finished is not None:
        finished(operation)


def _explained(failed: StepFailed) -> dict[str, Any]:
    texts = {name: getattr(failed, name) for name in ("what", "why", "remedy", "target")}
    return dict(plain({**texts, "step": "", "line": 0, **failed.where}))


def _raise_for_failed_targets(step: Step) -> None:
    """A step with failed targets has failed: the first one's reason, and the names of all."""
    failed = list(StepTarget.objects.filter(step=step, state=State.FAILED).order_by("finished_at", "id"))
    if not failed:
        return
    first, names = failed[0], ", ".join(row.target for row in failed)
    what = first.outcome.get("what", "")
    if len(failed) > 1:
        counted = ngettext("%(count)d host failed", "%(count)d hosts failed", len(failed)) % {
            "count": len(failed)
        }
        what = f"{counted} ({names}). {first.target}: {what}"
    raise StepFailed(
        what=what,
        why=first.outcome.get("why", ""),
        remedy=first.outcome.get("remedy", ""),
        target=first.target,
        where={"line": first.outcome.get("line", 0)},
    )
