"""Pages of nodes: the list of a cluster's, one node with what runs on it, and the word that a lost machine is off."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from clusters.errors import NodeRefused
from clusters.forms.clusters import NodeFilter
from clusters.models import Cluster, Host, Node
from clusters.observing.nodes import Condition, NodeStatus, from_json, moment
from clusters.selectors import node_decisions
from clusters.selectors import nodes as seeing
from clusters.services.fencing_methods import method_for
from clusters.services.node_decisions import confirm_fenced
from clusters.views import clusters as pages
from clusters.views.answers import see
from kcloud_site.tenants.permissions import operator_required

ROWS_A_PAGE = 50


@require_safe
@operator_required
def node_list(request: HttpRequest, name: str) -> HttpResponse:
    """The cluster's nodes, worst first."""
    cluster = pages.one(name)
    form = NodeFilter(request.GET)
    chosen = form.cleaned_data if form.is_valid() else {}
    found = seeing.nodes_of(
        cluster, text=chosen.get("q", ""), role=chosen.get("role", ""), state=chosen.get("state", "")
    )
    page = Paginator(found, ROWS_A_PAGE).get_page(request.GET.get("page"))
    counts = seeing.pod_counts(cluster) if page.object_list and cluster.health != Cluster.Health.DOWN else {}
    context = {
        "cluster": cluster,
        "form": form,
        "page": page,
        "rows": [(node, from_json(node.status), counts.get(node.name)) for node in page],
        "is_filtered": any(chosen.values()),
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "clusters/nodes.html#rows", context)
    return render(request, "clusters/nodes.html", {**pages.frame(cluster, "nodes"), **context})


@require_safe
@operator_required
def node(request: HttpRequest, name: str, node: str) -> HttpResponse:
    """One node: conditions, what it can carry, what runs on it now, the machine it is."""
    cluster = pages.one(name)
    row = get_object_or_404(Node, cluster=cluster, name=node)
    status = from_json(row.status)
    host = Host.objects.filter(cluster=cluster, name=row.name).select_related("region").first()
    context = {
        "cluster": cluster,
        "tab": "nodes",
        "node": row,
        "status": status,
        "capacity": _capacity(status),
        "conditions": [(each, moment(each.since)) for each in sorted(status.conditions, key=_trouble_first)],
        "live": seeing.pods_on(cluster, row.name),
        "decisions": node_decisions.of_node(cluster, row.name),
        "pods_shown": seeing.PODS_SHOWN,
        "host": host,
        "may_power_off": host is not None and method_for(host) is not None,
        "created_at": moment(status.created_at),
        "now": timezone.now(),
    }
    return render(request, "clusters/node.html", context)


@require_POST
@operator_required
def fence(request: HttpRequest, name: str, node: str) -> HttpResponse:
    """A person has looked: the lost machine is off and stays off."""
    cluster = pages.one(name)
    try:
        confirm_fenced(cluster=cluster, node=node, by=request.user)
    except NodeRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Noted. What has an identity or a volume is moved now."))
    return see("clusters:node", cluster.name, node)


def _capacity(status: NodeStatus) -> list[tuple[str, float, float | None]]:
    """What people ask for first, then what else there is; kinds the node has none of are left out."""
    first = ("cpu", "memory", "pods", "ephemeral-storage")
    keys = [*first, *sorted(status.capacity.keys() - set(first))]
    return [
        (key, status.capacity[key], status.allocatable.get(key)) for key in keys if status.capacity.get(key)
    ]


def _trouble_first(condition: Condition) -> tuple[bool, str]:
    good = "True" if condition.type == "Ready" else "False"
    return (condition.status == good, condition.type)
