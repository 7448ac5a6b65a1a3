"""What makes an environment of a namespace: limits, walls, and the account the portal acts with inside it. Pure.

`objects(spec)` answers everything to apply, in order, the namespace first. The same spec gives the same objects, so
what is there can be compared with what should be (clusters.observing.environments). Decided in docs/decisions: nothing
goes in or out but DNS, the namespace's own traffic, and what comes from a gateway; a frozen environment keeps its pods
and takes no new ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clusters.manifests.coredns import LABELS as DNS_LABELS
from clusters.manifests.coredns import NAMESPACE as DNS_NAMESPACE
from clusters.manifests.coredns import PORT as DNS_POD_PORT
from kcloud_site.tenants.resources import Resources

Object = dict[str, Any]

MANAGED_BY = ("app.kubernetes.io/managed-by", "kcloud")
TENANT_LABEL, NAME_LABEL = "kcloud.local/tenant", "kcloud.local/environment"
# Whose the namespace is: this portal's, and this row's. A namespace without both is somebody else's.
PORTAL_LABEL, ID_LABEL = "kcloud.local/portal", "kcloud.local/environment-id"
# Pods in namespaces with this label may connect: the gateways that bring traffic in.
GATEWAY_LABEL = "kcloud.local/gateway"
ACCOUNT = "kcloud-portal"
QUOTA, LIMITS, DENY, OPENINGS = "kcloud-share", "kcloud-defaults", "kcloud-default-deny", "kcloud-openings"

_RBAC, _NETWORK = "rbac.authorization.k8s.io/v1", "networking.k8s.io/v1"
_GPU = "requests.nvidia.com/gpu"
_LOOK = ["get", "list", "watch"]
_ALL = [*_LOOK, "create", "update", "patch", "delete", "deletecollection"]
# A container that does not say gets these, or the whole share where that is less.
_CPU_REQUEST, _MEMORY_REQUEST, _MEMORY_LIMIT = 100, 128 * 2**20, 256 * 2**20


@dataclass(frozen=True)
class EnvironmentSpec:
    """What should be. `frozen_pods`: how many pods may be there while it is frozen; None while it is not."""

    id: int
    portal: str
    tenant: str
    name: str
    stage: str
    namespace: str
    share: Resources
    frozen_pods: int | None = None

    @property
    def is_frozen(self) -> bool:
        return self.frozen_pods is not None


def objects(spec: EnvironmentSpec) -> list[Object]:
    """Everything to apply, in order."""
    return [
        namespace(spec),
        quota(spec),
        limits(spec),
        *network_policies(spec),
        *accounts(spec),
        role(spec),
        binding(spec),
    ]


def namespace(spec: EnvironmentSpec) -> Object:
    """The namespace. Pods that ask for more than Pod Security's "restricted" are refused."""
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": spec.namespace, "labels": {**labels(spec), **levels}},
    }


def labels(spec: EnvironmentSpec) -> dict[str, str]:
    """On every object of ours."""
    return {
        MANAGED_BY[0]: MANAGED_BY[1],
        TENANT_LABEL: spec.tenant,
        NAME_LABEL: spec.name,
        PORTAL_LABEL: spec.portal,
        ID_LABEL: str(spec.id),
    }


def is_ours(found: Object, spec: EnvironmentSpec) -> bool:
    """Whether a namespace that is there was made for this environment by this portal."""
    has = (found.get("metadata") or {}).get("labels") or {}
    return all(has.get(key) == value for key, value in labels(spec).items())


def quota(spec: EnvironmentSpec) -> Object:
    """The share. Memory is limited, too, because it cannot be taken back; unused processors are anybody's."""
    share = spec.share
    pods = share.pods if spec.frozen_pods is None else min(share.pods, spec.frozen_pods)
    hard = {
        "requests.cpu": f"{share.cpu}m",
        "requests.memory": str(share.memory),
        "limits.memory": str(share.memory),
        "requests.storage": str(share.storage),
        "pods": str(pods),
        _GPU: str(share.gpus),
    }
    return _object(spec, "v1", "ResourceQuota", QUOTA, {"spec": {"hard": hard}})


def limits(spec: EnvironmentSpec) -> Object:
    """What a container gets that does not say what it needs: without it the quota would refuse it."""
    share = spec.share
    request = {
        "cpu": f"{min(_CPU_REQUEST, share.cpu)}m",
        "memory": str(min(_MEMORY_REQUEST, share.memory)),
    }
    item = {
        "type": "Container",
        "default": {"memory": str(min(_MEMORY_LIMIT, share.memory))},
        "defaultRequest": request,
    }
    return _object(spec, "v1", "LimitRange", LIMITS, {"spec": {"limits": [item]}})


def network_policies(spec: EnvironmentSpec) -> list[Object]:
    """Nothing in, nothing out; then the openings: the namespace's own traffic, DNS, and gateways in."""
    inside: Object = {"podSelector": {}}
    gateways = {"namespaceSelector": {"matchLabels": {GATEWAY_LABEL: "true"}}}
    dns = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": DNS_NAMESPACE}},
        "podSelector": {"matchLabels": dict(DNS_LABELS)},
    }
    # A policy sees the pod's own port, behind the Service's, and not every DNS listens on 53.
    numbers = sorted({53, DNS_POD_PORT})
    ports = [{"protocol": protocol, "port": port} for protocol in ("UDP", "TCP") for port in numbers]
    openings = {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [dict(inside), gateways]}],
        "egress": [{"to": [dict(inside)]}, {"to": [dns], "ports": ports}],
    }
    return [
        _object(
            spec,
            _NETWORK,
            "NetworkPolicy",
            DENY,
            {"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}},
        ),
        _object(spec, _NETWORK, "NetworkPolicy", OPENINGS, {"spec": openings}),
    ]


def accounts(spec: EnvironmentSpec) -> list[Object]:
    """The portal's account, and the default one: neither gives its token to a pod by itself."""
    names = (ACCOUNT, "default")
    return [
        _object(spec, "v1", "ServiceAccount", name, {"automountServiceAccountToken": False}) for name in names
    ]


def role(spec: EnvironmentSpec) -> Object:
    """What the portal may do in the namespace, and nowhere else; only look while it is frozen.

    Limits, walls, accounts and roles are not in it: the portal's account cannot widen its own rights."""
    rules = [rule for rule in _rules() if not spec.is_frozen or rule["resources"] != ["pods/exec"]]
    if spec.is_frozen:
        rules = [{**rule, "verbs": [verb for verb in rule["verbs"] if verb in _LOOK]} for rule in rules]
    return _object(spec, _RBAC, "Role", ACCOUNT, {"rules": rules})


def binding(spec: EnvironmentSpec) -> Object:
    """The role for the account."""
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": spec.namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT}
    return _object(spec, _RBAC, "RoleBinding", ACCOUNT, {"subjects": [subject], "roleRef": reference})


def _rules() -> list[Object]:
    return [
        _rule("", ["pods", "configmaps", "secrets", "services", "persistentvolumeclaims"], _ALL),
        _rule("", ["pods/log"], ["get"]),
        _rule("", ["pods/exec"], ["create", "get"]),
        _rule("", ["events", "endpoints", "resourcequotas", "limitranges", "serviceaccounts"], _LOOK),
        _rule("apps", ["deployments", "statefulsets", "daemonsets"], _ALL),
        _rule("apps", ["deployments/scale", "statefulsets/scale"], ["get", "update", "patch"]),
        _rule("apps", ["replicasets", "controllerrevisions"], _LOOK),
        _rule("batch", ["jobs", "cronjobs"], _ALL),
        _rule("networking.k8s.io", ["ingresses"], _ALL),
        _rule("networking.k8s.io", ["networkpolicies"], _LOOK),
        _rule("discovery.k8s.io", ["endpointslices"], _LOOK),
        _rule("events.k8s.io", ["events"], _LOOK),
        _rule("metrics.k8s.io", ["pods"], _LOOK),
    ]


def _rule(group: str, resources: list[str], verbs: list[str]) -> Object:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}


def _object(spec: EnvironmentSpec, version: str, kind: str, name: str, content: Object) -> Object:
    metadata = {"name": name, "namespace": spec.namespace, "labels": labels(spec)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}
