"""Read operations: the list, one page's matrix, its log, its time left, and the audit trail. Nothing here writes."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Value, When
from django.utils import timezone

from kcloud_site.operations import estimate, kinds
from kcloud_site.operations.models import ACTIVE, AuditEvent, LogLine, Operation, State, Step, StepTarget

_WORST_FIRST = [State.FAILED, State.RUNNING, State.PENDING, State.CANCELLED, State.SUCCEEDED]
_EARLIER_RUNS = 10


def list_operations(
    *,
    state: str = "",
    kind: str = "",
    text: str = "",
    subject_type: str = "",
    subject_id: str = "",
    requested_by: str = "",
    since: datetime | None = None,
    order: str = "worst",
) -> QuerySet[Operation]:
    """Operations that match every filter given. `order`: "worst" (failed, running, … then newest) or "newest".

    `state` may be "active"; `text` looks in the subject's name, the kind, the person and the reason, or is op-7 or 7.
    """
    found = Operation.objects.select_related("requested_by")
    wanted = {
        "kind": kind,
        "subject_type": subject_type,
        "subject_id": subject_id,
        "requested_by_name": requested_by,
        "created_at__gte": since,
    }
    found = found.filter(**{name: value for name, value in wanted.items() if value})
    if state:
        found = found.filter(state__in=ACTIVE if state == "active" else [state])
    if text:
        found = found.filter(_about(text.strip()))
    if order == "newest":
        return found.order_by("-id")
    rank = Case(
        *(When(state=state, then=Value(place)) for place, state in enumerate(_WORST_FIRST)),
        output_field=IntegerField(),
    )
    return found.order_by(rank, "-id")


def _about(text: str) -> Q:
    words = Q(subject_name__icontains=text) | Q(kind__icontains=text) | Q(reason__icontains=text)
    words |= Q(requested_by_name__icontains=text)
    number = text.removeprefix("op-")
    return words | Q(pk=int(number)) if number.isdecimal() and len(number) < 18 else words


@dataclass(frozen=True)
class Summary:
    """Counters over the list: by state, and what failed in the last day."""

    pending: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    failed_lately: int

    @property
    def active(self) -> int:
        return self.pending + self.running

    @property
    def total(self) -> int:
        return self.active + self.succeeded + self.failed + self.cancelled


def summary(operations: QuerySet[Operation] | None = None) -> Summary:
    """Counters over the operations given, else all, in one query."""
    rows = Operation.objects.all() if operations is None else operations
    day = timezone.now() - timedelta(days=1)
    states = (State.PENDING, State.RUNNING, State.SUCCEEDED, State.FAILED, State.CANCELLED)
    counts = rows.order_by().aggregate(
        **{state.value: Count("id", filter=Q(state=state)) for state in states},
        failed_lately=Count("id", filter=Q(state=State.FAILED, finished_at__gte=day)),
    )
    return Summary(**counts)


def active_count() -> int:
    """How many operations wait or run: the number in the navigation."""
    return Operation.objects.filter(state__in=ACTIVE).count()


def latest_for(*, subject_type: str, subject_id: str, limit: int = 10) -> list[Operation]:
    """The newest operations on one subject."""
    return list(Operation.objects.filter(subject_type=subject_type, subject_id=str(subject_id))[:limit])


def children(operation: Operation) -> QuerySet[Operation]:
    """Operations this one started, oldest first."""
    return operation.children.order_by("id")


@dataclass(frozen=True)
class Column:
    """One step as the page shows it. `title` is translated; `has_targets` false means: the portal itself does it."""

    step: Step
    title: str
    has_targets: bool

    @property
    def seconds(self) -> float | None:
        """How long it took, or has taken so far."""
        if self.step.started_at is None or self.step.state == State.PENDING:
            return None
        return ((self.step.finished_at or timezone.now()) - self.step.started_at).total_seconds()


@dataclass(frozen=True)
class Row:
    """One target: a cell per step, None where the step is not for it."""

    target: str
    cells: list[StepTarget | None]

    @property
    def failed(self) -> StepTarget | None:
        return next((cell for cell in self.cells if cell is not None and cell.state == State.FAILED), None)


@dataclass(frozen=True)
class Matrix:
    """Steps × targets. Rows with a failure come first, else targets in the order of the steps' definitions."""

    columns: list[Column]
    rows: list[Row] = field(default_factory=list)

    @property
    def done(self) -> int:
        return sum(column.step.state == State.SUCCEEDED for column in self.columns)

    @property
    def current(self) -> Column | None:
        """The step that runs, else the one that failed, else the next to run."""
        for state in (State.RUNNING, State.FAILED, State.PENDING):
            found = next((column for column in self.columns if column.step.state == state), None)
            if found:
                return found
        return None

    @property
    def position(self) -> int:
        """Of `current`, counted from 1; the number of steps when all are done."""
        current = self.current
        return self.columns.index(current) + 1 if current else len(self.columns)


def matrix(operation: Operation) -> Matrix:
    """What the operation's page shows, in two queries."""
    steps = list(operation.steps.all())
    cells: dict[str, dict[int, StepTarget]] = defaultdict(dict)
    for cell in StepTarget.objects.filter(step__operation=operation).order_by("step__position", "id"):
        cells[cell.target][cell.step_id] = cell
    with_targets = {step_id for row in cells.values() for step_id in row}
    titles = _titles(operation)
    columns = [Column(step, titles.get(step.key, step.key), step.pk in with_targets) for step in steps]
    rows = [Row(target, [row.get(step.pk) for step in steps]) for target, row in cells.items()]
    return Matrix(columns, sorted(rows, key=lambda row: row.failed is None))


def _titles(operation: Operation) -> dict[str, str]:
    try:
        return {step.key: str(step.title) for step in kinds.get(operation.kind).steps(operation)}
    except Exception:  # a kind that was removed, inputs of long ago: the page shows the keys
        return {}


def kind_title(operation: Operation) -> str:
    """What kind of work it is, in the reader's language; the key itself when the kind is not known any more."""
    try:
        return str(kinds.get(operation.kind).title)
    except KeyError:
        return operation.kind


def log_lines(
    operation: Operation,
    *,
    after: int = 0,
    limit: int = 500,
    target: str = "",
    step: str = "",
    level: str = "",
) -> list[LogLine]:
    """The next lines after number `after`, at most `limit`, perhaps of one host, step or level only."""
    wanted = {"target": target, "step": step, "level": level}
    lines = LogLine.objects.filter(operation=operation, number__gt=after)
    return list(
        lines.filter(**{name: value for name, value in wanted.items() if value}).order_by("number")[:limit]
    )


def last_log_lines(
    operation: Operation, *, limit: int = 200, target: str = "", step: str = ""
) -> list[LogLine]:
    """The newest lines, in order."""
    wanted = {"target": target, "step": step}
    lines = LogLine.objects.filter(
        operation=operation, **{name: value for name, value in wanted.items() if value}
    )
    return list(reversed(lines.order_by("-number")[:limit]))


def seconds_left(operation: Operation, now: datetime | None = None) -> float | None:
    """From the last successful runs of the same kind; None when the operation has ended or nothing is known."""
    if not operation.is_active:
        return None
    steps = list(operation.steps.all())
    started = next((step.started_at for step in steps if step.state == State.RUNNING), None)
    running_for = ((now or timezone.now()) - started).total_seconds() if started else 0.0
    durations = _durations(operation.kind, [step.key for step in steps])
    return estimate.seconds_left([(step.key, step.state) for step in steps], running_for, durations)


def _durations(kind: str, keys: Sequence[str]) -> dict[str, list[float]]:
    """Seconds each step took in the last successful runs."""
    runs = (
        Operation.objects.filter(kind=kind, state=State.SUCCEEDED)
        .order_by("-id")
        .values_list("id", flat=True)
    )
    done = Step.objects.filter(
        operation_id__in=list(runs[:_EARLIER_RUNS]),
        key__in=keys,
        started_at__isnull=False,
        finished_at__isnull=False,
    )
    found: dict[str, list[float]] = defaultdict(list)
    for key, took in done.annotate(took=F("finished_at") - F("started_at")).values_list("key", "took"):
        found[key].append(took.total_seconds())
    return found


def list_audit_events(
    *,
    text: str = "",
    action: str = "",
    actor: str = "",
    object_type: str = "",
    object_id: str = "",
    since: datetime | None = None,
) -> QuerySet[AuditEvent]:
    """The audit trail, newest first, with every filter given. `action` may be a beginning like "cluster."."""
    wanted = {
        "action__startswith": action,
        "actor": actor,
        "object_type": object_type,
        "object_id": object_id,
        "at__gte": since,
    }
    events = AuditEvent.objects.filter(**{name: value for name, value in wanted.items() if value})
    if text:
        events = events.filter(
            Q(object_name__icontains=text)
            | Q(actor__icontains=text)
            | Q(action__icontains=text)
            | Q(reason__icontains=text)
        )
    return events.order_by("-id")
