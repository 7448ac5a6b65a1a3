"""The stages by which a configuration reaches all pods: 5 %, then 25 %, then all. Pure.

`plan(replicas, wanted)` turns shares into numbers of pods: they never shrink from stage to stage, there is at least
one, and never more than the share says (but for that one). The last stage is always all of them; it is asked for, or
added. StagesRefused says what cannot be one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from clusters.problems import Problem
from clusters.problems import gettext_noop as _

ALL = 100
LEAST_SECONDS, MOST_SECONDS, DEFAULT_SECONDS = 10, 3600, 60
# The last stage is watched by the change that brings it to all pods, which holds a place in the quick queue.
MOST_LAST_SECONDS = 600
LEAST_PATIENCE, MOST_PATIENCE, DEFAULT_PATIENCE = 10, 1800, 180
MOST_STAGES = 6
DEFAULT: tuple[tuple[int, int], ...] = ((5, 60), (25, 60), (ALL, 60))


class StagesRefused(ValueError):
    """A plan that cannot be; `problem` names the field: stages, share, seconds or patience."""

    def __init__(self, field: str, text: str, fix: str = "", **facts: str | int) -> None:
        self.problem = Problem(field, "range", text, fix, facts)
        super().__init__(self.problem.message)


@dataclass(frozen=True)
class Stage:
    """`share` percent, which are `pods` pods, watched for `seconds` once they are ready."""

    share: int
    pods: int
    seconds: int

    @property
    def is_last(self) -> bool:
        return self.share == ALL

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def plan(replicas: int, wanted: Iterable[tuple[Any, Any]]) -> tuple[Stage, ...]:
    """The stages for so many pods, the last with all. `wanted`: (percent, seconds) of each. Raises StagesRefused."""
    pairs = list(wanted)
    if not 1 <= len(pairs) <= MOST_STAGES:
        raise StagesRefused("stages", _("There are one to six stages."), _("Leave some out."))
    made: list[Stage] = []
    before = 0
    for share, seconds in pairs:
        _number("share", share, 1, ALL)
        if share <= before:
            raise StagesRefused(
                "share", _("Each stage is larger than the one before."), _("Sort them, or leave one out.")
            )
        before = share
        last = share == ALL
        _number("seconds", seconds, 0 if last else LEAST_SECONDS, MOST_LAST_SECONDS if last else MOST_SECONDS)
        made.append(Stage(share, pods_of(replicas, share), seconds))
    if made[0].is_last:
        raise StagesRefused(
            "share", _("One stage with all pods is no trial."), _("Publish it to all at once.")
        )
    return (*made, *(() if made[-1].is_last else (Stage(ALL, max(1, replicas), 0),)))


def pods_of(replicas: int, share: int) -> int:
    """How many pods a share is: not more than that, at least one."""
    return max(1, replicas * share // 100)


def checked_patience(value: Any) -> int:
    """Seconds within which the pods of a stage must be ready. Raises StagesRefused."""
    _number("patience", value, LEAST_PATIENCE, MOST_PATIENCE)
    return int(value)


def _number(field: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise StagesRefused(
            field, _("This is not a number from %(least)d to %(most)d."), "", least=least, most=most
        )
