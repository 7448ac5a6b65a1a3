"""The sample application keeps to the rules tenants will have to keep to."""

import json

from kcloud_site.demo.sample import NAMESPACE, sample_objects


def by_kind(kind):
    return next(item for item in sample_objects(2) if item["kind"] == kind)


def test_the_namespace_comes_first_and_holds_everything_else():
    first, *rest = sample_objects(2)
    assert first["kind"] == "Namespace"
    assert {item["metadata"]["namespace"] for item in rest} == {NAMESPACE}


def test_replicas_must_land_on_different_workers():
    spec = by_kind("Deployment")["spec"]
    assert spec["replicas"] == 2
    (spread,) = spec["template"]["spec"]["topologySpreadConstraints"]
    assert spread["whenUnsatisfiable"] == "DoNotSchedule"
    assert spread["labelSelector"]["matchLabels"] == spec["selector"]["matchLabels"]


def test_the_service_selects_the_pods_of_the_deployment():
    assert (
        by_kind("Service")["spec"]["selector"]
        == by_kind("Deployment")["spec"]["template"]["metadata"]["labels"]
    )


def test_the_pod_fits_pod_security_restricted():
    pod = by_kind("Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["imagePullPolicy"] == "Never"


def test_the_objects_are_plain_data():
    assert json.loads(json.dumps(sample_objects(3))) == sample_objects(3)
