"""Which taints a node shall have, when some are the plan's and some are others'. Pure.

Kubernetes keeps a node's taints as one list, shared by its own controllers (unreachable, disk pressure), by people and
by us. A taint is known by its key and effect. Ours are remembered on the node itself, as an annotation that is written
together with the list: `recorded` reads it, `record` writes it. What is ours and no longer planned goes; what is not
ours stays as it is. Nothing is raised: what a node says is hostile text, and what is no taint of ours is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clusters.planning.plan import Taint

ANNOTATION = "kcloud.local/taints"
_ENTRY = re.compile(r"([A-Za-z0-9./_-]{1,320}):(NoSchedule|PreferNoSchedule|NoExecute)")
Place = tuple[str, str]


def merged(
    actual: Sequence[Mapping[str, Any]], wanted: Iterable[Taint], owned: Iterable[Place]
) -> list[dict[str, Any]]:
    """The list the node shall have: others' taints and those that are right as they are, in their order, then what is
    new. Equal to `actual` when nothing differs."""
    plan = {(taint.key, taint.effect): taint for taint in wanted}
    ours = set(owned)
    kept = []
    for row in actual:
        place = (str(row.get("key", "")), str(row.get("effect", "")))
        taint = plan.pop(place, None)
        if taint is None and place in ours:
            continue
        right = taint is None or str(row.get("value", "")) == taint.value
        kept.append(dict(row) if right or taint is None else _row(taint))
    return [*kept, *(_row(taint) for taint in plan.values())]


def record(wanted: Iterable[Taint]) -> str:
    """The annotation's text for a node that has these taints of ours."""
    return ",".join(sorted(f"{taint.key}:{taint.effect}" for taint in wanted))


def recorded(text: str) -> set[Place]:
    """What `record` wrote. Anybody may have edited it: what is no taint is left out."""
    matches = (_ENTRY.fullmatch(entry) for entry in text.split(","))
    return {(match[1], match[2]) for match in matches if match}


def _row(taint: Taint) -> dict[str, Any]:
    row = {"key": taint.key, "effect": taint.effect}
    return {**row, "value": taint.value} if taint.value else row
