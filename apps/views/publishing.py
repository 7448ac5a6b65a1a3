"""Publishing a release: the same release as fields or as text, begun as the newest one is.

Every button of the page sends the whole form, so nothing typed is lost: `switch` shows it the other way, `add` and
`remove` change the number of rows, everything else publishes. 422 with the fields marked when it is refused, 303 after.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.errors import ImageError, SpecInvalid
from apps.forms.releases import FieldsForm, TextForm
from apps.importing.documents import load_all
from apps.models import App, Release
from apps.services import releases as services
from apps.specs.fields import ROWS, Fields, can_show, fields_of
from apps.specs.reading import parse
from apps.specs.spec import Spec, as_json
from apps.specs.written import written
from apps.views.frame import app_frame, opened_app
from clusters.errors import ClusterError
from clusters.forms import refusals
from clusters.planning.plan_yaml import dump
from clusters.views import answers

PublishForm = FieldsForm | TextForm


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def publish(request: HttpRequest, tenant: str, app: str) -> HttpResponse:
    """A new release; begins as the newest one is. `?as=text` begins with the text."""
    found = opened_app(request, tenant, app, "release.publish")
    if request.method != "POST":
        spec = _beginning(found)
        return _page(request, found, _shown(spec, {}, as_text=request.GET.get("as") == "text"))
    if "spec" in request.POST:
        return _from_text(request, found)
    return _from_fields(request, found)


def _from_fields(request: HttpRequest, app: App) -> HttpResponse:
    form = FieldsForm(request.POST)
    changed = _with_other_rows(form.shown, request.POST)
    if changed is not None:
        return _page(request, app, FieldsForm(shown=changed, initial=_said(request)))
    made = written(form.shown)
    if request.POST.get("switch") == "text" and not made.problems:
        text = dump(made.document)
        return _page(request, app, TextForm(initial={**_said(request), "spec": text}))
    form.show_problems((each.path, each) for each in made.problems)
    if request.POST.get("switch") != "text":
        try:
            parse(made.document)
        except SpecInvalid as refused:
            form.show_problems((made.field_of(each.path), each) for each in refused.problems)
        release = _published(app, form, made.document, request.user) if form.is_valid() else None
        if release is not None:
            return _done(request, app, release)
    return _page(request, app, form)


def _from_text(request: HttpRequest, app: App) -> HttpResponse:
    form = TextForm(request.POST)
    switching = request.POST.get("switch") == "fields"
    problems: list[tuple[str, str]] = []
    try:
        (document,) = load_all(str(request.POST["spec"])) or [None]
        spec = parse(document)
    except SpecInvalid as refused:
        problems = [
            (each.path, f"{each.message_in(_)} {each.remedy_in(_)}".strip()) for each in refused.problems
        ]
        form.add_error("spec", _("The release is refused. Nothing was saved."))
    except ValueError:
        form.add_error("spec", _("Write one document."))
    else:
        if switching and can_show(spec):
            return _page(request, app, _shown(spec, _said(request)))
        if switching:
            form.add_error("spec", _("A carriage return inside a value can be edited as text only."))
        release = _published(app, form, document, request.user) if form.is_valid() else None
        if release is not None:
            return _done(request, app, release)
    return _page(request, app, form, problems)


def _published(app: App, form: PublishForm, document: object, by: Any) -> Release | None:
    """The release; None after what refused it was put on the form."""
    said = form.cleaned_data
    try:
        return services.publish_release(
            app=app, version=said["version"], spec=document, notes=said["notes"], by=by
        )
    except ImageError as refused:
        # Which container's image it is, the message says; with one container it can only be that one.
        alone = isinstance(form, FieldsForm) and "containers" not in form.shown.rest
        form.add_error("image" if alone else None, str(refused))
    except ClusterError as refused:
        refusals.show(form, refused)
    return None


def _with_other_rows(fields: Fields, data: Any) -> Fields | None:
    """The fields after "add" or "remove" was pressed; None when neither was."""
    if data.get("add") in ROWS:
        return fields.with_row(data["add"])
    group, _dash, number = str(data.get("remove", "")).partition("-")
    if group in ROWS and number.isascii() and number.isdecimal() and len(number) < 5:
        return fields.without_row(group, int(number))
    return None


def _said(request: HttpRequest) -> dict[str, str]:
    """What stays whichever way the release is shown."""
    return {name: request.POST.get(name, "") for name in ("version", "notes")}


def _shown(spec: Spec, said: dict[str, str], *, as_text: bool = False) -> PublishForm:
    if as_text or not can_show(spec):
        return TextForm(initial={**said, "spec": dump(as_json(spec))})
    return FieldsForm(shown=fields_of(spec), initial=said)


def _beginning(app: App) -> Spec:
    newest = app.releases.order_by("-number").first()
    if newest is not None:
        return parse(newest.spec)

    def asks(**more: int) -> dict[str, Any]:
        return {"type": "http", "port": 8080, "path": "/", **more}

    container = {
        "name": app.name,
        "image": f"{settings.REGISTRY_HOST}/{app.tenant.name}/{app.name}:1.0",
        "ports": [{"name": "http", "port": 8080}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "probes": {"startup": asks(failures=30, period=2), "readiness": asks(), "liveness": asks()},
    }
    return parse({"containers": [container], "service": {"ports": [{"name": "http", "port": 80}]}})


def _done(request: HttpRequest, app: App, made: Release) -> HttpResponse:
    messages.success(request, _("Release %(version)s was published.") % {"version": made.version})
    return answers.see("apps:release", app.tenant.name, app.name, made.number)


def _page(
    request: HttpRequest, app: App, form: PublishForm, problems: list[tuple[str, str]] | None = None
) -> HttpResponse:
    context = {
        **app_frame(request, app, "releases"),
        "form": form,
        "problems": problems or [],
        "title": _("Publish a release"),
        "back": reverse("apps:releases", args=[app.tenant.name, app.name]),
        "as_text": isinstance(form, TextForm),
        # After a row came or went, the keyboard goes on where it was.
        "focus": request.POST.get("add") or request.POST.get("remove", "").partition("-")[0],
    }
    if isinstance(form, FieldsForm):
        context |= {"rows": form.rows(), "probes": form.probes(), "rest": sorted(form.shown.rest)}
    return answers.form_page(request, "apps/publish.html", context)
