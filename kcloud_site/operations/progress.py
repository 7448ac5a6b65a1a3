"""How far an operation is, as its page shows it: steps, hosts, times, what needs somebody.

Reads rows, changes nothing. Titles come from the kind and are lazy; a kind this portal does not know any more shows
its keys. Hosts with a failed step stand first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet

from kcloud_site.audit import chain
from kcloud_site.operations import estimate, kinds
from kcloud_site.operations.models import Operation, State, Step, StepTarget

HOSTS_A_PAGE = 20
EARLIER_RUNS = 10
_DONE = (State.SUCCEEDED, State.SKIPPED)


@dataclass(frozen=True)
class StepView:
    """One column. `seconds` is None before the step began."""

    number: int
    key: str
    title: Any
    state: str
    seconds: float | None
    is_current: bool


@dataclass(frozen=True)
class Cell:
    """One step on one host; state is empty where the step is not for that host."""

    id: str
    step: str
    state: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Row:
    """One host with a cell per step; the portal's own steps have the row without a name."""

    host: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Matrix:
    rows: Sequence[Row]
    page: int
    pages: int
    hosts: int


@dataclass(frozen=True)
class Times:
    """Seconds; None is "cannot be told"."""

    elapsed: float | None
    left: float | None
    runs: int
    silent: float | None


@dataclass(frozen=True)
class Progress:
    """Everything but the matrix. `digest` changes with any state: while it is the same, a page need not be redrawn."""

    steps: Sequence[StepView]
    done: int
    total: int
    failed_hosts: Sequence[str]
    times: Times
    digest: str
    now: datetime
    problem: dict[str, Any] = field(default_factory=dict)

    @property
    def steps_done(self) -> int:
        return sum(step.state in _DONE for step in self.steps)

    @property
    def current(self) -> StepView | None:
        return next((step for step in self.steps if step.is_current), None)


def title_of(kind: str) -> Any:
    """What the kind calls itself; its key when it is not known."""
    try:
        return kinds.get(kind).title
    except KeyError:
        return kind


def step_titles(operation: Operation) -> dict[str, Any]:
    """Title by key of step; empty when the kind cannot tell any more."""
    try:
        return {step.key: step.title for step in kinds.get(operation.kind).steps(operation)}
    except Exception:
        # A kind that left the product, or inputs of an older release: the page must still open.
        return {}


def progress(operation: Operation, now: datetime) -> Progress:
    steps = list(Step.objects.filter(operation=operation).order_by("position"))
    titles = step_titles(operation)
    counted = _counted(operation)
    shown = [_step_view(number, step, titles, now) for number, step in enumerate(steps, 1)]
    failed = _failed_targets(operation) if any(state == State.FAILED for _, state, _ in counted) else []
    return Progress(
        steps=shown,
        done=sum(count for _, state, count in counted if state in _DONE),
        total=sum(count for _, _, count in counted),
        failed_hosts=sorted({target.target for target in failed}),
        times=_times(operation, steps, now),
        digest=_digest(operation, steps, counted),
        now=now,
        problem=_problem(operation, failed),
    )


def _counted(operation: Operation) -> list[tuple[str, str, int]]:
    """(step, state, number of hosts)."""
    rows = StepTarget.objects.filter(step__operation=operation).values_list("step__key", "state")
    return list(rows.annotate(Count("id")).order_by("step__position", "state"))


def _step_view(number: int, step: Step, titles: dict[str, Any], now: datetime) -> StepView:
    return StepView(
        number=number,
        key=step.key,
        title=titles.get(step.key, step.key),
        state=step.state,
        seconds=_took(step, now),
        is_current=step.state == State.RUNNING,
    )


def _took(row: Step | StepTarget, now: datetime) -> float | None:
    if row.started_at is None or row.state == State.PENDING:
        return None
    return max(0.0, ((row.finished_at or now) - row.started_at).total_seconds())


def _failed_targets(operation: Operation) -> list[StepTarget]:
    failed = StepTarget.objects.filter(step__operation=operation, state=State.FAILED)
    return list(failed.select_related("step").order_by("step__position", "id"))


def _problem(operation: Operation, failed: Sequence[StepTarget]) -> dict[str, Any]:
    """What to put on top: how the operation failed, or the first host that did while the rest goes on."""
    if operation.state == State.FAILED:
        return dict(operation.failure)
    if operation.is_active and failed:
        first = failed[0]
        return {**first.outcome, "target": first.target, "step": first.step.key}
    return {}


def _times(operation: Operation, steps: Sequence[Step], now: datetime) -> Times:
    start, end = operation.started_at, operation.finished_at or now
    silent_since = operation.last_event_at or operation.created_at
    left, runs = _left(operation, steps, now) if operation.is_active else (None, 0)
    return Times(
        elapsed=max(0.0, (end - start).total_seconds()) if start else None,
        left=left,
        runs=runs,
        silent=max(0.0, (now - silent_since).total_seconds()) if operation.is_active else None,
    )


def _left(operation: Operation, steps: Sequence[Step], now: datetime) -> tuple[float | None, int]:
    runs = list(
        Operation.objects.filter(kind=operation.kind, state=State.SUCCEEDED)
        .order_by("-id")
        .values_list("pk", flat=True)[:EARLIER_RUNS]
    )
    durations: dict[str, list[float]] = {}
    earlier = Step.objects.filter(operation__in=runs, started_at__isnull=False, finished_at__isnull=False)
    for key, started, finished in earlier.values_list("key", "started_at", "finished_at"):
        if started and finished:
            durations.setdefault(key, []).append((finished - started).total_seconds())
    running = next((step for step in steps if step.state == State.RUNNING and step.started_at), None)
    age = (now - running.started_at).total_seconds() if running and running.started_at else 0.0
    left = estimate.seconds_left([(step.key, step.state) for step in steps], age, durations)
    return left, len(runs)


def _digest(operation: Operation, steps: Sequence[Step], counted: Sequence[tuple[str, str, int]]) -> str:
    asked = operation.cancel_requested_at is not None
    states = [[step.key, step.state, step.attempts] for step in steps]
    return chain.digest([operation.state, asked, operation.attempts, states, [list(row) for row in counted]])[
        :12
    ]


def matrix(operation: Operation, steps: Sequence[StepView], now: datetime, page: int = 1) -> Matrix:
    """One page of hosts × steps. The portal's own row comes first on every page."""
    targets = StepTarget.objects.filter(step__operation=operation)
    hosts = _hosts(targets)
    pages = max(1, -(-len(hosts) // HOSTS_A_PAGE))
    page = min(max(1, page), pages)
    shown = hosts[(page - 1) * HOSTS_A_PAGE : page * HOSTS_A_PAGE]
    cells: dict[tuple[str, str], StepTarget] = {
        (target.target, target.step.key): target
        for target in targets.filter(target__in=shown).select_related("step")
    }
    with_hosts = set(targets.values_list("step__key", flat=True).distinct())
    rows = [_row(host, position, steps, cells, now) for position, host in enumerate(shown, 1)]
    if any(step.key not in with_hosts for step in steps):
        rows.insert(0, _own_row(steps, with_hosts))
    return Matrix(rows, page, pages, len(hosts))


def _hosts(targets: QuerySet[StepTarget]) -> list[str]:
    """Every host once: those with a failed step first, then in the order of the steps."""
    failed = set(targets.filter(state=State.FAILED).values_list("target", flat=True))
    seen = dict.fromkeys(targets.order_by("id").values_list("target", flat=True))
    return sorted(seen, key=lambda host: host not in failed)


def _row(
    host: str,
    position: int,
    steps: Sequence[StepView],
    cells: dict[tuple[str, str], StepTarget],
    now: datetime,
) -> Row:
    row = []
    for step in steps:
        target = cells.get((host, step.key))
        name = f"c{position}-{step.number}"
        if target is None:
            row.append(Cell(name, step.key))
        else:
            row.append(Cell(name, step.key, target.state, _took(target, now)))
    return Row(host, row)


def _own_row(steps: Sequence[StepView], with_hosts: set[str]) -> Row:
    cells = [
        Cell(f"c0-{step.number}", step.key)
        if step.key in with_hosts
        else Cell(f"c0-{step.number}", step.key, step.state, step.seconds)
        for step in steps
    ]
    return Row("", cells)
