"""Reads a kubeconfig that somebody else wrote, and writes ours. Pure: no file, no process, no socket, no
Django.

A kubeconfig can order a client to run programs, read files and go through proxies. This reader takes
exactly the server's address, its authority, and a token or a client certificate with its key; it walks
the YAML's events itself, so no loader, tag, alias or duplicate key has any effect. Everything else is
refused by name: KubeconfigRefused, and nothing but that, for whatever bytes come in.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from clusters.errors import KubeconfigRefused
from clusters.kubeconfigs import certificates_pem as pem
from clusters.kubeconfigs import yaml_tree
from clusters.kubeconfigs.rules import refuse
from clusters.kubeconfigs.server_url import check_server, literal_address
from kcloud_site.outbound.addresses import AddressRule, refusal

MAX_BYTES = 64 * 1024
MAX_TOKEN = 16 * 1024

_TOP = {"apiVersion", "kind", "preferences", "clusters", "contexts", "users", "current-context"}
_CLUSTER = {"server", "certificate-authority-data"}
_USER = {"token", "client-certificate-data", "client-key-data"}
_CONTEXT = {"cluster", "user", "namespace"}
# Keys that are known and dangerous: each has a reason of its own.
_FORBIDDEN = {
    "exec": "exec",
    "auth-provider": "auth-provider",
    "certificate-authority": "path",
    "client-certificate": "path",
    "client-key": "path",
    "tokenFile": "path",
    "proxy-url": "proxy",
    "insecure-skip-tls-verify": "insecure",
    "as": "impersonation",
    "as-uid": "impersonation",
    "as-groups": "impersonation",
    "as-user-extra": "impersonation",
    "username": "password",
    "password": "password",
}

Tree = Mapping[str, object]


@dataclass(frozen=True, repr=False)
class Kubeconfig:
    """What was taken: PEM as bytes, re-encoded from what was understood. `name` is the context's."""

    name: str
    server: str
    certificate_authority: bytes
    client_certificate: bytes = b""
    client_key: bytes = b""
    token: str = ""


def parse(data: bytes | str) -> Kubeconfig:
    """The kubeconfig's current context. Raises KubeconfigRefused with the rule, the place and the remedy."""
    tree = yaml_tree.read(_text(data), refuse)
    _check_keys(tree, _TOP, "")
    if tree.get("kind") != "Config" or tree.get("apiVersion") != "v1":
        raise refuse("not-a-kubeconfig", "kind")
    preferences = tree.get("preferences", {})
    if preferences != {}:
        raise refuse("unknown-key", "preferences", key="preferences")
    clusters = _entries(tree, "clusters", "cluster", _CLUSTER)
    users = _entries(tree, "users", "user", _USER)
    contexts = _entries(tree, "contexts", "context", _CONTEXT)
    name = _string(tree, "current-context", "")
    if not name:
        raise refuse("no-current-context", "current-context")
    context = _named(contexts, name, "contexts", "current-context")
    place = f"contexts[{name}].context"
    cluster_name, user_name = _string(context, "cluster", place), _string(context, "user", place)
    cluster = _named(clusters, cluster_name, "clusters", f"{place}.cluster")
    user = _named(users, user_name, "users", f"{place}.user")
    return _assemble(name, cluster, f"clusters[{cluster_name}].cluster", user, f"users[{user_name}].user")


def check_address(config: Kubeconfig, rule: AddressRule) -> None:
    """Refuse an address written out in the server's URL that the rule forbids. A DNS name is judged when it
    is resolved, at every connect (clusters.adapters.connections)."""
    address = literal_address(config.server)
    reason = refusal(address, rule) if address else ""
    if reason:
        raise refuse("internal-address", "server", address=str(address), reason=reason)


def render(config: Kubeconfig) -> str:
    """A kubeconfig in our own words, readable by kubectl. Every value is quoted or base64."""
    user = (
        {"token": yaml_tree.quoted(config.token)}
        if config.token
        else {
            "client-certificate-data": _encode(config.client_certificate),
            "client-key-data": _encode(config.client_key),
        }
    )
    name = yaml_tree.quoted(config.name)
    lines = [
        "apiVersion: v1",
        "kind: Config",
        "clusters:",
        f"- name: {name}",
        "  cluster:",
        f"    server: {yaml_tree.quoted(config.server)}",
        f"    certificate-authority-data: {_encode(config.certificate_authority)}",
        "users:",
        f"- name: {name}",
        "  user:",
        *(f"    {key}: {value}" for key, value in user.items()),
        "contexts:",
        f"- name: {name}",
        "  context:",
        f"    cluster: {name}",
        f"    user: {name}",
        f"current-context: {name}",
    ]
    return "\n".join(lines) + "\n"


def _text(data: bytes | str) -> str:
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    if len(data) > MAX_BYTES:
        raise refuse("too-large", "", limit=MAX_BYTES // 1024)
    if b"\0" in data:
        raise refuse("nul", "")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse("not-utf8", "", byte=error.start) from error
    if not text.strip():
        raise refuse("empty", "")
    return text


def _assemble(name: str, cluster: Tree, cluster_place: str, user: Tree, user_place: str) -> Kubeconfig:
    server = _string(cluster, "server", cluster_place)
    if not server:
        raise refuse("no-server", f"{cluster_place}.server")
    check_server(server, f"{cluster_place}.server", refuse)
    authority = _decoded(cluster, "certificate-authority-data", cluster_place)
    if not authority:
        raise refuse("no-authority", f"{cluster_place}.certificate-authority-data")
    certificates = pem.certificates(authority, f"{cluster_place}.certificate-authority-data", refuse)
    token, certificate, key = _sign_in(user, user_place)
    return Kubeconfig(name, server, certificates, certificate, key, token)


def _sign_in(user: Tree, place: str) -> tuple[str, bytes, bytes]:
    token = _string(user, "token", place)
    certificate = _decoded(user, "client-certificate-data", place)
    key = _decoded(user, "client-key-data", place)
    if token and (certificate or key):
        raise refuse("two-sign-ins", place)
    if token:
        if len(token) > MAX_TOKEN or not all("!" <= letter <= "~" for letter in token):
            raise refuse("bad-token", f"{place}.token")
        return token, b"", b""
    if not certificate and not key:
        raise refuse("no-sign-in", place)
    if not certificate:
        raise refuse("no-certificate", f"{place}.client-certificate-data")
    if not key:
        raise refuse("no-key", f"{place}.client-key-data")
    return "", *pem.pair(certificate, key, place, refuse)


def _entries(tree: Tree, plural: str, singular: str, allowed: set[str]) -> dict[str, Tree]:
    """The named entries of one list, every key of every entry checked, chosen or not."""
    rows = tree.get(plural)
    if not isinstance(rows, list):
        raise refuse("wrong-shape", plural, key=plural)
    found: dict[str, Tree] = {}
    for number, row in enumerate(rows):
        place = f"{plural}[{number}]"
        if not isinstance(row, dict):
            raise refuse("wrong-shape", place, key=plural)
        _check_keys(row, {"name", singular}, place)
        name, content = _string(row, "name", place), row.get(singular)
        if not name or not isinstance(content, dict):
            raise refuse("wrong-shape", place, key=plural)
        if name in found:
            raise refuse("duplicate-name", f"{place}.name", name=name)
        _check_keys(content, allowed, f"{plural}[{name}].{singular}")
        found[name] = content
    return found


def _check_keys(tree: Tree, allowed: set[str], place: str) -> None:
    for key in tree:
        where = f"{place}.{key}".lstrip(".")
        if key in _FORBIDDEN and key not in allowed:
            raise refuse(_FORBIDDEN[key], where, key=key)
        if key not in allowed:
            raise refuse("unknown-key", where, key=key[:60])


def _named(entries: dict[str, Tree], name: str, plural: str, place: str) -> Tree:
    if name not in entries:
        raise refuse("dangling", place, name=name[:60], list=plural)
    return entries[name]


def _string(tree: Tree, key: str, place: str) -> str:
    value = tree.get(key, "")
    if not isinstance(value, str):
        raise refuse("wrong-shape", f"{place}.{key}".lstrip("."), key=key)
    return value


def _decoded(tree: Tree, key: str, place: str) -> bytes:
    text = "".join(_string(tree, key, place).split())
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise refuse("bad-base64", f"{place}.{key}", key=key) from error


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


__all__ = ["MAX_BYTES", "Kubeconfig", "KubeconfigRefused", "parse", "render"]
