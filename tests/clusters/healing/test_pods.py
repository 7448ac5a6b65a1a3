"""Which pods of a lost node move at once."""

from clusters.healing.pods import placed


def pod(name, owner="", phase="Running", uid="u", app="web"):
    owners = [{"kind": owner, "name": "any", "controller": True}] if owner else []
    metadata = {"name": name, "namespace": "retail-dev", "uid": uid, "labels": {"kcloud.local/app": app}}
    return {"metadata": {**metadata, "ownerReferences": owners}, "status": {"phase": phase}}


def test_those_of_a_replica_set_move_those_of_a_stateful_set_wait_others_stay():
    found = placed([pod("a", "ReplicaSet"), pod("b", "StatefulSet"), pod("c", "DaemonSet"), pod("d")])
    assert [(each.name, each.what) for each in found] == [
        ("a", "replace"),
        ("b", "fence"),
        ("c", "leave"),
        ("d", "leave"),
    ]
    assert (found[0].path, found[0].app) == ("/api/v1/namespaces/retail-dev/pods/a", "web")


def test_ended_ones_and_ones_without_identity_are_left_out():
    assert (
        placed([pod("a", "ReplicaSet", "Succeeded"), pod("b", "ReplicaSet", uid=""), {}, {"metadata": 3}])
        == []
    )
