"""Pages of clusters: the list, one cluster, and what differs from its plan. They show; services act."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from clusters import access
from clusters.forms.clusters import ClusterFilter
from clusters.models import Cluster, Region
from clusters.observing.nodes import from_json
from clusters.selectors import clusters as reading
from clusters.selectors import log_shipping
from clusters.selectors import nodes as seeing
from clusters.services import kubeconfigs
from kcloud_site.operations.models import State
from kcloud_site.tenants.encryption import SecretUnreadable
from kcloud_site.tenants.permissions import operator_required

ROWS_A_PAGE = 25
NODES_SHOWN = 10


@require_safe
@operator_required
def cluster_list(request: HttpRequest) -> HttpResponse:
    """All clusters, worst first."""
    form = ClusterFilter(request.GET)
    chosen = form.cleaned_data if form.is_valid() else {}
    wanted = reading.ClusterFilter(
        text=chosen.get("q", ""),
        region=chosen.get("region", ""),
        state=chosen.get("state", ""),
        version=chosen.get("version", ""),
    )
    page = Paginator(reading.clusters_for(wanted), ROWS_A_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {"form": form, "page": page, "rows": reading.as_context(page)}
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "clusters/list.html#rows", context)
    context |= {
        "counts": reading.summary(),
        "regions": Region.objects.all(),
        "versions": reading.versions(),
        "is_filtered": any(chosen.values()),
    }
    return render(request, "clusters/list.html", context)


@require_safe
@operator_required
def cluster(request: HttpRequest, name: str) -> HttpResponse:
    """One cluster: state, why, what now; its nodes, control plane and latest operations."""
    found = one(name)
    context = frame(found, "overview")
    context |= _live(found, context)
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "clusters/detail.html#live", {**context, "swapped": True})
    plan = reading.current_spec(found)
    context |= {
        "plan_number": plan[0] if plan else None,
        "spec": plan[1] if plan else None,
        "differs": len(reading.differences(found, plan[1]))
        if plan and found.state == Cluster.State.READY
        else 0,
        "certificates": _certificates(found),
        "control": seeing.control_plane(found) if found.state == Cluster.State.READY else None,
        "shipping": log_shipping.shipping(found, [node.name for node in context["node_rows"]]),
        "masters": found.memberships.filter(role="master").select_related("host"),
        "kubeconfig_refusal": kubeconfigs.unavailable(found),
        "now": timezone.now(),
    }
    return render(request, "clusters/detail.html", context)


@require_safe
@operator_required
def compare(request: HttpRequest, name: str) -> HttpResponse:
    """Planned against real, each difference with its remedy."""
    found = one(name)
    context = frame(found, "compare")
    plan = reading.current_spec(found)
    if plan is not None:
        number, spec = plan
        context |= {
            "plan_number": number,
            "spec": spec,
            "is_behind": found.deployed_revision is not None and found.deployed_revision < number,
            "rows": [(each, *reading.in_words(each)) for each in reading.differences(found, spec)],
            "planned": reading.planned_nodes(found, spec),
        }
    return render(request, "clusters/compare.html", context)


def one(name: str) -> Any:
    """The cluster with its shown state and node counts, or 404."""
    return get_object_or_404(reading.with_shown(), name=name)


def frame(found: Any, tab: str) -> dict[str, Any]:
    """What every page of a cluster needs: head, band and tabs."""
    operations = reading.recent_operations(found)
    rows = list(seeing.nodes_of(found)) if found.state == Cluster.State.READY else []
    newest = operations[0] if operations else None
    return {
        "cluster": found,
        "tab": tab,
        "situation": reading.situation(found, rows, operations),
        "operations": operations,
        "newest": newest,
        "active": newest if newest and newest.is_active else None,
        "resumable": newest if newest and newest.state in (State.FAILED, State.CANCELLED) else None,
        "node_rows": rows,
    }


def _live(found: Any, context: dict[str, Any]) -> dict[str, Any]:
    statuses = [from_json(node.status) for node in context["node_rows"]]
    counts = seeing.pod_counts(found) if statuses and found.health != Cluster.Health.DOWN else {}
    return {
        "shown_nodes": [
            (node, status, counts.get(node.name))
            for node, status in zip(context["node_rows"][:NODES_SHOWN], statuses[:NODES_SHOWN], strict=True)
        ],
        "pods": sum(counts.values()) if counts else None,
        "room_for_pods": sum(status.allocatable.get("pods", 0) for status in statuses),
        "cores": sum(status.allocatable.get("cpu", 0) for status in statuses),
        "memory": sum(status.allocatable.get("memory", 0) for status in statuses),
    }


def _certificates(found: Any) -> list[Any]:
    try:
        return access.certificate_ends(found)
    except SecretUnreadable:
        return []
