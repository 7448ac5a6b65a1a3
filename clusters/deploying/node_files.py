"""Which secret goes to which host in which step, as files. Pure.

A host gets what it needs and nothing else: authority keys stay on the portal, a worker never sees the store's
certificates. Paths are the same on every host, so unit files differ only in addresses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from clusters.deploying import node_registries
from clusters.deploying.inventory import API_PORT, Deployment, Member, service_address, workers_api
from clusters.deploying.log_store import LogStoreAddress
from clusters.deploying.node_registries import NodeRegistry
from clusters.deploying.pki import ENCRYPTION_KEY, KeyPair, Layout, kubeconfig
from clusters.deploying.pki import Member as PkiMember
from clusters.manifests import log_shipping, network_policy

PKI = "/etc/kubernetes/pki"
SHIPPER = "/etc/kubernetes/log-shipper"
LOCAL_API = f"https://127.0.0.1:{API_PORT}"
Secrets = Mapping[str, bytes]
File = dict[str, Any]


def layout(deployment: Deployment) -> Layout:
    """What the certificates of this deployment depend on."""
    return Layout(
        masters=tuple(PkiMember(member.name, member.address) for member in deployment.masters),
        workers=tuple(PkiMember(member.name, member.address) for member in deployment.workers),
        service_address=service_address(deployment.spec.network.service_cidr, 1),
        domain=deployment.spec.network.dns_domain,
    )


def files(
    step: str,
    deployment: Deployment,
    member: Member,
    secrets: Secrets,
    registries: Sequence[NodeRegistry] = (),
) -> list[File]:
    """Files of this cluster alone for one host in one step; empty when the step needs none there."""
    if step == "runtime":
        return [file for registry in registries for file in node_registries.files(registry)]
    makers = {
        "store": _store,
        "control": _control,
        "api": _api,
        "scheduler": _scheduler,
        "agent": _agent,
        "balancer": _balancer,
        "network": _network,
    }
    return makers[step](deployment, member, secrets) if step in makers else []


def _public(name: str, content: bytes) -> File:
    return {"path": f"{PKI}/{name}", "content": content.decode(), "mode": "0644"}


def _secret(path: str, content: bytes) -> File:
    return {"path": path, "secret_content": content.decode(), "mode": "0600"}


def _pair(name: str, secrets: Secrets, stored: str = "") -> list[File]:
    stored = stored or name
    return [
        _public(f"{name}.crt", secrets[f"{stored}.crt"]),
        _secret(f"{PKI}/{name}.key", secrets[f"{stored}.key"]),
    ]


def _kubeconfig(name: str, user: str, server: str, secrets: Secrets, stored: str = "") -> File:
    stored = stored or name
    pair = KeyPair(secrets[f"{stored}.crt"], secrets[f"{stored}.key"])
    text = kubeconfig(server, secrets["ca.crt"], pair, user=user)
    return _secret(f"/etc/kubernetes/{name}.conf", text.encode())


def _store(_deployment: Deployment, member: Member, secrets: Secrets) -> list[File]:
    authority = _public("etcd-ca.crt", secrets["etcd-ca.crt"])
    return [authority, *_pair("etcd", secrets, f"etcd-{member.name}"), *_pair("etcd-client", secrets)]


def _control(_deployment: Deployment, _member: Member, secrets: Secrets) -> list[File]:
    user = "system:kube-controller-manager"
    return [
        _public("ca.crt", secrets["ca.crt"]),
        _secret(f"{PKI}/sa.key", secrets["sa.key"]),
        _kubeconfig("controller-manager", user, LOCAL_API, secrets),
    ]


def _api(_deployment: Deployment, _member: Member, secrets: Secrets) -> list[File]:
    pairs = ("apiserver", "apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client")
    return [
        _public("ca.crt", secrets["ca.crt"]),
        _public("front-proxy-ca.crt", secrets["front-proxy-ca.crt"]),
        _public("sa.pub", secrets["sa.pub"]),
        _secret(f"{PKI}/sa.key", secrets["sa.key"]),
        *(file for name in pairs for file in _pair(name, secrets)),
        _secret("/etc/kubernetes/encryption.json", encryption(secrets[ENCRYPTION_KEY])),
    ]


def encryption(key: bytes) -> bytes:
    """Kubernetes' own Secrets are ciphertext in the store; `identity` last reads what was written before."""
    provider = {"secretbox": {"keys": [{"name": "key1", "secret": key.decode()}]}}
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": [provider, {"identity": {}}]}],
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def _scheduler(_deployment: Deployment, _member: Member, secrets: Secrets) -> list[File]:
    return [_kubeconfig("scheduler", "system:kube-scheduler", LOCAL_API, secrets)]


def _agent(deployment: Deployment, member: Member, secrets: Secrets) -> list[File]:
    stored, user = f"kubelet-{member.name}", f"system:node:{member.name}"
    return [
        _public("ca.crt", secrets["ca.crt"]),
        *_pair("kubelet", secrets, stored),
        _kubeconfig("kubelet", user, workers_api(deployment), secrets, stored),
    ]


def _balancer(deployment: Deployment, _member: Member, secrets: Secrets) -> list[File]:
    return [_kubeconfig("kube-proxy", "system:kube-proxy", workers_api(deployment), secrets)]


def _network(deployment: Deployment, member: Member, secrets: Secrets) -> list[File]:
    if member.role != "worker":
        return []
    return [_kubeconfig("network-policy", network_policy.USER, workers_api(deployment), secrets)]


def log_shipper_files(deployment: Deployment, secrets: Secrets, store: LogStoreAddress) -> list[File]:
    """Files of the log shipper on a worker: its account in the cluster, and how it signs in to the store."""
    files = [_kubeconfig("log-shipper", log_shipping.USER, workers_api(deployment), secrets)]
    if store.user:
        files.append(_secret(f"{SHIPPER}.password", store.password.encode()))
    if store.authority:
        files.append(_secret(f"{SHIPPER}-store.crt", store.authority))
    return files


def log_shipper_variables(store: LogStoreAddress | None) -> dict[str, Any]:
    """What its unit says; {} when there shall be none. `credentials`: what the service manager hands on."""
    if store is None:
        return {}
    credentials = [{"key": "kubeconfig", "path": f"{SHIPPER}.conf"}]
    if store.user:
        credentials.append({"key": "password", "path": f"{SHIPPER}.password"})
    if store.authority:
        credentials.append({"key": "store.crt", "path": f"{SHIPPER}-store.crt"})
    return {
        "url": store.inserting,
        "user": store.user,
        "has_authority": bool(store.authority),
        "credentials": credentials,
    }
