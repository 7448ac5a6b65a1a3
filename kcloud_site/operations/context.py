"""What a running step sees of the world: its inputs, its targets, the log, and the question whether to go on.

Implements `kinds.StepContext`. Every write goes through the journal, under the fencing number.
"""

from __future__ import annotations

from typing import Any

from django.db.models.functions import Now

from kcloud_site.audit.chain import plain
from kcloud_site.operations import portal
from kcloud_site.operations.errors import Cancelled, LeaseLost
from kcloud_site.operations.journal import Journal, point
from kcloud_site.operations.kinds import StepDefinition
from kcloud_site.operations.models import Operation, State, Step, StepTarget


class RunningStep:
    """One step in the hands of one worker."""

    def __init__(
        self, operation: Operation, step: Step, definition: StepDefinition, journal: Journal
    ) -> None:
        self._operation = operation
        self._step = step
        self._definition = definition
        self._journal = journal

    @property
    def operation(self) -> Operation:
        return self._operation

    @property
    def inputs(self) -> dict[str, Any]:
        return dict(self._operation.inputs)

    @property
    def portal(self) -> str:
        return portal.identity()

    @property
    def fencing(self) -> int:
        return self._journal.fencing

    @property
    def pending_targets(self) -> list[str]:
        done = set(
            StepTarget.objects.filter(
                step=self._step, state=State.SUCCEEDED, input_hash=self._step.input_hash
            ).values_list("target", flat=True)
        )
        return [target for target in self._definition.targets if target not in done]

    def log(self, text: str, *, target: str = "", level: str = "info") -> int:
        return self._journal.log(text, step=self._step.key, target=target, level=level)

    def target_started(self, target: str) -> None:
        self._write(
            target,
            State.RUNNING,
            started_at=Now(),
            finished_at=None,
            outcome={},
            input_hash=self._step.input_hash,
        )

    def target_succeeded(self, target: str, outcome: dict[str, Any] | None = None) -> None:
        self._write(
            target,
            State.SUCCEEDED,
            finished_at=Now(),
            outcome=plain(outcome or {}),
            input_hash=self._step.input_hash,
        )

    def target_failed(self, target: str, *, what: str, why: str = "", remedy: str = "") -> None:
        line = self.log(": ".join(part for part in (what, why) if part), target=target, level="error")
        outcome = plain({"what": what, "why": why, "remedy": remedy, "line": line})
        self._write(
            target, State.FAILED, finished_at=Now(), outcome=outcome, input_hash=self._step.input_hash
        )

    def _write(self, target: str, state: str, **fields: Any) -> None:
        with self._journal.writing(f"{self._step.key} {target} {state}"):
            row, _made = StepTarget.objects.get_or_create(step=self._step, target=target)
            StepTarget.objects.filter(pk=row.pk).update(state=state, **fields)

    def check(self) -> None:
        point(f"check {self._step.key}")
        signs = self._journal.signs()
        if signs.lost:
            raise LeaseLost(f"op-{self._operation.pk}: somebody else has taken it over")
        if signs.cancelled:
            raise Cancelled

    @property
    def cancelled(self) -> bool:
        signs = self._journal.signs()
        return signs.cancelled or signs.lost

    def remember(self, **values: Any) -> None:
        self._step.outcome = {**self._step.outcome, **plain(values)}
        with self._journal.writing(f"{self._step.key} remember"):
            Step.objects.filter(pk=self._step.pk).update(outcome=self._step.outcome)

    def recall(self, step: str = "") -> dict[str, Any]:
        if not step or step == self._step.key:
            return dict(self._step.outcome)
        kept = (
            Step.objects.filter(operation=self._operation, key=step).values_list("outcome", flat=True).first()
        )
        return dict(kept or {})
