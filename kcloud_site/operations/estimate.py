"""How much time is left, from how long the same steps took before. Pure."""

from collections.abc import Mapping, Sequence
from statistics import median


def typical(durations: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Per step key the median of earlier durations in seconds; steps never seen are absent."""
    return {key: median(seconds) for key, seconds in durations.items() if seconds}


def seconds_left(
    steps: Sequence[tuple[str, str]], running_for: float, durations: Mapping[str, Sequence[float]]
) -> float | None:
    """Seconds until the end. `steps` are (key, "pending" | "running" | anything ended), `running_for` is the age of the
    running step in seconds. None when a step still to be done was never seen: a guess would be worse than none.
    """
    known = typical(durations)
    left = 0.0
    for key, state in steps:
        if state not in ("pending", "running"):
            continue
        if key not in known:
            return None
        left += max(known[key] - running_for, 0.0) if state == "running" else known[key]
    return left
