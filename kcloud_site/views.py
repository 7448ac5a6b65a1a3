"""Pages about the whole platform: overview and search."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


@login_required
def overview(request: HttpRequest) -> HttpResponse:
    """What state the platform is in, what needs somebody, how to begin."""
    return render(request, "overview.html")


@login_required
def search(request: HttpRequest) -> HttpResponse:
    """Clusters, hosts, nodes and operations by name."""
    return render(request, "overview.html")
