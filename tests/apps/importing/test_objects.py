"""What becomes of Kubernetes manifests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.importing import objects
from apps.importing.documents import load_all
from apps.importing.outcome import IGNORED, REFUSED
from apps.manifests.workload import Place
from apps.manifests.workload import objects as ours
from apps.specs.reading import parse
from apps.specs.spec import as_json

SHOP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec:
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 8080, name: http}]
        envFrom: [{configMapRef: {name: web-config}}]
        env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: s, key: p}}}]
        readinessProbe: {httpGet: {path: /ok, port: http}, periodSeconds: 5}
        volumeMounts: [{name: tmp, mountPath: /tmp}]
      volumes: [{name: tmp, emptyDir: {}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http, name: http}], type: NodePort}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web-config}
data: {API: "http://api"}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: x}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {kind: Deployment, name: web}, minReplicas: 2, maxReplicas: 6}
"""


def test_a_deployment_with_what_belongs_to_it_is_one_application():
    found = objects.read(load_all(SHOP))
    (web,) = found.candidates
    spec = parse(web.spec)
    assert (web.name, web.replicas, web.secrets) == ("web", 2, ("PASSWORD",))
    assert spec.main.environment == {"API": "http://api"}
    assert spec.service.ports[0].target == "http"
    assert spec.main.probes["readiness"].port == 8080
    assert (spec.scaling.min, spec.scaling.max) == (2, 6)
    assert {note.path: note.level for note in found.notes} == {"ClusterRole/x": IGNORED}
    assert not web.is_refused


@pytest.mark.parametrize(
    "fields",
    [
        "hostNetwork: true",
        "nodeName: n1",
        "volumes: [{name: v, hostPath: {path: /}}]",
        "volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]",
    ],
)
def test_what_tenants_may_not_have_is_refused(fields):
    text = (
        "kind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n"
        f"      containers: [{{name: web, image: 'a:1'}}]\n      {fields}\n"
    )
    assert objects.read(load_all(text)).candidates[0].is_refused


def test_a_privileged_container_is_refused():
    text = SHOP.replace("image: web:1", "image: web:1\n        securityContext: {privileged: true}")
    assert objects.read(load_all(text)).candidates[0].is_refused


def test_nothing_that_runs_in_it_is_said():
    assert [note.level for note in objects.read([{"kind": "Service"}]).notes] == [REFUSED]


def test_what_we_make_ourselves_is_read_back_as_the_same_release():
    spec = parse(objects.read(load_all(SHOP)).candidates[0].spec)
    made = ours(spec, Place("ns", "web", "retail", "dev", 1, 2))
    (again,) = objects.read(made).candidates
    read = as_json(parse(again.spec))
    assert {**read, "scaling": None} == {**as_json(spec), "scaling": None}


pod = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "containers",
                    "name",
                    "image",
                    "env",
                    "ports",
                    "volumes",
                    "valueFrom",
                    "command",
                    "readinessProbe",
                    "exec",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(pod)
def test_no_object_breaks_the_reader(inner):
    found = objects.read(
        [{"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": {"spec": inner}}}]
    )
    assert found.candidates[0].name == "web"
