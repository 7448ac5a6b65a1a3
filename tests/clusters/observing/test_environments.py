"""What differs between what should be and what is: nothing that opens a wall is overlooked, nothing harmless told."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.manifests import environment as manifest
from clusters.observing.environments import (
    CHANGED,
    MISSING,
    differences,
    is_as_wanted,
    running_pods,
    used,
    why_not_gone,
)
from kcloud_site.tenants.resources import Resources
from tests.clusters.manifests.test_environment import spec

WANTED = manifest.objects(spec())


def found():
    return copy.deepcopy(WANTED)


def one(kind, name=""):
    objects = found()
    for each in objects:
        if each["kind"] == kind and name in ("", each["metadata"]["name"]):
            return objects, each
    raise AssertionError(kind)


def test_what_is_as_it_should_be_does_not_differ():
    assert differences(WANTED, found()) == []


def test_what_a_server_and_others_may_add_does_not_differ():
    objects = found()
    for each in objects:
        each["metadata"] |= {"uid": "u", "resourceVersion": "7", "annotations": {"a": "b"}}
        each["metadata"]["labels"]["team"] = "x"
        each["status"] = {"phase": "Active"}
    policy = next(each for each in objects if each["metadata"]["name"] == "kcloud-default-deny")
    policy["spec"]["ingress"] = None
    policy["spec"]["egress"] = []
    assert differences(WANTED, objects) == []


def test_amounts_are_compared_as_numbers():
    objects, quota = one("ResourceQuota")
    quota["spec"]["hard"] |= {"requests.cpu": "1.5", "requests.memory": "2Gi", "limits.memory": 2147483648}
    assert differences(WANTED, objects) == []
    quota["spec"]["hard"]["requests.cpu"] = "1501m"
    (difference,) = differences(WANTED, objects)
    assert (difference.what, difference.where) == (CHANGED, "spec.hard.requests.cpu")
    assert (difference.wanted, difference.found) == ("1500m", "1501m")


@pytest.mark.parametrize("value", ["lots", "", None, [], {}, True, "-1"])
def test_an_amount_that_is_none_differs(value):
    objects, quota = one("ResourceQuota")
    quota["spec"]["hard"]["requests.nvidia.com/gpu"] = value
    assert len(differences(WANTED, objects)) == 1


@given(st.data())
def test_any_single_change_of_content_is_noticed(data):
    objects = found()
    target = data.draw(st.sampled_from(objects))
    parts = [key for key in target if key not in ("apiVersion", "kind", "metadata")]
    if not parts:
        return
    path, place = [data.draw(st.sampled_from(parts))], target
    while True:
        value = place[path[-1]]
        keys = (
            list(value)
            if isinstance(value, dict)
            else list(range(len(value)))
            if isinstance(value, list)
            else []
        )
        if not keys or data.draw(st.booleans()):
            break
        place = value
        path.append(data.draw(st.sampled_from(keys)))
    place[path[-1]] = "something else"
    assert [each.what for each in differences(WANTED, objects)] == [CHANGED]


@given(st.data())
def test_any_key_more_in_a_rule_is_noticed(data):
    """A selector or a peer more is how a wall is opened without touching what is there."""
    objects = found()
    maps = [
        each for obj in objects for key in ("spec", "rules", "subjects") for each in maps_in(obj.get(key))
    ]
    data.draw(st.sampled_from(maps))["more"] = {"matchLabels": {"a": "b"}}
    assert [each.what for each in differences(WANTED, objects)] == [CHANGED]


def maps_in(value):
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from maps_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from maps_in(each)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("kcloud-default-deny", {"podSelector": {"matchLabels": {"only": "this"}}}),
        ("kcloud-default-deny", {"ingress": [{}]}),
        ("kcloud-default-deny", {"policyTypes": ["Ingress"]}),
        ("kcloud-openings", {"ingress": [{"from": [{"podSelector": {}, "namespaceSelector": {}}]}]}),
        ("kcloud-openings", {"egress": [{}]}),
        ("kcloud-openings", {"egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}),
    ],
)
def test_an_opened_wall_is_noticed(name, change):
    objects, policy = one("NetworkPolicy", name)
    policy["spec"] |= change
    assert [each.name for each in differences(WANTED, objects)] == [name]


def test_what_is_gone_is_missing_and_a_stranger_is_nobodys_business():
    objects = [each for each in found() if each["kind"] != "Role"]
    objects.append({"kind": "Role", "metadata": {"name": "theirs", "namespace": "retail-dev"}})
    (difference,) = differences(WANTED, objects)
    assert (difference.kind, difference.name, difference.what) == ("Role", "kcloud-portal", MISSING)


def test_the_last_other_hand_is_named_and_controllers_of_status_are_not():
    objects, quota = one("ResourceQuota")
    quota["spec"]["hard"]["pods"] = "99"
    quota["metadata"]["managedFields"] = [
        {"manager": "kubectl-edit", "time": "2026-01-02T00:00:00Z"},
        {"manager": "helm", "time": "2026-01-01T00:00:00Z"},
        {"manager": "kube-controller-manager", "time": "2026-01-03T00:00:00Z", "subresource": "status"},
        {"manager": "kcloud", "time": "2026-01-04T00:00:00Z"},
        "odd",
    ]
    (difference,) = differences(WANTED, objects)
    assert difference.by == "kubectl-edit, 2026-01-02T00:00:00Z"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=10,
    )
)
def test_odd_content_is_a_difference_and_never_an_error(odd):
    for wanted in WANTED:
        for key in wanted:
            if key not in ("apiVersion", "kind"):
                is_as_wanted(wanted, {**wanted, key: odd})


def test_use_is_read_from_the_quotas_own_count():
    counted = {"requests.cpu": "250m", "requests.memory": "1Gi", "limits.memory": "2Gi", "pods": "3"}
    assert used({"status": {"used": counted}}) == Resources(cpu=250, memory=2 * 2**30, pods=3)
    assert used({"status": {}}) is None
    assert used({}) is None


def test_pods_that_have_ended_do_not_count():
    phases = ["Running", "Pending", "Unknown", "Succeeded", "Failed", None]
    assert running_pods({"status": {"phase": phase}} for phase in phases) == 4


def test_what_holds_a_namespace_is_told_in_the_clusters_words():
    conditions = [
        {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "all well"},
        {
            "type": "NamespaceFinalizersRemaining",
            "status": "True",
            "message": "example.com/hold in 1 instances",
        },
        "odd",
    ]
    assert why_not_gone({"status": {"conditions": conditions}}) == "example.com/hold in 1 instances"
    assert why_not_gone({}) == ""
