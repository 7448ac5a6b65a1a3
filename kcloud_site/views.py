"""The first page, and search."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from kcloud_site import attention, member_attention
from kcloud_site.sign_in.selectors import whom_to_ask
from kcloud_site.tenants.permissions import operator_required, platform_role


@require_safe
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    """What needs the person: on the platform, or in the own tenants."""
    if platform_role(request.user) is None:
        mine = {"overview": member_attention.overview(request.user), "now": timezone.now()}
        return render(request, "member_overview.html", {**mine, "operators": whom_to_ask})
    return render(request, "overview.html", {"overview": attention.overview(), "now": timezone.now()})


@require_safe
@operator_required
def search(request: HttpRequest) -> HttpResponse:
    """Clusters, applications, hosts, nodes and operations by name."""
    # No name holds a NUL, and PostgreSQL would not be asked for one.
    text = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    return render(
        request, "search.html", {"search_text": text, "found": attention.search(text, request.user)}
    )
