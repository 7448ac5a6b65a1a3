"""Looks, again and again, whether every environment of a cluster still is as it should be, and repairs what is not.

One list per kind of object for the whole cluster, whatever the number of environments. A look writes what it saw (what
differs, what is used); a difference that is new goes into the audit trail, and a repair is an operation like any other.
Where somebody keeps changing the same things back, the portal stops after MOST_REPAIRS and waits for a person.
Tokens of accounts that are half over are renewed on the way.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from clusters import access
from clusters.adapters.answers import path_of
from clusters.adapters.kubernetes import KubernetesClient
from clusters.errors import ClusterError, ResourceNotFound
from clusters.manifests import environment as manifest
from clusters.models import Cluster, Environment
from clusters.observing.environments import MISSING, Difference, differences, key_of, used
from clusters.selectors.environments import TYPE, spec_of, subject_of
from clusters.services import environment_account, environments
from kcloud_site.audit import trail
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import portal
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.operations.models import Operation

RULE = trail.Actor(AuditEvent.ActorKind.RULE, "environment drift")
MOST_REPAIRS, REPAIRS_WITHIN = 3, timedelta(minutes=30)
SETTLED = (Environment.State.READY, Environment.State.FROZEN, Environment.State.DRIFTED)
_LISTS = {
    "Namespace": "/api/v1/namespaces",
    "ResourceQuota": "/api/v1/resourcequotas",
    "LimitRange": "/api/v1/limitranges",
    "ServiceAccount": "/api/v1/serviceaccounts",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/networkpolicies",
    "Role": "/apis/rbac.authorization.k8s.io/v1/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/rolebindings",
}
Found = dict[tuple[str, str, str], dict[str, Any]]
_log = logging.getLogger(__name__)


def look_after(*, cluster_pk: int) -> int:
    """One look at all environments of the cluster that no operation is at work on; answers how many differ. A cluster
    that does not answer tells nothing: the rows stay as they are."""
    rows = Environment.objects.filter(cluster_id=cluster_pk, state__in=SETTLED)
    settled = list(rows.select_related("tenant", "cluster"))
    if not settled or settled[0].cluster.state != Cluster.State.READY:
        return 0
    try:
        client = access.kubernetes_for(settled[0].cluster)
        found = _everything(client)
    except ClusterError as error:
        _log.warning("environments of cluster %s cannot be seen: %s", settled[0].cluster.name, error)
        return 0
    return sum(_look_at(environment, client, found) for environment in settled)


def _everything(client: KubernetesClient) -> Found:
    """All objects with this portal's mark, by kind, namespace and name."""
    selector = f"{manifest.PORTAL_LABEL}={portal.identity()}"
    items = (
        {"kind": kind, **item}
        for kind, path in _LISTS.items()
        for item in client.list(path, labelSelector=selector)
    )
    return {key_of(item): item for item in items}


def _look_at(environment: Environment, client: KubernetesClient, found: Found) -> bool:
    try:
        differing = _differences(environment, client, found)
        quota = found.get(("ResourceQuota", environment.namespace, manifest.QUOTA), {})
        _write(environment, differing, quota)
        if environment_account.is_due(environment) and not differing:
            environment_account.renew_token(environment, client)
        if differing:
            _repair(environment, differing)
    except ClusterError as error:
        _log.warning("environment %s: %s", environment.namespace, error)
        return False
    return bool(differing)


def _differences(environment: Environment, client: KubernetesClient, found: Found) -> list[Difference]:
    """An object that is not among those with our mark may have lost only the mark: it is asked for by name."""
    wanted = manifest.objects(spec_of(environment))
    unseen = {(each.kind, each.name) for each in differences(wanted, found.values()) if each.what == MISSING}
    here = dict(found)
    for each in wanted:
        if (each["kind"], each["metadata"]["name"]) in unseen:
            try:
                here[key_of(each)] = client.get(path_of(each))
            except ResourceNotFound:
                continue
    return differences(wanted, here.values())


def _write(environment: Environment, differing: list[Difference], quota: Mapping[str, Any]) -> None:
    """What was seen, unless something was asked for meanwhile."""
    calm = Environment.State.FROZEN if environment.frozen else Environment.State.READY
    state = Environment.State.DRIFTED if differing else calm
    drift, use = [each.as_json() for each in differing], used(quota)
    rows = Environment.objects.filter(pk=environment.pk, generation=environment.generation, state__in=SETTLED)
    with transaction.atomic():
        written = rows.update(
            state=state, drift=drift, used=use.parts() if use else environment.used, seen_at=timezone.now()
        )
        if written and drift and drift != environment.drift:
            trail.record(
                by=RULE,
                action="environment.drift",
                subject=subject_of(environment),
                before={_name(each): each.wanted or each.what for each in differing},
                after={_name(each): each.found or each.what for each in differing},
                reason="; ".join(dict.fromkeys(each.by for each in differing if each.by)),
            )


def _repair(environment: Environment, differing: list[Difference]) -> None:
    if environment.repair != Environment.Repair.AUTOMATIC or _repaired_often(environment):
        return
    names = ", ".join(_name(each) for each in differing)
    by = ", ".join(dict.fromkeys(each.by for each in differing if each.by)) or _("unknown")
    reason = _("Differs from what it should be: %(names)s (changed by: %(by)s).") % {"names": names, "by": by}
    try:
        environments.repair_environment(environment=environment, by=RULE, reason=reason)
    except SubjectBusy:
        _log.info("environment %s: an operation is at work, the repair waits", environment.namespace)


def _repaired_often(environment: Environment) -> bool:
    since = timezone.now() - REPAIRS_WITHIN
    repairs = Operation.objects.filter(
        kind=environments.REPAIR, subject_type=TYPE, subject_id=str(environment.pk), created_at__gt=since
    )
    return repairs.filter(requested_by=None).count() >= MOST_REPAIRS


def _name(difference: Difference) -> str:
    return f"{difference.kind} {difference.name}"
