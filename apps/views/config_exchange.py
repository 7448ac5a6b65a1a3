"""Taking a configuration along: download of a revision, and import of such a file with a preview.

Between preview and draft the text lies sealed in the page: it may hold new secrets, and no page shows any.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.access import open_import, seal_import
from apps.configuring import exchange
from apps.errors import ConfigurationChanged, ConfigurationInvalid, ConfigurationRefused
from apps.forms.config_import import ConfigImportForm
from apps.selectors import configurations as reading
from apps.services import config_exchange as services
from apps.views.config_frame import Place, frame_of, opened_place, revision_of
from clusters.views import answers
from kcloud_site.audit import trail
from kcloud_site.tenants.encryption import SecretUnreadable


@require_safe
@login_required
def export(request: HttpRequest, tenant: str, app: str, environment: str, number: int) -> HttpResponse:
    """The revision as a file; its secrets are not in it."""
    place = opened_place(request, tenant, app, environment, "config.view")
    row = revision_of(place, number)
    form = request.GET.get("as", exchange.JSON)
    if form not in exchange.FORMATS:
        raise Http404
    if request.method == "GET":
        trail.record(
            by=request.user,
            action="configuration.export",
            subject=reading.subject_of(row),
            after={"format": form},
        )
    name = f"{place.environment.namespace}-{place.app.name}-r{number}.{exchange.ENDINGS[form]}"
    return HttpResponse(
        reading.exported(row, form),
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def import_config(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """First what it would change, then a draft of it."""
    place = opened_place(request, tenant, app, environment, "config.edit")
    if "sealed" in request.POST:
        return _make(request, place)
    form = ConfigImportForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {**frame_of(request, place), "form": form}
    if request.method != "POST" or not form.is_valid():
        return answers.form_page(request, "apps/config_import.html", context)
    given = form.cleaned_data
    try:
        seen = services.preview_import(
            app=place.app, environment=place.environment, text=given["text"], form=given["format"]
        )
    except ConfigurationInvalid as refused:
        _show(form, refused)
        return answers.form_page(request, "apps/config_import.html", context)
    sealed = seal_import(given["text"], **_sealed_for(request, place))
    more = {"seen": seen, "changes": seen.changes, "sealed": sealed, "given": given}
    return render(request, "apps/config_import_preview.html", {**context, **more})


def _make(request: HttpRequest, place: Place) -> HttpResponse:
    """The draft; what cannot be made is said on the form, to begin again."""
    form = ConfigImportForm({"format": request.POST.get("format", ""), "text": "-"})
    form.is_valid()
    try:
        saved = services.import_draft(
            app=place.app,
            environment=place.environment,
            text=open_import(request.POST["sealed"], **_sealed_for(request, place)),
            form=request.POST.get("format", ""),
            by=request.user,
            note=request.POST.get("note", "")[:500],
            expected=request.POST.get("expected", ""),
        )
    except ConfigurationInvalid as refused:
        _show(form, refused)
    except SecretUnreadable:
        form.add_error(None, _("This preview does not fit any more. Begin again."))
    except (ConfigurationChanged, ConfigurationRefused) as refused:
        form.add_error(None, str(refused))
    else:
        messages.success(request, _("Draft r%(number)s was saved.") % {"number": saved.number})
        return answers.see("apps:config", *place.names)
    form.data = {"format": request.POST.get("format", "")}
    return answers.form_page(request, "apps/config_import.html", {**frame_of(request, place), "form": form})


def _show(form: ConfigImportForm, refused: ConfigurationInvalid) -> None:
    for each in refused.problems:
        place = f"{each.path}: " if each.path else ""
        form.add_error("text", f"{place}{each.message_in(_)} {each.remedy_in(_)}".strip())


def _sealed_for(request: HttpRequest, place: Place) -> dict[str, int]:
    return {"app": place.app.pk, "environment": place.environment.pk, "person": request.user.pk or 0}
