"""Planning clusters: a draft is created, revised and discarded; every edit is a revision with an audit row.

Raises PlanInvalid (all problems, nothing saved), PlanChanged (somebody saved meanwhile) and PlanLocked (the
cluster is being deployed or reset, or was imported).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext

from clusters.errors import PlanChanged, PlanLocked
from clusters.models import Cluster, Host, PlanRevision, Region
from clusters.planning import plan
from clusters.planning.difference import difference
from clusters.planning.plan import PlanInvalid, PlanSpec, Problem, resolve_pools
from clusters.problems import gettext_noop as _
from clusters.selectors import plans as selectors
from kcloud_site.audit import trail

__all__ = ["create_cluster", "discard_draft", "resolve_pools", "revise_plan"]

_BUSY = (Cluster.State.DEPLOYING, Cluster.State.RESETTING)


def create_cluster(*, spec: PlanSpec | Mapping[str, Any], by: Any, note: str = "") -> Cluster:
    """A new draft with revision 1 of its plan. Nothing is touched until it is deployed."""
    wanted = _checked(spec, None)
    if Cluster.objects.filter(name=wanted.name).exists():
        raise PlanInvalid([_name_taken(wanted.name)])
    try:
        with transaction.atomic():
            cluster = Cluster.objects.create(
                name=wanted.name,
                region=Region.objects.get(name=wanted.region),
                created_by=by.get_username(),
            )
            _add_revision(cluster, 1, wanted, note, by)
            trail.record(
                by=by, action="cluster.plan", subject=cluster, after=plan.to_data(wanted), reason=note
            )
    except IntegrityError as error:
        raise PlanInvalid([_name_taken(wanted.name)]) from error
    return cluster


def revise_plan(
    *,
    cluster: Cluster,
    spec: PlanSpec | Mapping[str, Any],
    by: Any,
    note: str = "",
    expected_revision: int,
) -> PlanRevision:
    """The plan's next revision; the same plan again is no edit and answers the newest revision.

    `expected_revision` is the number the editor started from.
    """
    _refuse_locked(cluster)
    newest, before = selectors.current_plan(cluster)
    if newest.number != expected_revision:
        raise _changed(newest)
    wanted = _checked(spec, cluster)
    if wanted == before:
        return newest
    try:
        with transaction.atomic():
            revision = _add_revision(cluster, newest.number + 1, wanted, note, by)
            Cluster.objects.filter(pk=cluster.pk).update(region=Region.objects.get(name=wanted.region))
            changes = difference(before, wanted)
            trail.record(
                by=by,
                action="cluster.plan",
                subject=cluster,
                before={change.path: change.before for change in changes},
                after={change.path: change.after for change in changes},
                reason=note,
            )
    except IntegrityError as error:  # somebody saved between our reading and our writing
        raise _changed(selectors.current_plan(cluster)[0]) from error
    cluster.refresh_from_db(fields=["region"])
    return revision


def discard_draft(*, cluster: Cluster, by: Any) -> None:
    """Forget a cluster that was never deployed, with all its revisions."""
    untouched = cluster.state == Cluster.State.DRAFT and not cluster.memberships.exists()
    if not untouched or cluster.origin != Cluster.Origin.DEPLOYED:
        raise PlanLocked(
            gettext("%(name)s is not a draft.") % {"name": cluster.name},
            gettext("Its hosts may already have been touched."),
            gettext("Reset the cluster first; its hosts then return to the pool."),
        )
    newest, spec = selectors.current_plan(cluster)
    with transaction.atomic():
        trail.record(
            by=by,
            action="cluster.discard",
            subject=cluster,
            before={"revision": newest.number, **plan.to_data(spec)},
        )
        cluster.delete()


def _checked(spec: PlanSpec | Mapping[str, Any], cluster: Cluster | None) -> PlanSpec:
    data = plan.to_data(spec) if isinstance(spec, PlanSpec) else dict(spec)
    wanted = plan.parse(data)
    problems = list(_unknown_things(wanted, cluster))
    if cluster is not None:
        problems += _against_reality(cluster, wanted)
    if problems:
        raise PlanInvalid(problems)
    return wanted


def _named_hosts(spec: PlanSpec) -> Iterator[tuple[str, str]]:
    for name in spec.masters:
        yield "masters", name
    for index, pool in enumerate(spec.pools):
        for name in pool.hosts:
            yield f"pools.{index}.hosts", name


def _unknown_things(spec: PlanSpec, cluster: Cluster | None) -> Iterator[Problem]:
    if not Region.objects.filter(name=spec.region).exists():
        yield Problem(
            "region",
            "unknown",
            _("There is no region %(region)s."),
            _("Choose one of the list, or add it under Regions."),
            {"region": spec.region},
        )
    named = list(_named_hosts(spec))
    rows = Host.objects.filter(name__in=[name for _path, name in named]).select_related("cluster")
    hosts = {host.name: host for host in rows}
    for path, name in named:
        host = hosts.get(name)
        if host is None:
            yield Problem(
                path,
                "unknown",
                _("There is no host %(host)s."),
                _("Enrol it under Hosts first, or name another."),
                {"host": name},
            )
        elif host.cluster is not None and host.cluster != cluster:
            yield Problem(
                path,
                "taken",
                _("%(host)s belongs to the cluster %(cluster)s."),
                _("Choose a spare host."),
                {"host": name, "cluster": host.cluster.name},
            )


def _against_reality(cluster: Cluster, wanted: PlanSpec) -> list[Problem]:
    """What may not change: the name ever, and what the cluster was built with once its hosts were touched."""
    problems: list[Problem] = []
    if wanted.name != cluster.name:
        problems.append(
            Problem(
                "name",
                "frozen",
                _("The cluster's name cannot change: it is part of its certificates and addresses."),
                _("Keep %(name)s, or plan a new cluster."),
                {"name": cluster.name},
            )
        )
    if cluster.state == Cluster.State.DRAFT:
        return problems
    newest, before = selectors.current_plan(cluster)
    built = cluster.revisions.filter(number=cluster.deployed_revision or newest.number).first()
    problems += plan.frozen_problems(plan.load(built.spec) if built else before, wanted)
    problems += _left_out(cluster, wanted)
    return problems


def _left_out(cluster: Cluster, wanted: PlanSpec) -> list[Problem]:
    """Hosts that serve the cluster and that the plan names no longer: nothing would clean them."""
    places = selectors.pool_places(cluster)
    named = {name for _path, name in _named_hosts(wanted)}
    counts = {pool.name: pool.count for pool in wanted.pools}
    by_count: dict[str, list[str]] = {}
    for host, pool in places.items():
        if host not in named:
            by_count.setdefault(pool, []).append(host)
    leaving = [h for pool, hosts in by_count.items() if len(hosts) > counts.get(pool, 0) for h in hosts]
    if not leaving:
        return []
    return [
        Problem(
            "pools",
            "leaving",
            _("%(hosts)s would leave the cluster, and a plan alone does not empty and clean a host."),
            _("Keep them in the plan, or reset the cluster first."),
            {"hosts": ", ".join(sorted(leaving))},
        )
    ]


def _add_revision(cluster: Cluster, number: int, spec: PlanSpec, note: str, by: Any) -> PlanRevision:
    return PlanRevision.objects.create(
        cluster=cluster, number=number, spec=plan.to_data(spec), note=note[:200], by_name=by.get_username()
    )


def _refuse_locked(cluster: Cluster) -> None:
    if cluster.origin != Cluster.Origin.DEPLOYED:
        raise PlanLocked(
            gettext("%(name)s was imported, so it has no plan.") % {"name": cluster.name},
            gettext("The portal did not build it."),
            gettext("Change it with the tools it was built with."),
        )
    cluster.refresh_from_db(fields=["state"])
    if cluster.state in _BUSY:
        raise PlanLocked(
            gettext("%(name)s is being worked on.") % {"name": cluster.name},
            gettext("An operation is at work with the present plan."),
            gettext("Wait until it has ended, or cancel it; then edit the plan."),
        )


def _name_taken(name: str) -> Problem:
    return Problem(
        "name",
        "taken",
        _("There is a cluster named %(name)s already."),
        _("Choose another name, or edit that cluster's plan."),
        {"name": name},
    )


def _changed(newest: PlanRevision) -> PlanChanged:
    when = date_format(localtime(newest.created_at), "DATETIME_FORMAT")
    return PlanChanged(
        gettext("Somebody else changed this plan meanwhile."),
        gettext("%(who)s saved revision %(number)s at %(when)s.")
        % {"who": newest.by_name, "number": newest.number, "when": when},
        gettext("Look at the difference in the history, then make your change again."),
        number=newest.number,
    )
