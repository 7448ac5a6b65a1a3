"""Taking over a running cluster by its kubeconfig: read, connect, look, then write everything or nothing.

The text is read by our own parser and goes nowhere else; what is kept is rendered anew from what was
understood, and sealed. Raises KubeconfigRefused, ValueRefused, AddressRefused, ClusterUnreachable,
ClusterRefused: nothing is written.
"""

from __future__ import annotations

import re
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from clusters.access import sign_in_of
from clusters.adapters.kubernetes import KubernetesClient
from clusters.errors import ClusterUnreachable, ValueRefused
from clusters.kubeconfigs import kubeconfig
from clusters.models import Cluster, Region
from clusters.observing.health import judge
from clusters.observing.nodes import NodeStatus, node_status
from clusters.planning.names import is_label, shown
from clusters.services import cluster_secrets, observation
from kcloud_site.audit import trail
from kcloud_site.outbound.addresses import AddressRule
from kcloud_site.outbound.connections import own_networks

ADMIN_KUBECONFIG = "admin.kubeconfig"
RESERVED = frozenset({"new", "import"})
LONGEST_NAME = 40
SECONDS = 8.0
_VERSION = re.compile(r"v?(\d{1,3}\.\d{1,3}\.\d{1,3})[0-9A-Za-z.+~-]{0,60}", re.ASCII)


def import_cluster(
    *, name: str, region: Region | None, text: str | bytes, allow_internal: bool, by: Any
) -> Cluster:
    """The imported cluster, READY, with its nodes as they were a moment ago."""
    _check_name(name)
    config = kubeconfig.parse(text)
    _check_new(config.server)
    rule = AddressRule(allow_internal=allow_internal, own_networks=own_networks())
    kubeconfig.check_address(config, rule)
    version, nodes = _look(config, rule)
    try:
        with transaction.atomic():
            return _write(name, region, config, allow_internal, version, nodes, by)
    except IntegrityError as error:
        raise _name_taken(name) from error


def _check_name(name: str) -> None:
    if not is_label(name, LONGEST_NAME) or name in RESERVED:
        raise ValueRefused(
            "name",
            _("“%(name)s” cannot be the name of a cluster.") % {"name": shown(name)},
            "",
            _("Use 1 to 40 lower case letters, digits and hyphens, but not “new” or “import”."),
        )
    if Cluster.objects.filter(name=name).exists():
        raise _name_taken(name)


def _name_taken(name: str) -> ValueRefused:
    what = _("There is a cluster called %(name)s already.") % {"name": name}
    return ValueRefused("name", what, "", _("Choose another name."))


def _check_new(server: str) -> None:
    """The same API server twice would be two clusters that undo each other's work."""
    for name, endpoints in Cluster.objects.values_list("name", "endpoints"):
        if server.rstrip("/") in [str(url).rstrip("/") for url in endpoints]:
            raise ValueRefused(
                "kubeconfig",
                _("This API server is cluster %(name)s already.") % {"name": name},
                _("Its address is %(server)s.") % {"server": server},
                _("Open that cluster, or give the kubeconfig of another one."),
            )


def _look(config: kubeconfig.Kubeconfig, rule: AddressRule) -> tuple[str, list[NodeStatus]]:
    """Version and nodes, seen with the access that was given: proof that it is a cluster and lets us in."""
    client = KubernetesClient([config.server], sign_in_of(config), rule, timeout=SECONDS)
    try:
        match = _VERSION.fullmatch(client.version())
        nodes = [node_status(each) for each in client.list("/api/v1/nodes")]
    finally:
        client.close()
    if match is None:
        raise ClusterUnreachable(
            _("What answers at %(server)s does not say which Kubernetes it is.") % {"server": config.server},
            "",
            _("Check the address: it must be a Kubernetes API server."),
        )
    return match.group(1), nodes


def _write(
    name: str,
    region: Region | None,
    config: kubeconfig.Kubeconfig,
    allow_internal: bool,
    version: str,
    nodes: list[NodeStatus],
    by: Any,
) -> Cluster:
    health, now = judge(nodes), timezone.now()
    cluster = Cluster.objects.create(
        name=name,
        region=region,
        origin=Cluster.Origin.IMPORTED,
        state=Cluster.State.READY,
        health=health.state,
        health_reason=health.reason,
        health_since=now,
        version=version,
        endpoints=[config.server],
        allow_internal=allow_internal,
        created_by=by.get_username(),
        ready_at=now,
    )
    cluster_secrets.put(cluster, ADMIN_KUBECONFIG, kubeconfig.render(config).encode())
    observation.replace_nodes(cluster_pk=cluster.pk, seen=nodes)
    after = {
        "server": config.server,
        "sign_in": "token" if config.token else "client certificate",
        "allow_internal": allow_internal,
        "version": version,
        "nodes": len(nodes),
    }
    trail.record(by=by, action="cluster.import", subject=cluster, after=after)
    return cluster
