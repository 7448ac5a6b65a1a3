"""Operations as lists of them need them: what is at work first, then the newest; counts that stop counting.

Nothing here costs by how many operations there are: active ones are few, ended ones are read from an index in the order
of their ids, and counting ends at MOST (shown as "1000+").
"""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

from kcloud_site.operations.models import ACTIVE, Operation, State

MOST = 1000
_ORDER = (State.FAILED, State.RUNNING, State.PENDING, State.CANCELLED, State.SUCCEEDED)


class AtWorkFirst:
    """A list for a paginator: active operations, newest first, then ended ones, newest first; at most MOST."""

    def __init__(self, rows: QuerySet[Operation]) -> None:
        self._rows = rows.defer("inputs").order_by("-id")

    @cached_property
    def _active(self) -> list[Operation]:
        return list(self._rows.filter(state__in=ACTIVE)[:MOST])

    @property
    def _ended(self) -> QuerySet[Operation]:
        return self._rows.exclude(state__in=ACTIVE)

    @cached_property
    def _length(self) -> int:
        """One more than MOST when there are more."""
        return len(self._active) + self._ended[: MOST + 1 - len(self._active)].count()

    def __len__(self) -> int:
        return min(self._length, MOST)

    @property
    def goes_on(self) -> bool:
        """Whether there are more than the list shows."""
        return self._length > MOST

    def __getitem__(self, part: slice) -> list[Operation]:
        start, stop = part.start or 0, len(self) if part.stop is None else part.stop
        active = self._active[start:stop]
        before, wanted = max(start - len(self._active), 0), stop - start - len(active)
        return active + (list(self._ended[before : before + wanted]) if wanted > 0 else [])


class OperationPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable when the program runs
    """Pages of AtWorkFirst; `goes_on` says that there are more than `count`."""

    def __init__(self, listed: AtWorkFirst, per_page: int) -> None:
        # A paginator needs a length and slices, which the list has; the stubs ask for a whole sequence.
        super().__init__(listed, per_page)  # type: ignore[arg-type]
        self.goes_on = listed.goes_on


def counts_by_state(rows: QuerySet[Operation]) -> list[tuple[str, int]]:
    """How many there are of each state, worst first; MOST + 1 stands for more than MOST."""
    plain = rows.order_by()
    return [(state.value, plain.filter(state=state)[: MOST + 1].count()) for state in _ORDER]
