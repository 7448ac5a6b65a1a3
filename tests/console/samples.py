"""Operations as a worker leaves them in the database, for tests of the pages that show them."""

from datetime import timedelta

from django.utils import timezone

from kcloud_site.operations import kinds
from kcloud_site.operations.models import LogLine, Operation, State, Step, StepTarget

KIND = "console.sample"
STEPS = ("plan", "send", "runtime", "store")
HOSTS = ("gz-m01", "gz-w01", "gz-w02")


def _steps(operation):
    return [
        kinds.StepDefinition(
            key, f"Title of {key}", lambda context: None, targets=() if key == "plan" else HOSTS
        )
        for key in STEPS
    ]


def know_the_kind():
    """Register the sample kind once in this process."""
    try:
        kinds.get(KIND)
    except KeyError:
        kinds.register(kinds.Kind(key=KIND, title="Deploy cluster", steps=_steps, confirm_cancel=True))


def operation(*, state=State.RUNNING, at_step=2, name="gz-prod-02", hosts=HOSTS, lines=0, **fields):
    """An operation whose steps before `at_step` have succeeded; that step has the operation's state."""
    know_the_kind()
    now = timezone.now()
    active = state in (State.PENDING, State.RUNNING)
    row = Operation.objects.create(
        **{
            "kind": KIND,
            "subject_type": "clusters.cluster",
            "subject_id": str(Operation.objects.count() + 1),
            "subject_name": name,
            "active_subject": f"clusters.cluster:{Operation.objects.count() + 1}" if active else None,
            "requested_by_name": "operator",
            "state": state,
            "started_at": None if state == State.PENDING else now - timedelta(minutes=5),
            "finished_at": None if active else now,
            "last_event_at": now,
            "lease_until": now + timedelta(minutes=1),
            **fields,
        }
    )
    for position, key in enumerate(STEPS):
        here = State.SUCCEEDED if position < at_step else state if position == at_step else State.PENDING
        if state == State.SUCCEEDED:
            here = State.SUCCEEDED
        _step(row, position, key, here, hosts, now)
    write(row, *[f"line {number}" for number in range(1, lines + 1)])
    return row


def _step(row, position, key, state, hosts, now):
    began = None if state == State.PENDING else now - timedelta(minutes=4 - position)
    ended = now - timedelta(minutes=3 - position) if state == State.SUCCEEDED else None
    step = Step.objects.create(
        operation=row, key=key, position=position, state=state, started_at=began, finished_at=ended
    )
    if key != "plan":
        StepTarget.objects.bulk_create(
            StepTarget(step=step, target=host, state=state, started_at=began, finished_at=ended)
            for host in hosts
        )


def write(row, *texts, target="gz-w01", step="send", level="info"):
    """Append lines the way the journal does: together with `last_line`."""
    number = Operation.objects.values_list("last_line", flat=True).get(pk=row.pk)
    now = timezone.now()
    LogLine.objects.bulk_create(
        LogLine(
            operation=row, number=number + offset, at=now, step=step, target=target, level=level, text=text
        )
        for offset, text in enumerate(texts, 1)
    )
    Operation.objects.filter(pk=row.pk).update(last_line=number + len(texts), last_event_at=now)
    row.refresh_from_db()


def fail(row, *, host="gz-w02", line=0):
    """The running step failed on one host, and with it the operation."""
    outcome = {
        "what": "No room for the container runtime.",
        "why": "/var has 3.1 GiB free, 12 GiB are needed.",
        "remedy": "Free space on the host, then resume.",
        "line": line,
    }
    step = row.steps.get(state=State.RUNNING)
    targets = StepTarget.objects.filter(step=step)
    targets.filter(target=host).update(state=State.FAILED, outcome=outcome)
    targets.exclude(target=host).update(state=State.SUCCEEDED, finished_at=timezone.now())
    Step.objects.filter(pk=step.pk).update(state=State.FAILED)
    Operation.objects.filter(pk=row.pk).update(
        state=State.FAILED,
        active_subject=None,
        finished_at=timezone.now(),
        failure={**outcome, "step": step.key, "target": host},
    )
    row.refresh_from_db()
