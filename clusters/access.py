"""Hands out what reaches a cluster or a host: the one place that opens their secrets for use.

`ssh_for(host)` is how to reach a host (clusters.adapters.ssh checks its recorded key).
`kubernetes_for(cluster)` keeps one client per cluster and process; it is made anew when the cluster's
access or its addresses have changed. `kubernetes_for(environment)` acts as the environment's own account, which may do
nothing outside its namespace. Raises ClusterUnreachable when there is no access yet, or none any more;
SecretUnreadable when the master key is another one.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
from datetime import datetime
from urllib.parse import urlsplit

from django.utils import timezone
from django.utils.translation import gettext as _

from clusters.adapters.kubernetes import KubernetesClient, SignIn
from clusters.adapters.ssh import SshTarget
from clusters.errors import ClusterUnreachable
from clusters.kubeconfigs import kubeconfig
from clusters.kubeconfigs.certificates_pem import certificate_end
from clusters.models import Cluster, ClusterSecret, Credential, Environment, FencingMethod, Host
from kcloud_site.outbound.addresses import Address, AddressRule
from kcloud_site.outbound.connections import own_networks
from kcloud_site.tenants import encryption

ADMIN_KUBECONFIG = "admin.kubeconfig"

_clients: dict[tuple[int, str], tuple[str, KubernetesClient]] = {}
_guard = threading.Lock()


def kubernetes_for(place: Cluster | Environment, *, timeout: float = 10.0) -> KubernetesClient:
    """The client of a cluster, or of an environment with its own account; shared in this process. `timeout` bounds
    each answer in seconds. Do not close it."""
    if isinstance(place, Environment):
        key = (place.cluster_id, f"environment {place.pk} {timeout}")
        return _shared(key, place.cluster, _secret(place.cluster), timeout, token=_token(place))
    return _shared((place.pk, str(timeout)), place, _secret(place), timeout)


def open_kubernetes(cluster: Cluster, *, timeout: float = 5.0) -> KubernetesClient:
    """A client of the caller's own, to be closed by it: for watches, which end by closing."""
    return _client(cluster, _secret(cluster), timeout)


def kubernetes_each(cluster: Cluster, *, timeout: float = 10.0) -> dict[str, KubernetesClient]:
    """A client for each single endpoint, to ask every API server about itself. Shared, like
    `kubernetes_for`."""
    secret = _secret(cluster)
    found = {}
    for url in cluster.endpoints:
        one = Cluster(
            pk=cluster.pk, origin=cluster.origin, allow_internal=cluster.allow_internal, endpoints=[url]
        )
        found[str(url)] = _shared((cluster.pk, f"{url} {timeout}"), one, secret, timeout)
    return found


def ssh_for(host: Host) -> SshTarget:
    """How to sign in to the host. Asks the database for the credential unless it came with the host."""
    credential = host.credential
    secret = reveal_for_use(credential).decode()
    is_key = credential.kind == Credential.Kind.SSH_KEY
    return SshTarget(
        name=host.name,
        address=host.address,
        port=host.ssh_port,
        username=credential.username,
        private_key=secret if is_key else "",
        password="" if is_key else secret,
        host_key=host.host_key,
    )


def reveal_for_use(credential: Credential) -> bytes:
    """The key or password itself: for adapters, at the moment of use, nowhere else. Raises
    SecretUnreadable."""
    return encryption.unseal(bytes(credential.sealed_secret), identity=credential_identity(credential.name))


def credential_identity(name: str) -> str:
    """What a credential's secret is sealed for."""
    return f"clusters.Credential:{name}:secret"


def fencing_secret(method: FencingMethod) -> str:
    """What the program that powers off signs in with, at the moment of use; empty: nothing."""
    sealed = bytes(method.sealed_secret)
    return encryption.unseal(sealed, identity=fencing_identity(method)).decode() if sealed else ""


def fencing_identity(method: FencingMethod) -> str:
    """What the secret of a way to power off is sealed for."""
    return f"clusters.FencingMethod:{method.target}"


def forget(cluster_pk: int) -> None:
    """Close and drop the clients of a cluster that is gone."""
    with _guard:
        gone = [_clients.pop(key)[1] for key in list(_clients) if key[0] == cluster_pk]
    for client in gone:
        client.close()


def address_rule(cluster: Cluster) -> AddressRule:
    """Where the portal may connect for this cluster. The endpoints of a cluster we deployed are hosts an
    operator enrolled; an imported one names its own, so they are judged."""
    if cluster.origin == Cluster.Origin.DEPLOYED:
        return AddressRule(
            known=frozenset(_literal_addresses(cluster.endpoints)), own_networks=own_networks()
        )
    return AddressRule(allow_internal=cluster.allow_internal, own_networks=own_networks())


def sign_in_of(config: kubeconfig.Kubeconfig) -> SignIn:
    """What the adapter needs of a parsed kubeconfig."""
    return SignIn(
        certificate_authority=config.certificate_authority,
        certificate=config.client_certificate,
        key=config.client_key,
        token=config.token,
    )


def certificate_ends(cluster: Cluster) -> list[tuple[str, datetime]]:
    """When each stored certificate of the cluster ends, soonest first. Authorities' keys stay closed."""
    found = []
    for secret in ClusterSecret.objects.filter(cluster=cluster, name__endswith=".crt"):
        identity = f"clusters.ClusterSecret:{cluster.pk}:{secret.name}"
        end = certificate_end(encryption.unseal(bytes(secret.sealed), identity=identity))
        if end is not None:
            found.append((secret.name.removesuffix(".crt"), end))
    return sorted(found, key=lambda each: each[1])


def token_identity(environment: Environment) -> str:
    """What the token of an environment's account is sealed for."""
    return f"clusters.Environment:{environment.pk}:token"


def _token(environment: Environment) -> str:
    ends = environment.token_ends_at
    if not environment.sealed_token or ends is None or ends <= timezone.now():
        raise ClusterUnreachable(
            _("The portal has no valid access to environment %(name)s.") % {"name": environment.namespace},
            _("Its account's token has ended.") if ends else _("Its account has no token yet."),
            _("Wait until the environment is ready, or repair it: the portal then asks for a new one."),
        )
    sealed = bytes(environment.sealed_token)
    return encryption.unseal(sealed, identity=token_identity(environment)).decode()


def _shared(
    key: tuple[int, str], cluster: Cluster, secret: bytes, timeout: float, *, token: str = ""
) -> KubernetesClient:
    stamp = _stamp(cluster, secret + token.encode())
    with _guard:
        kept = _clients.get(key)
        if kept and kept[0] == stamp:
            return kept[1]
        client = _client(cluster, secret, timeout, token)
        _clients[key] = (stamp, client)
    if kept:
        kept[1].close()
    return client


def _secret(cluster: Cluster) -> bytes:
    found = ClusterSecret.objects.filter(cluster=cluster, name=ADMIN_KUBECONFIG)
    sealed = found.values_list("sealed", flat=True).first()
    if sealed is None:
        raise ClusterUnreachable(
            _("The portal has no access to cluster %(name)s yet.") % {"name": cluster.name},
            "",
            _("Deploy the cluster, or import it by its kubeconfig."),
        )
    return bytes(sealed)


def _client(cluster: Cluster, sealed: bytes, timeout: float, token: str = "") -> KubernetesClient:
    """With a token: the same cluster, signed in to by that alone."""
    identity = f"clusters.ClusterSecret:{cluster.pk}:{ADMIN_KUBECONFIG}"
    config = kubeconfig.parse(encryption.unseal(sealed, identity=identity))
    endpoints = [str(url) for url in cluster.endpoints] or [config.server]
    sign_in = SignIn(config.certificate_authority, token=token) if token else sign_in_of(config)
    return KubernetesClient(endpoints, sign_in, address_rule(cluster), timeout=timeout)


def _stamp(cluster: Cluster, sealed: bytes) -> str:
    facts = f"{cluster.endpoints}|{cluster.allow_internal}|{cluster.origin}|".encode()
    return hashlib.sha256(facts + sealed).hexdigest()


def _literal_addresses(endpoints: list[str]) -> list[Address]:
    found: list[Address] = []
    for url in endpoints:
        try:
            found.append(ipaddress.ip_address((urlsplit(url).hostname or "").strip("[]")))
        except ValueError:
            continue
    return found
