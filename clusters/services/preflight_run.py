"""The three steps of a preflight. They look, judge by the pure functions, and write rows as hosts answer.

Hosts are asked in parallel, one SSH round trip each; threads only talk to hosts, this thread alone writes.
A host that cannot be reached is a finding, not a failure: the operation succeeds, the plan is blocked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from clusters import access
from clusters.adapters import ssh
from clusters.errors import HostError
from clusters.hosts import facts
from clusters.hosts.facts import FactsInvalid, HostFacts
from clusters.models import Bundle, Cluster, Host, Node, PlanRevision, PreflightCheck
from clusters.planning.networks import read_network
from clusters.planning.plan import PlanSpec, load
from clusters.preflight.checks import Finding
from clusters.preflight.host import host_findings, identity_findings, unreachable, unreadable
from clusters.preflight.machine import HostTask
from clusters.preflight.plan import (
    BundleFacts,
    OtherCluster,
    bundle_finding,
    clocks_finding,
    host_loss_finding,
    hosts_finding,
    networks_finding,
    quorum_finding,
    region_loss_finding,
    storage_finding,
)
from clusters.selectors import bundles as bundle_selectors
from clusters.selectors import plans
from clusters.services import bundles
from clusters.services.preflight_rows import write
from kcloud_site.operations.kinds import StepContext
from kcloud_site.tenants.encryption import SecretUnreadable

# Each is an ssh process and a Python on the other side; more would not be faster on a small portal.
WIDTH = 16


def check_bundle(context: StepContext) -> None:
    """Verify the bundle of the planned version, reading every byte unless nothing changed since."""
    revision, spec = _plan(context)
    bundles.refresh_bundle(version=spec.version)
    write(context, revision, "", [bundle_finding(_bundle_facts(spec.version))])


def check_hosts(context: StepContext) -> None:
    """Ask all hosts at once and write each one's findings when it has answered."""
    revision, spec = _plan(context)
    rows = Host.objects.select_related("credential").filter(name__in=context.pending_targets)
    hosts = {host.name: host for host in rows}
    tasks = _tasks(context, spec, hosts)
    with ThreadPoolExecutor(max_workers=WIDTH, thread_name_prefix="preflight") as pool:
        waiting: dict[Future[_Answer], Host] = {}
        for name in context.pending_targets:
            context.target_started(name)
            host = hosts.get(name)
            if host is None:
                context.target_succeeded(name, {"verdict": "block"})
                continue
            waiting[pool.submit(_ask, *_target(host))] = host
        try:
            _collect(context, revision, tasks, waiting)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def check_plan(context: StepContext) -> None:
    """What concerns several hosts, other clusters, or the plan as such; forgets rows of earlier runs."""
    revision, spec = _plan(context)
    masters = list(context.inputs["masters"])
    workers = [name for name in context.inputs["hosts"] if name in context.inputs["workers"]]
    known = _remembered(context, revision)
    for finding in _identities(revision.cluster, known):
        write(context, revision, finding.host, [finding])
    regions = plans.host_regions([*masters, *workers])
    found = [
        _hosts_finding(context, revision.cluster, spec),
        networks_finding(spec.network, spec.region, list(_other_clusters(revision.cluster))),
        clocks_finding({host: int(each.get("skew_ms", 0)) for host, each in known.items()}),
        quorum_finding(masters),
        host_loss_finding(masters, workers),
        region_loss_finding(regions, masters, workers),
        storage_finding(spec.storage.default_class),
    ]
    write(context, revision, "", found)
    revision.checks.exclude(operation_id=context.operation.pk).delete()


def _plan(context: StepContext) -> tuple[PlanRevision, PlanSpec]:
    revision = PlanRevision.objects.select_related("cluster").get(
        cluster_id=context.operation.subject_id, number=context.inputs["revision"]
    )
    return revision, load(revision.spec)


# --- one host ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Answer:
    """What asking a host gave: its facts, or why there are none (class of the error and its words)."""

    facts: HostFacts | None = None
    error: str = ""
    why: str = ""


def _target(host: Host) -> tuple[ssh.SshTarget | None, str]:
    try:
        return access.ssh_for(host), ""
    except SecretUnreadable:
        return None, "SecretUnreadable"


def _ask(target: ssh.SshTarget | None, error: str) -> _Answer:
    """Runs in a thread: no database here."""
    if target is None:
        return _Answer(error=error)
    asked_at = time.time()
    try:
        text = ssh.run_script(target, facts.PROBE, timeout=facts.PROBE_TIMEOUT, limit=facts.MAX_ANSWER)
        return _Answer(facts.parse(text, asked_at=asked_at, answered_at=time.time()))
    except HostError as failed:
        return _Answer(error=type(failed).__name__, why=str(failed.why))
    except FactsInvalid as failed:
        return _Answer(error="unreadable", why=str(failed))


def _collect(
    context: StepContext,
    revision: PlanRevision,
    tasks: Mapping[str, HostTask],
    waiting: dict[Future[_Answer], Host],
) -> None:
    while waiting:
        done, _others = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
        context.check()
        for future in done:
            host = waiting.pop(future)
            answer = future.result()
            found = _judge(tasks[host.name], host, answer)
            write(context, revision, host.name, found)
            if answer.facts is not None:
                _remember_facts(host, answer.facts)
            worst = next((each for each in ("block", "warn") if each in {f.verdict for f in found}), "pass")
            context.target_succeeded(host.name, {"verdict": worst, "checks": len(found)})


def _judge(task: HostTask, host: Host, answer: _Answer) -> list[Finding]:
    user = host.credential.username
    if answer.facts is not None:
        return host_findings(task, answer.facts, user=user)
    if answer.error == "unreadable":
        return [unreadable(host.name, answer.why)]
    return [
        unreachable(
            host.name, answer.error, address=host.address, port=host.ssh_port, user=user, why=answer.why
        )
    ]


def _remember_facts(host: Host, found: HostFacts) -> None:
    """What preflight saw is the newest there is to know about the host."""
    Host.objects.filter(pk=host.pk).update(
        facts=facts.as_json(found), facts_at=timezone.now(), state=Host.State.READY, state_reason=""
    )


def _tasks(context: StepContext, spec: PlanSpec, hosts: Mapping[str, Host]) -> dict[str, HostTask]:
    bundle = Bundle.objects.filter(version=spec.version, state=Bundle.State.VERIFIED).first()
    contents = bundle.components if bundle else {}
    cluster = Cluster.objects.get(pk=context.operation.subject_id)
    taken = [network for networks in plans.taken_networks(cluster).values() for network in networks]
    low, high = spec.network.node_ports.split("-")
    return {
        name: HostTask(
            host=name,
            role="master" if name in context.inputs["masters"] else "worker",
            version=spec.version,
            masters=len(spec.masters),
            pod_network=read_network(spec.network.pod_cidr),
            service_network=read_network(spec.network.service_cidr),
            node_ports=(int(low), int(high)),
            proxy_mode=spec.network.proxy_mode,
            own=host.cluster_id == cluster.pk,
            suite=contents.get("suite", ""),
            architecture=contents.get("arch", ""),
            taken=taken,
        )
        for name, host in hosts.items()
    }


# --- the plan as a whole ----------------------------------------------------------------------------------


def _bundle_facts(version: str) -> BundleFacts:
    row = Bundle.objects.filter(version=version).first()
    known = [each.version for each in bundle_selectors.usable_versions()]
    if row is None:
        return BundleFacts(version, present=False, known=known)
    if row.state != Bundle.State.VERIFIED:
        return BundleFacts(version, present=True, fault=(row.state_reason, ""))
    contents = row.components
    return BundleFacts(
        version,
        present=True,
        known=known,
        programs=contents.get("programs", []),
        files=contents.get("files", 0),
        size=row.size,
        key=contents.get("key", ""),
    )


def _remembered(context: StepContext, revision: PlanRevision) -> dict[str, dict[str, Any]]:
    rows = revision.checks.filter(
        operation_id=context.operation.pk, key="ssh", verdict=PreflightCheck.Verdict.PASS
    )
    return dict(rows.values_list("host", "facts"))


def _identities(cluster: Cluster, known: dict[str, dict[str, Any]]) -> list[Finding]:
    others = Host.objects.exclude(name__in=list(known)).values_list("facts__machine_id", "name")
    nodes = Node.objects.filter(name__in=list(known)).exclude(cluster=cluster)
    foreign = dict(nodes.values_list("name", "cluster__name"))
    return identity_findings(known, {machine: name for machine, name in others if machine}, foreign)


def _hosts_finding(context: StepContext, cluster: Cluster, spec: PlanSpec) -> Finding:
    names = context.inputs["hosts"]
    rows = {host.name: host for host in Host.objects.filter(name__in=names)}
    elsewhere = plans.planned_elsewhere(cluster)
    return hosts_finding(
        spec,
        workers=len(context.inputs["workers"]),
        missing=context.inputs.get("missing", 0),
        gone=[name for name in names if name not in rows],
        taken=[name for name, host in rows.items() if host.cluster_id not in (None, cluster.pk)],
        planned=[f"{name} ({elsewhere[name]})" for name in names if name in elsewhere],
    )


def _other_clusters(cluster: Cluster) -> Iterator[OtherCluster]:
    for other, spec in plans.newest_revisions(cluster):
        yield OtherCluster(
            name=other.name,
            region=spec.region,
            draft=other.state == Cluster.State.DRAFT,
            pods=read_network(spec.network.pod_cidr),
            services=read_network(spec.network.service_cidr),
        )
