"""A kubeconfig for one operator: made when asked for, good for a day, written down in the audit trail.

The certificate names the person (kcloud:<user name>), so the cluster's own audit log tells people apart.
Its group is kcloud:operators, bound to cluster-admin by a ClusterRoleBinding of ours, and not
system:masters: that one passes every check and cannot be taken back before it ends, this one can, by
deleting the binding. The portal's own access and the access an imported cluster came with are never
handed out. Raises KubeconfigUnavailable, and what reaching the cluster raises.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from clusters import access
from clusters.deploying import pki
from clusters.errors import ClusterError
from clusters.kubeconfigs import kubeconfig
from clusters.models import Cluster
from clusters.services import cluster_secrets
from kcloud_site.audit import trail

DAYS = 1
GROUP = "kcloud:operators"
LONGEST_NAME = 64  # a common name's limit in X.509
BINDING: dict[str, Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "kcloud:operators"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": GROUP}],
}


class KubeconfigUnavailable(ClusterError):
    """The portal cannot make a kubeconfig for this cluster."""


def unavailable(cluster: Cluster) -> KubeconfigUnavailable | None:
    """Why there is none for this cluster, or None when there is."""
    if cluster.origin == Cluster.Origin.IMPORTED:
        return KubeconfigUnavailable(
            _("The portal cannot make a kubeconfig for %(name)s.") % {"name": cluster.name},
            _("It was imported: the portal has no certificate authority of it."),
            _("Ask the people who run it for one of your own."),
        )
    if cluster.state != Cluster.State.READY or not cluster.endpoints:
        return KubeconfigUnavailable(
            _("Cluster %(name)s does not run yet.") % {"name": cluster.name},
            "",
            _("Deploy it; then come back."),
        )
    return None


def issue_kubeconfig(*, cluster: Cluster, by: Any, reason: str = "") -> str:
    """The text of a kubeconfig in `by`'s name. The binding is applied first: a file that may do nothing
    helps nobody."""
    refused = unavailable(cluster)
    if refused:
        raise refused
    access.kubernetes_for(cluster).apply(BINDING)
    user = f"kcloud:{by.get_username()}"[:LONGEST_NAME]
    authority = pki.KeyPair(cluster_secrets.get(cluster, "ca.crt"), cluster_secrets.get(cluster, "ca.key"))
    spec = pki.CertificateSpec("operator", "ca", user, GROUP)
    pair = pki.issue(spec, authority, now=timezone.now(), days=DAYS)
    config = kubeconfig.Kubeconfig(
        name=cluster.name,
        server=str(cluster.endpoints[0]),
        certificate_authority=authority.certificate,
        client_certificate=pair.certificate,
        client_key=pair.key,
    )
    after = {
        "user": user,
        "group": GROUP,
        "until": (timezone.now() + timedelta(days=DAYS)).isoformat(timespec="minutes"),
    }
    with transaction.atomic():
        trail.record(by=by, action="cluster.kubeconfig", subject=cluster, after=after, reason=reason)
    return kubeconfig.render(config)
