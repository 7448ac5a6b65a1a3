"""The cluster's DNS: two CoreDNS pods spread over nodes, behind the tenth address of the service network. Pure."""

from __future__ import annotations

from typing import Any

NAMESPACE = "kube-system"
DEPLOYMENT_PATH = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/coredns"
LABELS = {"k8s-app": "kube-dns"}
# Not a higher one behind the Service: policies see the pod's own port, and people who open the DNS write 53.
PORT = 53
Object = dict[str, Any]


def objects(*, image: str, domain: str, address: str, replicas: int) -> list[Object]:
    """Everything to apply, in order. `image` from the release bundle, `address` the DNS service's."""
    return [*_rights(), _configuration(domain), _deployment(image, replicas), _service(address)]


def corefile(domain: str) -> str:
    """No `forward`: nodes reach nothing outside, and a name that is not ours gets an answer at once."""
    return f""".:{PORT} {{
    errors
    health {{
        lameduck 5s
    }}
    ready
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        pods insecure
        ttl 5
    }}
    prometheus :9153
    cache 30
    loadbalance
}}
"""


def _rights() -> list[Object]:
    account = {"kind": "ServiceAccount", "name": "coredns", "namespace": NAMESPACE}
    rules = [
        {
            "apiGroups": [""],
            "resources": ["endpoints", "services", "pods", "namespaces"],
            "verbs": ["list", "watch"],
        },
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "coredns", "namespace": NAMESPACE},
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": rules,
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "system:coredns"},
            "subjects": [account],
        },
    ]


def _configuration(domain: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "coredns", "namespace": NAMESPACE},
        "data": {"Corefile": corefile(domain)},
    }


def _deployment(image: str, replicas: int) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "coredns", "namespace": NAMESPACE, "labels": LABELS},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": _pod(image)},
        },
    }


def _pod(image: str) -> Object:
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": LABELS},
    }
    return {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        # DNS is for pools with taints, too: it runs wherever there is a node.
        "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
        "topologySpreadConstraints": [spread],
        "dnsPolicy": "Default",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
            # In this pod alone its port needs no privilege.
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": str(PORT)}],
        },
        "containers": [_container(image)],
        "volumes": [{"name": "configuration", "configMap": {"name": "coredns"}}],
    }


def _container(image: str) -> Object:
    return {
        "name": "coredns",
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {"limits": {"memory": "170Mi"}, "requests": {"cpu": "50m", "memory": "40Mi"}},
        "ports": [
            {"containerPort": PORT, "protocol": "UDP", "name": "dns"},
            {"containerPort": PORT, "protocol": "TCP", "name": "dns-tcp"},
            {"containerPort": 9153, "protocol": "TCP", "name": "metrics"},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "livenessProbe": {
            "httpGet": {"path": "/health", "port": 8080},
            "initialDelaySeconds": 30,
            "failureThreshold": 5,
        },
        "volumeMounts": [{"name": "configuration", "mountPath": "/etc/coredns", "readOnly": True}],
    }


def _service(address: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": NAMESPACE, "labels": LABELS},
        "spec": {
            "clusterIP": address,
            "selector": LABELS,
            "ports": [
                {"name": "dns", "port": 53, "targetPort": PORT, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "targetPort": PORT, "protocol": "TCP"},
            ],
        },
    }
