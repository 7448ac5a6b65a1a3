"""The objects of a release: restricted, labelled, the same every time."""

from apps.manifests.workload import Place, Settings, objects
from apps.specs.reading import parse
from clusters.manifests.workload_labels import APP_LABEL, CONFIG_ANNOTATION, RELEASE_LABEL, SLOT_LABEL

WEB = {
    "containers": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "port": 8080}]}],
    "service": {"ports": [{"name": "http", "port": 80}]},
    "configuration": {"environment": True, "path": "/etc/app"},
}
PLACE = Place("retail-dev", "web", "retail", "dev", release=3, replicas=2)


def _made(spec=WEB, place=PLACE, settings=None):
    return {(each["kind"], each["metadata"]["name"]): each for each in objects(parse(spec), place, settings)}


def test_every_object_is_in_the_namespace_and_labelled():
    for each in _made(settings=Settings(1, {"A": "1"}, {"P": "x"}, {"a.yaml": ""}, {"k.pem": ""})).values():
        assert each["metadata"]["namespace"] == "retail-dev"
        assert each["metadata"]["labels"][APP_LABEL] == "web"


def test_pods_fulfil_pod_security_restricted():
    pod = _made()["Deployment", "web"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_the_service_leads_to_the_pods_of_one_slot_only():
    made = _made(place=Place("retail-dev", "web", "retail", "dev", release=3, replicas=2, slot="green"))
    deployment = made["Deployment", "web-green"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    wanted = made["Service", "web"]["spec"]["selector"]
    assert wanted == {APP_LABEL: "web", SLOT_LABEL: "green"}
    assert wanted.items() <= labels.items()
    assert labels[RELEASE_LABEL] == "3"


def test_a_revision_of_the_configuration_has_objects_of_its_own_that_never_change():
    made = _made(settings=Settings(7, {"A": "1"}, {"P": "x"}, {"app.yaml": "a: 1"}))
    assert made["ConfigMap", "web-variables-7"]["immutable"] is True
    assert made["Secret", "web-secret-variables-7"]["stringData"] == {"P": "x"}
    template = made["Deployment", "web"]["spec"]["template"]
    assert template["metadata"]["annotations"][CONFIG_ANNOTATION] == "7"
    container = template["spec"]["containers"][0]
    assert {"configMapRef": {"name": "web-variables-7"}} in container["envFrom"]
    assert container["volumeMounts"][0]["mountPath"] == "/etc/app"


def test_a_live_configuration_changes_in_place_and_leaves_the_pods_alone():
    one, two = (_made(settings=Settings(n, files={"a": str(n)}, live=True)) for n in (1, 2))
    assert one["Deployment", "web"] == two["Deployment", "web"]
    assert "immutable" not in one["ConfigMap", "web-files"]
    assert one["ConfigMap", "web-files"]["data"] != two["ConfigMap", "web-files"]["data"]


def test_a_stateful_set_has_a_claim_for_each_pod():
    spec = {**WEB, "kind": "StatefulSet", "volumes": [{"name": "data", "type": "claim", "size": "1Gi"}]}
    made = _made(spec)["StatefulSet", "web"]["spec"]
    assert made["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "1Gi"
    assert made["template"]["spec"]["securityContext"]["fsGroup"] == 10001
