"""Labels and taints of a pool, edited after its nodes have joined: deploying again brings them, and only them."""

import pytest

from clusters.errors import ResourceConflict
from clusters.services import plans
from kcloud_site.operations.models import LogLine, State, Step
from tests.clusters.deployment_fakes import deploy
from tests.clusters.deployments import plan_data

pytestmark = pytest.mark.django_db
NODE = "/api/v1/nodes/w1"


def taint(text):
    """A taint as kubectl writes it: key=value:effect."""
    key, _colon, effect = text.partition(":")
    key, _equals, value = key.partition("=")
    return {"key": key, "value": value, "effect": effect}


def revise(cluster, operator, *, labels=None, taints=()):
    """Edit the pool."""
    pool = {
        "name": "general",
        "hosts": ["w1", "w2"],
        "labels": labels or {},
        "taints": [taint(text) for text in taints],
    }
    number = cluster.revisions.count()
    plans.revise_plan(cluster=cluster, spec=plan_data(pools=[pool]), by=operator, expected_revision=number)


def deploy_with(cluster, operator, **pool):
    revise(cluster, operator, **pool)
    return deploy(cluster, operator)


def test_labels_edited_after_a_node_has_joined_are_brought_to_it(cluster, operator, fake, api):
    api.patch(NODE, {"metadata": {"labels": {"theirs": "stays"}}})
    deploy_with(cluster, operator, labels={"disk": "ssd", "tier": "one"})
    deploy_with(cluster, operator, labels={"disk": "nvme"})
    labels = api.objects[NODE]["metadata"]["labels"]
    assert (labels["disk"], labels["theirs"]) == ("nvme", "stays")
    assert "tier" not in labels


def test_taints_edited_after_a_node_has_joined_are_brought_to_it(cluster, operator, fake, api):
    api.patch(NODE, {"spec": {"taints": [{"key": "theirs", "effect": "NoExecute"}]}})
    deploy_with(cluster, operator, taints=["old=1:NoSchedule", "kept=1:NoSchedule"])
    operation = deploy_with(cluster, operator, taints=["kept=2:NoSchedule", "new:NoExecute"])
    assert api.objects[NODE]["spec"]["taints"] == [
        {"key": "theirs", "effect": "NoExecute"},
        {"key": "kept", "effect": "NoSchedule", "value": "2"},
        {"key": "new", "effect": "NoExecute"},
    ]
    text = "taints of w1: kept:NoSchedule,new:NoExecute"
    assert LogLine.objects.filter(operation=operation, step="dns", text=text).exists()


def test_a_node_that_has_its_labels_and_taints_is_not_written_to(cluster, operator, fake, api):
    deploy_with(cluster, operator, labels={"disk": "ssd"}, taints=["dedicated=db:NoSchedule"])
    before = api.objects[NODE]
    operation = deploy(cluster, operator)
    assert api.objects[NODE] == before
    assert Step.objects.get(operation=operation, key="dns").outcome["changed"] == 0


def test_taints_that_people_set_with_the_name_of_an_old_one_stay(cluster, operator, fake, api):
    deploy_with(cluster, operator, taints=["old:NoSchedule"])
    deploy_with(cluster, operator)
    assert api.objects[NODE]["spec"]["taints"] == []
    api.patch(NODE, {"spec": {"taints": [{"key": "old", "effect": "NoSchedule"}]}})
    deploy(cluster, operator)
    assert api.objects[NODE]["spec"]["taints"] == [{"key": "old", "effect": "NoSchedule"}]


def test_taints_a_node_registered_with_under_an_earlier_plan_are_known(cluster, operator, fake, api):
    """It joined, and the deployment failed before anything was noted on it."""
    revise(cluster, operator, taints=["old:NoSchedule"])
    api.patch(NODE, {"spec": {"taints": [{"key": "old", "effect": "NoSchedule"}]}})
    deploy_with(cluster, operator, taints=["new:NoSchedule"])
    assert api.objects[NODE]["spec"]["taints"] == [{"key": "new", "effect": "NoSchedule"}]


def test_a_controller_that_writes_at_the_same_moment_loses_nothing(cluster, operator, fake, api):
    """The node changes between our look and our write, once."""
    theirs, patch = {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}, api.patch

    def overtaken(path, changes):
        api.patch = patch
        patch(path, {"spec": {"taints": [theirs]}})
        return patch(path, changes)

    api.patch = overtaken
    deploy_with(cluster, operator, taints=["new:NoSchedule"])
    assert api.objects[NODE]["spec"]["taints"] == [
        theirs,
        {"key": "new", "effect": "NoSchedule"},
    ]


def test_one_who_always_writes_first_fails_the_step_with_a_reason(cluster, operator, fake, api):
    def conflict(path, changes):
        raise ResourceConflict("the node has changed", "somebody writes to it", "resume")

    api.patch = conflict
    operation = deploy(cluster, operator)
    assert (operation.state, operation.failure["step"]) == (State.FAILED, "dns")
    assert operation.failure["why"] == "somebody writes to it"
