"""What counts as changed by others, and what a cluster adds by itself."""

import copy

from apps.healing.drift import differences
from apps.manifests.workload import Place, Settings, objects
from apps.specs.reading import parse
from tests.apps.things import web_spec

PLACE = Place("retail-dev", "web", "retail", "dev", release=1, replicas=2)


def wanted():
    resources = {"limits": {"cpu": "1000m", "memory": "64Mi"}}
    spec = web_spec()
    spec["containers"][0]["resources"] = resources
    return objects(parse(spec), PLACE, Settings(3, {"A": "1"}))


def as_served(given):
    """With what a server adds and how it writes amounts."""
    found = copy.deepcopy(given)
    for each in found:
        each["metadata"] |= {"uid": "u", "resourceVersion": "7", "annotations": {"a": "b"}}
        each["status"] = {"observedGeneration": 1}
        if each["kind"] == "Deployment":
            pod = each["spec"]["template"]["spec"]
            pod |= {"dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
            pod["containers"][0]["resources"]["limits"]["cpu"] = "1"
            pod["containers"][0]["terminationMessagePath"] = "/dev/termination-log"
    return found


def changed(kind, change):
    found = as_served(wanted())
    change(next(each for each in found if each["kind"] == kind))
    return differences(wanted(), found)


def test_what_a_server_adds_is_no_difference():
    assert differences(wanted(), as_served(wanted())) == []


def test_another_number_of_pods_is_one_and_says_what():
    (found,) = changed("Deployment", lambda each: each["spec"].update(replicas=5))
    assert (found.what, found.where, found.wanted, found.found) == ("changed", "spec.replicas", "2", "5")


def test_another_image_and_one_container_more_are():
    def more(each):
        each["spec"]["template"]["spec"]["containers"].append({"name": "miner", "image": "x"})

    assert "containers" in changed("Deployment", more)[0].where


def test_a_key_more_in_a_map_that_is_all_ours_is_one():
    (found,) = changed("ConfigMap", lambda each: each["data"].update(B="2"))
    assert (found.kind, found.found) == ("ConfigMap", "2")


def test_a_wider_selector_and_a_lost_label_are():
    assert changed("Service", lambda each: each["spec"]["selector"].update(x="y"))
    assert changed("Service", lambda each: each["metadata"]["labels"].pop("kcloud.local/app"))


def test_what_is_missing_is_named():
    found = [each for each in as_served(wanted()) if each["kind"] != "Service"]
    (missing,) = differences(wanted(), found)
    assert (missing.kind, missing.what) == ("Service", "missing")


def test_nonsense_differs_and_does_not_raise():
    assert changed("Deployment", lambda each: each.update(spec="x"))
