"""Import from a file, in two steps on one address: first what is understood and what is not, then the chosen ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from apps.errors import SpecInvalid
from apps.forms.imports import ImportForm
from apps.importing.outcome import Candidate, Note
from apps.models import App
from apps.services import importing
from clusters.errors import ClusterError
from clusters.forms import refusals
from clusters.planning.plan_yaml import dump
from clusters.views import answers
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.views.answers import opened

LEVELS = {"taken": "succeeded", "changed": "degraded", "ignored": "skipped", "refused": "failed"}
WORDS = {
    "taken": gettext_lazy("Taken"),
    "changed": gettext_lazy("Changed"),
    "ignored": gettext_lazy("Left out"),
    "refused": gettext_lazy("Refused"),
}


@dataclass(frozen=True)
class Row:
    """One application of the preview."""

    candidate: Candidate
    notes: list[dict[str, Any]]
    problems: list[str]
    exists: bool
    spec: str

    @property
    def can_be(self) -> bool:
        return not self.problems and not self.candidate.is_refused


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def import_apps(request: HttpRequest, tenant: str) -> HttpResponse:
    """A Compose file or manifests as applications."""
    owner = opened(request, tenant, "app.edit")
    form = ImportForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {
        "tenant": owner,
        "form": form,
        "title": _("Import applications"),
        "back": reverse("apps:list", args=[owner.name]),
        "environments": owner.environments.order_by("name"),
    }
    if request.method != "POST" or not form.is_valid():
        return answers.form_page(request, "apps/import.html", context)
    try:
        if "confirm" in request.POST:
            return _make(request, owner, form)
        found = importing.understand(text=form.cleaned_data["text"], source=form.cleaned_data["source"])
    except SpecInvalid as refused:
        for each in refused.problems:
            place = f"{each.path}: " if each.path else ""
            form.add_error("text", f"{place}{each.message_in(_)} {each.remedy_in(_)}".strip())
        return answers.form_page(request, "apps/import.html", context)
    except ClusterError as error:
        refusals.show(form, error)
        return answers.form_page(request, "apps/import.html", context)
    rows = [_row(owner, each) for each in found.candidates]
    more = {"rows": rows, "notes": [told_note(each) for each in found.notes], "given": form.cleaned_data}
    return render(request, "apps/import_preview.html", {**context, **more})


def _make(request: HttpRequest, owner: Tenant, form: ImportForm) -> HttpResponse:
    given = form.cleaned_data
    made = importing.import_apps(
        tenant=owner,
        text=given["text"],
        source=given["source"],
        names=request.POST.getlist("names"),
        version=given["version"],
        by=request.user,
    )
    text = ngettext("%(count)d release was published.", "%(count)d releases were published.", len(made))
    messages.success(request, text % {"count": len(made)})
    return answers.see("apps:list", owner.name)


def _row(owner: Tenant, candidate: Candidate) -> Row:
    return Row(
        candidate=candidate,
        notes=[told_note(each) for each in candidate.notes],
        problems=[f"{each.path}: {each.message_in(_)}" for each in importing.problems_of(candidate)],
        exists=App.objects.filter(tenant=owner, name=candidate.name).exists(),
        spec=dump(candidate.spec),
    )


def told_note(note: Note) -> dict[str, Any]:
    """A note as a page shows it."""
    return {
        "path": note.path,
        "key": LEVELS[note.level],
        "word": WORDS[note.level],
        "text": note.message_in(_),
    }
