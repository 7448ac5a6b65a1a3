"""Applications that do not work, each for a reason of its own: what the doctor is tried on.

`CASES` names each with what makes it and the codes it must be given. Images are the bundle's own: the sample, and
CoreDNS as a program that reads configuration, looks up names and speaks TLS.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from clusters.bundle import catalogue
from clusters.manifests.workload_labels import APP_LABEL

HELLO, DNS = "kcloud.local/hello:1", f"kcloud.local/coredns:{catalogue.COREDNS}"
ROOT_IMAGE = "kcloud.local/as-root:1"
# On each node's own loopback, which the runtime speaks plain HTTP to: a registry that says no, and nobody.
REGISTRY, NOBODY = "127.0.0.1:5000", "127.0.0.1:5999"
# Answers 401 to what is private, 404 to the rest.
REGISTRY_PROGRAM = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Registry(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/v2/" else 401 if "private" in self.path else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_HEAD = do_GET
HTTPServer(("127.0.0.1", 5000), Registry).serve_forever()
"""
TAINT = {"key": "dedicated", "value": "billing", "effect": "NoSchedule"}
TOLERATION = {"key": "dedicated", "operator": "Exists"}
FINALIZER = "test.kcloud.local/hold"
HOST = "kubernetes.io/hostname"


@dataclass(frozen=True)
class Trouble:
    """One application; `codes` is what the doctor has to say, no more and no less."""

    name: str
    codes: tuple[str, ...]
    objects: tuple[dict, ...] = field(default=(), repr=False)


def container(image=HELLO, **values):
    """A container as environments allow it."""
    return {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **values,
    }


def deployment(name, main=None, replicas=1, **pod):
    """A Deployment as the portal labels it."""
    labels = {APP_LABEL: name}
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [main or container()],
        **pod,
    }
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def service(name, target=8080, selector=None, port=80):
    """A Service of the application of that name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {APP_LABEL: name}},
        "spec": {
            "selector": selector or {APP_LABEL: name},
            "ports": [{"name": "http", "port": port, "targetPort": target}],
        },
    }


def data(kind, name, **content):
    """A ConfigMap or Secret."""
    key = "stringData" if kind == "Secret" else "data"
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, key: content}


def http(path="/nothing", port=8080, **values):
    """A probe by HTTP."""
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": 1, "failureThreshold": 2, **values}


def asks(kind, name, key):
    """A variable from a ConfigMap or Secret."""
    return [{"name": "VALUE", "valueFrom": {f"{kind}KeyRef": {"name": name, "key": key}}}]


def wants(**requests):
    """A container that asks for that much."""
    limits = {"memory": requests.get("memory", "64Mi")}
    return container(resources={"requests": {"cpu": "5m", "memory": "8Mi", **requests}, "limits": limits})


def corefile(name, text, **pod):
    """CoreDNS with that configuration."""
    main = container(
        DNS,
        args=["-conf", "/config/Corefile"],
        volumeMounts=[{"name": "config", "mountPath": "/config"}, *pod.pop("mounts", [])],
        resources={"requests": {"cpu": "5m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
    )
    volumes = [{"name": "config", "configMap": {"name": f"{name}-config"}}, *pod.pop("volumes", [])]
    return data("ConfigMap", f"{name}-config", Corefile=text), deployment(name, main, volumes=volumes)


def own_certificate(name):
    """A certificate nobody signed but itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()


def api_client(endpoint):
    """CoreDNS's configuration to serve names from an API server at that address."""
    return f".:1053 {{\n errors\n kubernetes cluster.local {{\n  endpoint {endpoint}\n }}\n}}\n"


def secure_server(name):
    """DNS over HTTPS with a certificate nobody trusts, and its Service."""
    certificate, key = own_certificate(name)
    text = "https://.:8443 {\n tls /certs/tls.crt /certs/tls.key\n whoami\n}\n"
    objects = corefile(
        name,
        text,
        mounts=[{"name": "certs", "mountPath": "/certs"}],
        volumes=[{"name": "certs", "secret": {"secretName": f"{name}-certs"}}],
    )
    secret = data("Secret", f"{name}-certs", **{"tls.crt": certificate, "tls.key": key})
    return (secret, *objects, service(name, 8443, port=443))


def claim(name, storage_class):
    """A volume asked for."""
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": spec,
    }


def on_claim(name, claim_name):
    """An application that mounts a claim."""
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": claim_name}}
    main = container(volumeMounts=[{"name": "data", "mountPath": "/data"}])
    return deployment(name, main, volumes=[volume])


def privileged():
    """What environments never run."""
    return container(securityContext={"privileged": True})


def rule(namespace):
    """A rule of the cluster's own: no application called "unwanted"."""
    name, kind = "no-unwanted", "admissionregistration.k8s.io/v1"
    check = f"!has(object.metadata.labels) || !('{APP_LABEL}' in object.metadata.labels) || " + (
        f"object.metadata.labels['{APP_LABEL}'] != 'unwanted'"
    )
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "validations": [{"expression": check, "message": "this application is not wanted here"}],
    }
    scope = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    return [
        {"apiVersion": kind, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec},
        {
            "apiVersion": kind,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": scope},
        },
    ]


def cases(first_master):
    """All that can be made at once; `first_master` is the address of an API server."""
    declared = {"ports": [{"name": "http", "containerPort": 8080}]}
    held = deployment("held")
    held["spec"]["template"]["metadata"]["finalizers"] = [FINALIZER]
    root = deployment("as-root", container(ROOT_IMAGE))
    del root["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
    fine = container(readinessProbe=http("/healthz"), **declared)
    asked = container(readinessProbe=http("/healthz", 9999), **declared)
    nobody = service("empty", selector={APP_LABEL: "nobody"})
    return [
        Trouble("fine", (), (deployment("fine", fine), service("fine"))),
        *_images(f"{first_master}:6443"),
        *_endings(),
        *_probes(declared),
        *_placement(),
        one("policy", "policy_refused", privileged()),
        one("unwanted", "admission_refused"),
        *_settings(),
        Trouble("as-root", ("root_refused",), (root,)),
        *_logs(),
        one("empty", "service_without_pods", None, nobody),
        one("target", "port_mismatch", container(**declared), service("target", 9999)),
        one("asked", "port_mismatch", asked),
        Trouble("held", ("termination_finalizers",), (held,)),
        _memory(),
    ]


def one(name, code, main=None, *others, **pod):
    """One Deployment, after what it needs, with one trouble."""
    return Trouble(name, (code,), (*others, deployment(name, main, **pod)))


def _images(untrusted):
    return [
        one("no-image", "image_not_found", container(f"{REGISTRY}/team/missing:1")),
        one("no-right", "image_denied", container(f"{REGISTRY}/private/web:1")),
        one("no-registry", "registry_down", container(f"{NOBODY}/team/web:1")),
        one("no-name", "image_bad_reference", container("Team//Web")),
        one("no-trust", "image_certificate", container(f"{untrusted}/team/web:1")),
        one("not-there", "image_not_on_node", container("kcloud.local/none:1", imagePullPolicy="Never")),
    ]


def dns_program(*arguments, limit="128Mi", **values):
    """CoreDNS without configuration."""
    room = {"requests": {"cpu": "5m", "memory": "8Mi"}, "limits": {"memory": limit}}
    return container(DNS, args=list(arguments), resources=room, **values)


def _endings():
    return [
        one("crash", "crash_loop", container(env=[{"name": "PORT", "value": "99999"}])),
        one("command", "command_not_found", container(command=["/nothing"])),
        one("no-program", "command_not_allowed", container(command=["/etc/passwd"])),
    ]


def _memory():
    """Takes a minute, so it is looked at last."""
    # Without a collector of garbage, each answer about its figures takes memory that never comes back.
    figures, greedy = corefile("memory", ".:1053 {\n prometheus :9153\n whoami\n}\n")
    (main,) = greedy["spec"]["template"]["spec"]["containers"]
    main |= {"env": [{"name": "GOGC", "value": "off"}], "readinessProbe": http("/metrics", 9153)}
    main["resources"]["limits"] = main["resources"]["requests"] = {"memory": "20Mi"}
    return Trouble("memory", ("out_of_memory",), (figures, greedy))


def _probes(declared):
    hangs = {"exec": {"command": ["/coredns", "-dns.port=1054"]}, "periodSeconds": 2, "timeoutSeconds": 1}
    slow = dns_program("-dns.port=1053", limit="256Mi", readinessProbe=hangs)
    unready = container(readinessProbe=http(), **declared)
    return [
        one("startup", "startup_failing", container(startupProbe=http(), **declared)),
        one("readiness", "readiness_failing", unready, service("readiness")),
        one("liveness", "liveness_failing", container(livenessProbe=http(), **declared)),
        one("slow", "probe_timeout", slow),
    ]


def _placement():
    return [
        one("cpu", "pending_resource", wants(cpu="500")),
        one("room", "pending_resource", wants(memory="500Gi")),
        one("taint", "pending_taint", nodeSelector={HOST: "x3"}),
        one("selector", "pending_selector", nodeSelector={"disk": "ssd"}),
        Trouble("unbound", ("pending_volume",), (claim("unbound", "fast"), on_claim("unbound", "unbound"))),
        Trouble("unclaimed", ("pending_volume",), (on_claim("unclaimed", "nowhere"),)),
        one("quota", "quota_exceeded", wants(memory="990Gi")),
    ]


def _settings():
    some = data("ConfigMap", "some", greeting="hello")
    mounts = container(volumeMounts=[{"name": "s", "mountPath": "/s"}])
    volume = {"name": "s", "secret": {"secretName": "nowhere"}}
    misspelt = container(env=asks("configMap", "some", "greetings"))
    return [
        one("key", "config_key_missing", misspelt, some),
        one("config", "config_missing", container(env=asks("configMap", "nowhere", "a"))),
        one("secret", "config_missing", mounts, volumes=[volume]),
    ]


def _logs():
    nowhere = "https://nowhere.default.svc.cluster.local:6443"
    sealed = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writes = dns_program("-dns.port=1053", "-pidfile", "/my.pid", securityContext=sealed)
    return [
        one("writes", "read_only_files", writes),
        one("low-port", "permission_denied", dns_program("-dns.port=53")),
        Trouble("lookup", ("dns",), corefile("lookup", api_client(nowhere))),
        Trouble("tls-server", (), secure_server("tls-server")),
        Trouble("tls", ("certificate",), corefile("tls", api_client("https://tls-server:443"))),
    ]


def lost(name, node):
    """An application on one node, whatever that is kept for."""
    return deployment(name, nodeSelector={HOST: node}, tolerations=[TOLERATION])


def encoded(text):
    """For a shell."""
    return base64.b64encode(text.encode()).decode()
