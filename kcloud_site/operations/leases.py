"""Rights held by one process at a time: each taken, kept and given back by one conditional UPDATE.

The database's clock decides when a lease ends, so machines need not agree on the time. `fencing` grows with every
change of holder: whoever acts under a lease shows its number and is refused when the number is old.

Two lengths, chosen together with the heartbeat (0.5 s) and the take-over target (3 s): a lease of 2.5 s survives a
database that is locked for well over a second, or two lost heartbeats, and is still taken over in time.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from kcloud_site.operations.models import Lease, Operation, State

LENGTH = timedelta(seconds=2.5)
HEARTBEAT = timedelta(seconds=0.5)


@dataclass(frozen=True)
class Held:
    """A lease in our hands: pass it to `renew` and `release`."""

    name: str
    owner: str
    fencing: int


def acquire(*, name: str, owner: str, length: timedelta = LENGTH) -> Held | None:
    """Take the lease when it is free or has ended; None when somebody holds it. Reads first: waiting costs no write."""
    free = Q(until__isnull=True) | Q(until__lt=Now())
    if not Lease.objects.filter(name=name).exists():
        Lease.objects.bulk_create([Lease(name=name)], ignore_conflicts=True)
    if not Lease.objects.filter(free, name=name).exists():
        return None
    with transaction.atomic():
        taken = Lease.objects.filter(free, name=name).update(
            owner=owner, until=Now() + length, fencing=F("fencing") + 1
        )
        if not taken:
            return None
        return Held(name, owner, Lease.objects.values_list("fencing", flat=True).get(name=name))


def renew(held: Held, *, length: timedelta = LENGTH) -> bool:
    """Keep it; False when somebody else has taken it meanwhile. A late renewal is fine while nobody has."""
    mine = Lease.objects.filter(name=held.name, owner=held.owner, fencing=held.fencing)
    return bool(mine.update(until=Now() + length))


def release(held: Held) -> None:
    """Give it back, if it is still ours."""
    Lease.objects.filter(name=held.name, owner=held.owner, fencing=held.fencing).update(owner="", until=None)


def claim_operation(operation_id: int, *, owner: str, length: timedelta = LENGTH) -> Operation | None:
    """Make the operation ours: a pending one, or a running one whose lease has ended. None when there is none."""
    claimable = Q(state=State.PENDING) | Q(state=State.RUNNING, lease_until__lt=Now())
    if not Operation.objects.filter(claimable, pk=operation_id).exists():
        return None
    with transaction.atomic():
        taken = Operation.objects.filter(claimable, pk=operation_id).update(
            state=State.RUNNING,
            lease_owner=owner,
            lease_until=Now() + length,
            fencing=F("fencing") + 1,
            attempts=F("attempts") + 1,
            started_at=Coalesce("started_at", Now()),
            last_event_at=Now(),
        )
        return Operation.objects.get(pk=operation_id) if taken else None


def give_up(operation: Operation) -> None:
    """Let go of an operation we cannot carry on, so that the next worker need not wait for the lease's end."""
    held = Operation.objects.filter(pk=operation.pk, fencing=operation.fencing, state=State.RUNNING)
    held.update(lease_owner="", lease_until=Now() - timedelta(seconds=1))


def end_lease_of(operation: Operation) -> bool:
    """End the lease of a worker known to be dead, so that the next may claim at once."""
    held = Operation.objects.filter(pk=operation.pk, fencing=operation.fencing, state=State.RUNNING)
    return bool(held.update(lease_until=Now() - timedelta(seconds=1)))
