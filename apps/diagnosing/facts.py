"""What the doctor is told, and careful reading of it. Pure; whatever the content, no reading fails.

`Facts` holds raw JSON objects as the API server gives them: the workload's own object, its pods and ReplicaSets, the
events of the namespace, Services with their EndpointSlices, claims, quotas. `nodes` are {"name", "ready", "reason",
"taints", "labels"}; `logs` are the last lines by "pod/container"; `keys` the configuration keys known; `now` is
when it was gathered (ISO).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Object = Mapping[str, Any]
_NOTHING: Object = {}


@dataclass(frozen=True)
class Facts:
    """Everything known about one workload at one moment."""

    workload: Any = None
    pods: Any = ()
    events: Any = ()
    replicasets: Any = ()
    services: Any = ()
    slices: Any = ()
    claims: Any = ()
    quotas: Any = ()
    nodes: Any = ()
    logs: Any = field(default_factory=dict)
    keys: Any = ()
    now: Any = ""

    @classmethod
    def of(cls, value: object) -> Facts:
        """From one JSON object with these names; unknown names are passed over."""
        known = {name: each for name, each in part(value).items() if name in cls.__dataclass_fields__}
        return cls(**known)

    def events_of(self, owner: Object, *reasons: str) -> Iterator[Object]:
        """What was said about an object, newest first; all reasons when none is named. A namesake that was there
        before (another uid) does not count."""
        own, uid = name_of(owner), text(part(owner, "metadata"), "uid")
        kept = []
        for event in parts(self.events):
            about = part(event, "involvedObject") or part(event, "regarding")
            other = text(about, "uid")
            if text(about, "name") != own or (uid and other and uid != other):
                continue
            if not reasons or text(event, "reason") in reasons:
                kept.append(event)
        yield from sorted(kept, key=when_of, reverse=True)

    def log_of(self, pod: str, container: str) -> list[str]:
        """The last lines of a container, oldest first."""
        lines = part(self.logs).get(f"{pod}/{container}")
        if isinstance(lines, str):
            lines = lines.splitlines()
        return [each for each in lines if isinstance(each, str)] if isinstance(lines, list) else []

    def node(self, name: str) -> Object:
        """One node's facts; empty when it is not known."""
        return next((each for each in parts(self.nodes) if text(each, "name") == name), _NOTHING)

    def seconds_since(self, moment: str) -> float | None:
        """How long ago that was; None when either time is not known."""
        then, now = time_of(moment), time_of(self.now)
        return None if then is None or now is None else (now - then).total_seconds()


def part(value: object, *names: str) -> Object:
    """The object at a path of names; empty when there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else _NOTHING


def parts(value: object, *names: str) -> list[Object]:
    """The objects of the list at a path of names."""
    if names:
        value = part(value, *names[:-1]).get(names[-1])
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def text(value: object, *names: str) -> str:
    """The text (or number) at a path of names; "" when there is none."""
    found = part(value, *names[:-1]).get(names[-1])
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found) if isinstance(found, str | int) else ""


def number(value: object, *names: str, otherwise: int = 0) -> int:
    """The whole number at a path of names."""
    found = part(value, *names[:-1]).get(names[-1])
    return found if isinstance(found, int) and not isinstance(found, bool) else otherwise


def texts(value: object, *names: str) -> list[str]:
    """The texts of the list at a path of names."""
    found = part(value, *names[:-1]).get(names[-1])
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def name_of(value: object) -> str:
    """An object's name."""
    return text(value, "metadata", "name")


def labels_of(value: object) -> dict[str, str]:
    """An object's labels."""
    found = part(value, "metadata", "labels")
    return {key: each for key, each in found.items() if isinstance(key, str) and isinstance(each, str)}


def selects(selector: object, labels: Mapping[str, str]) -> bool:
    """Whether a Service's selector picks something with these labels; an empty one picks nothing."""
    wanted = part(selector)
    return bool(wanted) and all(
        labels.get(key) == each for key, each in wanted.items() if isinstance(key, str)
    )


def when_of(event: object) -> str:
    """When an event was last seen, as its own sortable text."""
    for names in (("series", "lastObservedTime"), ("lastTimestamp",), ("eventTime",), ("firstTimestamp",)):
        if found := text(event, *names):
            return found
    return text(event, "metadata", "creationTimestamp")


def time_of(moment: object) -> datetime | None:
    """ISO text as an aware time."""
    if not isinstance(moment, str):
        return None
    try:
        found = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def first(pattern: re.Pattern[str], *among: str) -> re.Match[str] | None:
    """The first match in any of the texts."""
    return next((match for each in among if (match := pattern.search(each))), None)


def unique(values: Iterable[str]) -> list[str]:
    """Each once, in order, without empty ones."""
    return list(dict.fromkeys(each for each in values if each))
