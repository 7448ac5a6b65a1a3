"""The kinds of operation the product knows: each a named line of steps, registered by the app that owns it.

An app registers its kinds in its `jobs` module:

    register(Kind(key="clusters.deploy", title=_("Deploy cluster"), queue="provisioning", steps=deploy_steps))

`steps(operation)` answers the StepDefinitions for that operation, from its frozen inputs alone, the same every time:
a worker that takes over builds the same line again. `run(context)` must be idempotent. Pure but for gettext.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from kcloud_site.operations.models import Operation

    Text = Any  # str or a lazy translation


class StepContext(Protocol):
    """What a running step may do. Every write carries the fencing number; LeaseLost is raised when it is old."""

    @property
    def operation(self) -> Operation: ...

    @property
    def inputs(self) -> dict[str, Any]: ...

    @property
    def portal(self) -> str:
        """The portal's identity (portal.identity), the same in all its processes."""

    @property
    def fencing(self) -> int: ...

    @property
    def pending_targets(self) -> list[str]:
        """Targets of this step not yet succeeded with the present input hash, in the definition's order."""

    def log(self, text: str, *, target: str = "", level: str = "info") -> int:
        """Append lines (split at line ends); answers the number of the last one."""

    def target_started(self, target: str) -> None: ...

    def target_succeeded(self, target: str, outcome: dict[str, Any] | None = None) -> None: ...

    def target_failed(self, target: str, *, what: str, why: str = "", remedy: str = "") -> None: ...

    def check(self) -> None:
        """Raise Cancelled when cancelling was asked for, LeaseLost when the operation is not ours any more."""

    @property
    def cancelled(self) -> bool:
        """The same question without raising: for callbacks that poll."""

    def remember(self, **values: Any) -> None:
        """Keep values in the step's `outcome` (JSON), written at once."""

    def recall(self, step: str = "") -> dict[str, Any]:
        """The `outcome` of this step, or of an earlier one by key."""


@dataclass(frozen=True)
class StepDefinition:
    """One step. `targets`: hosts it is for (empty: the portal itself). `input_hash`: what it is done with; when empty,
    the runner hashes the operation's inputs. `is_done` answers whether the effect is there already (asked when a
    worker died in mid-step). A step with a failed target fails when all its targets have ended."""

    key: str
    title: Text
    run: Callable[[StepContext], None]
    targets: Sequence[str] = ()
    input_hash: str = ""
    is_done: Callable[[StepContext], bool] | None = None


@dataclass(frozen=True)
class Kind:
    """One kind of operation. `finished(operation)` runs once in the transaction that ends it, whatever the end
    (state, failure and steps are set): the place where the owning app moves its subject's state on."""

    key: str
    title: Text
    steps: Callable[[Operation], Iterable[StepDefinition]]
    queue: str = "default"
    finished: Callable[[Operation], None] | None = None
    # Names the subject must be called by to confirm cancelling; False where cancelling costs nothing.
    confirm_cancel: bool = field(default=False)


_KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    """Make a kind known; the same key twice is a programming error (ValueError)."""
    if kind.key in _KINDS:
        raise ValueError(f"operation kind {kind.key} is registered twice")
    _KINDS[kind.key] = kind
    return kind


def get(key: str) -> Kind:
    """The kind, or KeyError with the known keys."""
    try:
        return _KINDS[key]
    except KeyError:
        raise KeyError(f"unknown operation kind {key}; known: {', '.join(sorted(_KINDS))}") from None


def known() -> list[str]:
    """Every kind the product knows, sorted."""
    return sorted(_KINDS)
