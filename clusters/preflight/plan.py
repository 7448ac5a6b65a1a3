"""The verdicts about a plan as a whole: bundle, hosts chosen, other clusters, quorum, losses, storage. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from clusters.planning.networks import free_network, read_network
from clusters.planning.plan import Network, PlanSpec
from clusters.planning.quorum import Loss, loss_of, quorum, region_losses, tolerated
from clusters.preflight.checks import Finding
from clusters.preflight.machine import SKEW_GOOD_MS, SKEW_LIMIT_MS

# Without these, the nine steps cannot be done: component names of the bundle's manifest.
NEEDED_COMPONENTS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "etcd",
    "kcloud-network-policy",
    "kube-network-policies",
)


@dataclass(frozen=True)
class OtherCluster:
    """What another cluster has taken."""

    name: str
    region: str
    draft: bool
    pods: IPv4Network
    services: IPv4Network


@dataclass(frozen=True)
class BundleFacts:
    """The release bundle of the planned version. `fault`: what and remedy when it was refused."""

    version: str
    present: bool
    known: Sequence[str] = ()
    fault: tuple[str, str] | None = None
    programs: Sequence[str] = ()
    files: int = 0
    size: int = 0
    key: str = ""


def bundle_finding(bundle: BundleFacts) -> Finding:
    """Is there a bundle of the version, whole and signed?"""
    if bundle.fault:
        return Finding(
            "bundle", "block", {"code": "refused", "what": bundle.fault[0], "remedy": bundle.fault[1]}
        )
    if not bundle.present:
        known = ", ".join(bundle.known) or "–"
        return Finding("bundle", "block", {"code": "missing", "version": bundle.version, "known": known})
    missing = [name for name in NEEDED_COMPONENTS if name not in bundle.programs]
    if missing:
        facts = {"code": "incomplete", "version": bundle.version, "missing": ", ".join(missing)}
        return Finding("bundle", "block", facts)
    facts = {"code": "ok", "version": bundle.version, "files": str(bundle.files), "key": bundle.key}
    return Finding("bundle", "pass", {**facts, "size": f"{bundle.size / 1024**3:.1f}"})


def hosts_finding(
    spec: PlanSpec,
    *,
    workers: int,
    missing: int,
    gone: Sequence[str],
    taken: Sequence[str],
    planned: Sequence[str],
) -> Finding:
    """Are the hosts there? `missing`: spare hosts that no region can give; `gone`, `taken`, `planned`: host
    names.
    """
    if gone:
        return Finding("hosts", "block", {"code": "gone", "hosts": ", ".join(gone)})
    if taken:
        return Finding("hosts", "block", {"code": "taken", "hosts": ", ".join(taken)})
    if missing:
        wanted = sum(pool.count for pool in spec.pools)
        counts = {"wanted": wanted, "there": wanted - missing, "missing": missing}
        return Finding("hosts", "block", {"code": "spare", "region": spec.region, **counts})
    if planned:
        return Finding("hosts", "warn", {"code": "planned", "hosts": ", ".join(planned)})
    return Finding("hosts", "pass", {"code": "ok", "masters": len(spec.masters), "workers": workers})


def networks_finding(network: Network, region: str, others: Sequence[OtherCluster]) -> Finding:
    """Does another cluster use the same addresses? In one region that breaks routes; elsewhere it bars
    joining them.
    """
    pods, services = read_network(network.pod_cidr), read_network(network.service_cidr)
    found: list[Finding] = []
    for other in others:
        same_place = other.region == region and not other.draft
        for mine, name in ((pods, "pods"), (services, "services")):
            for theirs, kind in ((other.pods, "pods"), (other.services, "services")):
                if mine.overlaps(theirs):
                    clash = same_place and "pods" in (name, kind)
                    facts = {"code": f"{name}_{'clash' if clash else 'shared'}", "network": str(mine)}
                    facts |= {"other": str(theirs), "cluster": other.name}
                    facts["free"] = _free(mine, services if name == "pods" else pods, others)
                    found.append(Finding("networks", "block" if clash else "warn", facts))
    first = next((each for each in found if each.verdict == "block"), found[0] if found else None)
    return first or Finding("networks", "pass", {"code": "ok", "count": len(others)})


def _free(wanted: IPv4Network, other_half: IPv4Network, others: Iterable[OtherCluster]) -> str:
    taken = [other_half, *(each for other in others for each in (other.pods, other.services))]
    return str(free_network(wanted, taken) or "–")


def clocks_finding(skews: Mapping[str, int]) -> Finding:
    """How far the hosts' clocks are apart from each other, in milliseconds off the portal's."""
    if len(skews) < 2:
        return Finding("clocks", "pass", {"code": "unseen"})
    first, last = min(skews, key=lambda host: skews[host]), max(skews, key=lambda host: skews[host])
    spread = skews[last] - skews[first]
    if spread <= SKEW_GOOD_MS:
        return Finding("clocks", "pass", {"code": "ok", "spread": spread})
    facts = {"code": "apart", "first": first, "last": last, "spread": spread}
    return Finding("clocks", "block" if spread > SKEW_LIMIT_MS else "warn", facts)


def quorum_finding(masters: Sequence[str]) -> Finding:
    """How many masters must agree; a stored plan of an even number would be refused here too."""
    count = len(masters)
    facts = {"masters": count, "quorum": quorum(count), "tolerated": tolerated(count), "before": count - 1}
    if count == 0 or count % 2 == 0:
        return Finding("quorum", "block", {"code": "even", **facts})
    return Finding("quorum", "pass", {"code": "ok", **facts})


def host_loss_finding(masters: Sequence[str], workers: Sequence[str]) -> Finding:
    """What losing the worst single host would do."""
    single_master = bool(masters) and not loss_of("", {masters[0]}, masters, workers).control_plane
    single_worker = len(workers) == 1
    if single_master and single_worker:
        return Finding("host_loss", "warn", {"code": "both"})
    if single_master:
        return Finding("host_loss", "warn", {"code": "single", "host": masters[0]})
    if single_worker:
        return Finding("host_loss", "warn", {"code": "worker", "host": workers[0]})
    return Finding("host_loss", "pass", {"code": "ok", "workers": len(workers) - 1})


def region_loss_finding(
    regions: Mapping[str, str], masters: Sequence[str], workers: Sequence[str]
) -> Finding:
    """What losing a region would do. One region is a choice; several that do not help are a misunderstanding."""
    losses = region_losses(regions, masters, workers)
    if len(losses) < 2:
        return Finding("region_loss", "pass", {"code": "one", "region": losses[0].what if losses else "–"})
    stopping = [loss for loss in losses if not loss.control_plane]
    if stopping:
        loss = max(stopping, key=_masters_lost)
        facts = {"code": "stops", "region": loss.what, "masters": loss.masters_lost, "total": len(masters)}
        return Finding("region_loss", "warn", facts)
    idle = [loss for loss in losses if not loss.applications]
    if idle:
        return Finding("region_loss", "warn", {"code": "workers", "region": idle[0].what})
    return Finding("region_loss", "pass", {"code": "ok", "regions": ", ".join(loss.what for loss in losses)})


def _masters_lost(loss: Loss) -> int:
    return loss.masters_lost


def storage_finding(default_class: str) -> Finding:
    """What a claim without a class gets."""
    return Finding("storage", "pass", {"code": default_class})
