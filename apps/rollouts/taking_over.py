"""How an object that others made comes to run a release of ours in its own place. Pure.

A StatefulSet's claims belong to its name and its claim templates, so it cannot give way to another: its pod template
is replaced, and nothing of it that cannot be changed (selector, Service, claim templates) is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clusters.manifests.workload_labels import RELEASE_LABEL, RESTART_ANNOTATION

Object = Mapping[str, Any]


def replacing(before: Any, after: Any) -> Any:
    """The JSON merge patch that makes `after` of `before`, whatever else `before` has."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return after
    gone = {str(key): None for key in before if key not in after}
    return {**gone, **{str(key): replacing(before.get(key), value) for key, value in after.items()}}


def template_for(
    present: Object, wanted: Object | None, original: Object, selector: Mapping[str, str], restarted_at: str
) -> dict[str, Any] | None:
    """The pod template that should be there; None: what is there stays.

    `wanted` is our release's template, None while what was adopted runs. Then the template stays as it is, so that no
    pod restarts; unless it is one of ours, which gives way to the `original`.
    """
    if wanted is not None:
        metadata = _map(wanted.get("metadata"))
        return {**wanted, "metadata": {**metadata, "labels": {**selector, **_map(metadata.get("labels"))}}}
    ours = RELEASE_LABEL in _map(_map(present.get("metadata")).get("labels"))
    kept = original if ours else present
    metadata = _map(kept.get("metadata"))
    notes = {**_map(metadata.get("annotations"))}
    if not restarted_at or notes.get(RESTART_ANNOTATION) == restarted_at:
        return dict(kept) if ours else None
    return {**kept, "metadata": {**metadata, "annotations": {**notes, RESTART_ANNOTATION: restarted_at}}}


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
