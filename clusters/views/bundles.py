"""Release bundles: what there is, what is in them, and looking again."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from clusters.selectors import bundles as selectors
from clusters.services import bundles
from clusters.views import answers
from kcloud_site.tenants.permissions import operator_required


@require_http_methods(["GET", "HEAD", "POST"])
@operator_required
def bundle_list(request: HttpRequest) -> HttpResponse:
    """GET lists what is known; POST looks through the folder and verifies what is new or changed."""
    if request.method == "POST":
        count = len(bundles.refresh_bundles(by=request.user))
        text = ngettext("Looked again: %(count)d bundle.", "Looked again: %(count)d bundles.", count)
        messages.success(request, text % {"count": count})
        return answers.see("clusters:bundles")
    context = {"bundles": selectors.all_bundles(), "folder": settings.BUNDLES_DIR}
    return render(request, "clusters/bundles.html", context)
