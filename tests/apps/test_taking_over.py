"""Pods of a release in an object that others made: any template becomes any other, and none changes without need."""

import copy

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.rollouts.taking_over import replacing, template_for

JSON = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=12,
)
MAPS = st.dictionaries(st.text(max_size=2), JSON, max_size=5)
OURS = {"metadata": {"labels": {"kcloud.local/release": "2"}}, "spec": {"containers": [{"image": "b"}]}}
THEIRS = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"image": "a"}], "hostname": "x"}}


def merged(target, patch):
    """JSON merge patch as RFC 7386 says it."""
    if not isinstance(patch, dict):
        return patch
    found = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MAPS, MAPS)
def test_the_patch_makes_exactly_what_is_wanted(before, after):
    assert merged(before, replacing(before, after)) == after


def test_what_was_adopted_stays_as_it_is_also_when_others_changed_it():
    assert template_for(THEIRS, None, THEIRS, {"app": "db"}, "") is None
    changed = {**THEIRS, "spec": {"containers": [{"image": "c"}]}}
    assert template_for(changed, None, THEIRS, {"app": "db"}, "") is None


def test_a_restart_changes_one_annotation_once():
    first = template_for(THEIRS, None, THEIRS, {"app": "db"}, "now")
    assert first["metadata"]["annotations"] == {"kcloud.local/restarted-at": "now"}
    assert first["spec"] == THEIRS["spec"]
    assert template_for(first, None, THEIRS, {"app": "db"}, "now") is None


def test_a_release_keeps_the_labels_that_the_object_finds_its_pods_by():
    found = template_for(THEIRS, OURS, THEIRS, {"app": "db"}, "")
    assert found["metadata"]["labels"] == {"app": "db", "kcloud.local/release": "2"}
    assert found["spec"] == OURS["spec"]


def test_ours_gives_way_to_what_was_adopted():
    assert template_for(OURS, None, THEIRS, {"app": "db"}, "") == THEIRS
