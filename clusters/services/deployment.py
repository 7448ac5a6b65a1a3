"""Deploy a cluster from its plan, and take one away again: the requests, and what their ends mean for the cluster.

`deploy_cluster` freezes the plan with its hosts into an operation, in one transaction with the hosts' membership;
clusters.services.deployment_steps carries it out. Errors: PlanBlocked (preflight missing, stale, blocked, or with
warnings nobody accepted), DeploymentRefused, SubjectBusy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from clusters import access
from clusters.deploying import inventory
from clusters.deploying.inventory import Deployment, InventoryInvalid, Member
from clusters.errors import ClusterError
from clusters.hosts import facts
from clusters.models import Cluster, Host, Membership
from clusters.planning.placement import natural, resolve_pools
from clusters.planning.plan import PlanInvalid, PlanSpec
from clusters.selectors import plans
from clusters.selectors.preflight import PreflightVerdict, preflight_verdict
from clusters.services import cluster_secrets
from kcloud_site.audit import trail
from kcloud_site.operations import services as operations
from kcloud_site.operations.models import Operation, State

DEPLOY = "clusters.deploy"
RESET = "clusters.reset"
_CONTAINERS = frozenset(
    {"docker", "lxc", "lxc-libvirt", "podman", "systemd-nspawn", "container", "container-other"}
)


class PlanBlocked(ClusterError):
    """The plan's newest revision may not be deployed: its preflight does not say so."""


class DeploymentRefused(ClusterError):
    """The cluster or its hosts are not in a state in which this can be done."""


def deploy_cluster(*, cluster: Cluster, by: Any, reason: str = "") -> Operation:
    """Request the deployment of the newest plan revision. A READY cluster is brought to its plan again."""
    _refuse_unless(cluster, Cluster.State.DRAFT, Cluster.State.READY, Cluster.State.FAILED)
    _refuse_blocked(cluster, preflight_verdict(cluster))
    with transaction.atomic():
        revision, spec = plans.current_plan(cluster)
        deployment = _freeze(cluster, spec)
        operation = operations.request_operation(
            kind=DEPLOY,
            subject=cluster,
            by=by,
            inputs={"revision": revision.number, **inventory.dump(deployment)},
            reason=reason,
        )
        _take_hosts(cluster, deployment)
        before = {"state": cluster.state, "revision": cluster.deployed_revision}
        Cluster.objects.filter(pk=cluster.pk).update(state=Cluster.State.DEPLOYING)
        trail.record(
            by=by,
            action="cluster.deploy",
            subject=cluster,
            before=before,
            after={"revision": revision.number, "version": spec.version, "hosts": deployment.names},
            reason=reason,
            operation=operation,
        )
    cluster.refresh_from_db()
    return operation


def reset_cluster(
    *, cluster: Cluster, by: Any, confirm_name: str, force: bool = False, reason: str = ""
) -> Operation:
    """Return every host of the cluster to bare. Everything that runs there is lost, so the name is asked for.

    `force`: hosts that cannot be reached are given up (and said so) instead of failing the reset.
    """
    if confirm_name != cluster.name:
        raise DeploymentRefused(
            _("The name typed is not the cluster's."),
            _("A reset deletes everything on %(name)s.") % {"name": cluster.name},
            _("Type %(name)s to confirm.") % {"name": cluster.name},
        )
    _refuse_unless(cluster, Cluster.State.READY, Cluster.State.FAILED)
    _refuse_with_environments(cluster)
    with transaction.atomic():
        hosts = sorted(cluster.memberships.values_list("host__name", flat=True), key=natural)
        operation = operations.request_operation(
            kind=RESET, subject=cluster, by=by, inputs={"hosts": hosts, "force": force}, reason=reason
        )
        before = {"state": cluster.state, "version": cluster.version}
        Cluster.objects.filter(pk=cluster.pk).update(state=Cluster.State.RESETTING)
        after = {"hosts": hosts, "force": force}
        trail.record(
            by=by,
            action="cluster.reset",
            subject=cluster,
            before=before,
            after=after,
            reason=reason,
            operation=operation,
        )
    cluster.refresh_from_db()
    return operation


def deployed(operation: Operation) -> None:
    """The end of a deployment, in the transaction that ends the operation."""
    rows = Cluster.objects.filter(pk=operation.subject_id)
    if operation.state != State.SUCCEEDED:
        rows.update(state=Cluster.State.FAILED)
        return
    deployment = inventory.load(_frozen(operation.inputs))
    rows.update(
        state=Cluster.State.READY,
        version=deployment.spec.version,
        deployed_revision=operation.inputs["revision"],
        endpoints=deployment.endpoints,
        ready_at=timezone.now(),
    )


def cleared(operation: Operation) -> None:
    """The end of a reset: the hosts are spare again, the plan is a draft, the keys are gone."""
    rows = Cluster.objects.filter(pk=operation.subject_id)
    if operation.state != State.SUCCEEDED:
        rows.update(state=Cluster.State.FAILED)
        return
    cluster = rows.get()
    Host.objects.filter(cluster=cluster).update(cluster=None)
    cluster.memberships.all().delete()
    cluster.nodes.all().delete()
    cluster_secrets.forget_all(cluster)
    rows.update(
        state=Cluster.State.DRAFT,
        version="",
        deployed_revision=None,
        endpoints=[],
        ready_at=None,
        health=Cluster.Health.UNKNOWN,
        health_reason="",
        health_since=None,
    )
    access.forget(cluster.pk)


def frozen_deployment(operation: Operation) -> Deployment:
    """The deployment in an operation's inputs."""
    return inventory.load(_frozen(operation.inputs))


def _frozen(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: inputs[key] for key in ("spec", "members")}


def _refuse_unless(cluster: Cluster, *states: str) -> None:
    if cluster.origin != Cluster.Origin.DEPLOYED:
        raise DeploymentRefused(
            _("%(name)s was imported.") % {"name": cluster.name},
            _("The portal changes only clusters that it deployed."),
            _("Look after its hosts where it was made."),
        )
    # A cluster an operation works on is refused by the operation itself, with a link to it.
    if cluster.state not in (*states, Cluster.State.DEPLOYING, Cluster.State.RESETTING):
        raise DeploymentRefused(
            _("%(name)s is in state “%(state)s”.")
            % {"name": cluster.name, "state": cluster.get_state_display()},
            _("There is nothing on its hosts."),
            _("Deploy it first."),
        )


def _refuse_with_environments(cluster: Cluster) -> None:
    names = list(cluster.environments.order_by("namespace").values_list("namespace", flat=True)[:10])
    if names:
        raise DeploymentRefused(
            _("%(name)s holds environments of tenants.") % {"name": cluster.name},
            ", ".join(names),
            _("Remove them first; then reset the cluster."),
        )


def _refuse_blocked(cluster: Cluster, verdict: PreflightVerdict) -> None:
    if verdict.may_deploy:
        return
    whys = {
        "never": _("Its newest revision has had no preflight."),
        "stale": _("The plan or its hosts have changed since the last preflight."),
        "running": _("Its preflight is still running."),
        "failed": _("Its preflight did not come to an end."),
        "blocked": _("Its preflight found what blocks it."),
        "warnings": _("Its preflight found warnings that nobody has accepted."),
    }
    raise PlanBlocked(
        _("The plan of %(name)s may not be deployed yet.") % {"name": cluster.name},
        whys.get(verdict.state, verdict.state),
        _("Run the preflight, mend what it blocks, accept the warnings that may stay, then deploy."),
    )


def _freeze(cluster: Cluster, spec: PlanSpec) -> Deployment:
    """The plan with the hosts it gets, as it will be carried out. Raises DeploymentRefused."""
    try:
        pools = resolve_pools(spec, plans.spare_hosts(spec.region), plans.pool_places(cluster))
        places = {host: pool for pool, hosts in pools.items() for host in hosts}
        workers = sorted(places, key=natural)
        kept = dict(cluster.memberships.exclude(pod_cidr="").values_list("host__name", "pod_cidr"))
        shares = inventory.assign_pod_networks(spec.network.pod_cidr, workers, kept)
        hosts = _hosts(cluster, [*spec.masters, *workers])
        members = [_member(hosts[name], "master", "", "") for name in sorted(spec.masters, key=natural)]
        members += [_member(hosts[name], "worker", places[name], shares[name]) for name in workers]
        return inventory.load(inventory.dump(Deployment(spec=spec, members=tuple(members))))
    except (PlanInvalid, InventoryInvalid) as error:
        raise DeploymentRefused(
            _("The plan of %(name)s cannot be carried out.") % {"name": cluster.name},
            str(error),
            _("Change the plan, run the preflight, then deploy."),
        ) from error


def _hosts(cluster: Cluster, names: list[str]) -> dict[str, Host]:
    rows = {host.name: host for host in Host.objects.filter(name__in=names)}
    missing = [name for name in names if name not in rows]
    taken = [host.name for host in rows.values() if host.cluster_id not in (None, cluster.pk)]
    if missing or taken:
        raise DeploymentRefused(
            _("Hosts of the plan cannot be had: %(names)s.") % {"names": ", ".join([*missing, *taken])},
            _("They are not enrolled any more, or belong to another cluster."),
            _("Choose other hosts in the plan, run the preflight, then deploy."),
        )
    return rows


def _member(host: Host, role: inventory.Role, pool: str, share: str) -> Member:
    known = facts.stored(host.facts)
    return Member(
        name=host.name,
        address=host.address,
        port=host.ssh_port,
        role=role,
        pool=pool,
        pod_cidr=share,
        cgroup_version=2 if known and known.cgroup_version == 2 else 1,
        in_container=bool(known and known.virtualization in _CONTAINERS),
    )


def _take_hosts(cluster: Cluster, deployment: Deployment) -> None:
    """Membership rows and Host.cluster, in the transaction of the request: no host is promised twice."""
    for member in deployment.members:
        host = Host.objects.get(name=member.name)
        free = Host.objects.filter(pk=host.pk, cluster__in=[cluster]) | Host.objects.filter(
            pk=host.pk, cluster=None
        )
        if not free.update(cluster=cluster):
            raise DeploymentRefused(
                _("%(host)s was taken by another cluster just now.") % {"host": host.name}
            )
        place = {"cluster": cluster, "role": member.role, "pool": member.pool, "pod_cidr": member.pod_cidr}
        Membership.objects.update_or_create(host=host, defaults=place)
