"""The plan of a cluster: write it, revise it, look at its history, take it home as YAML.

422 with the fields marked when the plan is refused, 412 when somebody saved meanwhile, 303 after a save.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from clusters.errors import PlanChanged, PlanLocked
from clusters.forms.plans import PlanFileForm, PlanForm, initial_of
from clusters.models import Cluster, PlanRevision
from clusters.planning import plan_yaml
from clusters.planning.plan import PlanInvalid, PlanSpec
from clusters.selectors import plan_pages
from clusters.selectors import plans as selectors
from clusters.services import plans, preflight
from clusters.views import answers
from kcloud_site.tenants.permissions import operator_required

REVISIONS_A_PAGE = 20


def planned_cluster(name: str) -> Cluster:
    """The cluster of that name, if it has a plan; 404 otherwise."""
    cluster = get_object_or_404(Cluster.objects.select_related("region"), name=name)
    if cluster.origin != Cluster.Origin.DEPLOYED:
        raise Http404(_("An imported cluster has no plan."))
    return cluster


@require_http_methods(["GET", "HEAD", "POST"])
@operator_required
def plan_create(request: HttpRequest) -> HttpResponse:
    """A new draft: an empty form with networks that are still free."""
    if request.method != "POST":
        return _page(request, None, _form(None, None, initial=plan_pages.new_plan_values()))
    form = _form(None, None, data=request.POST)
    if not form.is_valid():
        return _page(request, None, form, status=422)
    try:
        cluster = plans.create_cluster(spec=form.spec_data(), by=request.user, note=form.cleaned_data["note"])
    except PlanInvalid as refused:
        form.show_problems(refused.problems)
        return _page(request, None, form, status=422)
    return _saved(request, cluster)


@require_http_methods(["GET", "HEAD", "POST"])
@operator_required
def plan(request: HttpRequest, name: str) -> HttpResponse:
    """The newest revision as a form, with its preflight and what deploying it means."""
    cluster = planned_cluster(name)
    revision, spec = selectors.current_plan(cluster)
    if request.method != "POST":
        return _page(request, cluster, _form(cluster, spec, initial=initial_of(spec, revision.number)))
    if request.POST.get("action") == "discard":
        return _discard(request, cluster)
    form = _form(cluster, spec, data=request.POST)
    if not form.is_valid():
        return _page(request, cluster, form, status=422)
    try:
        plans.revise_plan(
            cluster=cluster,
            spec=form.spec_data(),
            by=request.user,
            note=form.cleaned_data["note"],
            expected_revision=form.cleaned_data["revision"] or 0,
        )
    except PlanInvalid as refused:
        form.show_problems(refused.problems)
        return _page(request, cluster, form, status=422)
    except PlanChanged as changed:
        form.add_error(None, str(changed))
        return _page(request, cluster, form, status=412)
    except PlanLocked as locked:
        form.add_error(None, str(locked))
        return _page(request, cluster, form, status=409)
    return _saved(request, cluster)


def _form(cluster: Cluster | None, spec: PlanSpec | None, **kwargs: Any) -> PlanForm:
    choices = plan_pages.choices(cluster, spec)
    return PlanForm(
        choosable=choices.hosts, regions=choices.regions, bundles=choices.bundles, spec=spec, **kwargs
    )


def _page(
    request: HttpRequest, cluster: Cluster | None, form: PlanForm, *, status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "cluster": cluster,
        "action_url": reverse("clusters:plan_create"),
    }
    if cluster is not None:
        context |= plan_pages.page(cluster)
        context["action_url"] = reverse("clusters:plan", args=[cluster.name])
    cells = context["panel"].cells if cluster is not None else {}
    context["host_rows"] = [
        {**row, "cell": cells.get(row["host"].name), "facts": plan_pages.size_of(row["host"])}
        for row in form.host_rows()
    ]
    return render(request, "clusters/plan.html", context, status=status)


def _saved(request: HttpRequest, cluster: Cluster) -> HttpResponse:
    """After a save: start the preflight when that was asked for, and go to the plan's own page."""
    if request.POST.get("action") == "check":
        preflight.start_preflight(cluster=cluster, by=request.user)
    else:
        number = selectors.current_plan(cluster)[0].number
        messages.success(request, _("Saved as revision %(number)d.") % {"number": number})
    return answers.see("clusters:plan", cluster.name)


def _discard(request: HttpRequest, cluster: Cluster) -> HttpResponse:
    try:
        plans.discard_draft(cluster=cluster, by=request.user)
    except PlanLocked as locked:
        messages.error(request, str(locked))
        return answers.see("clusters:plan", cluster.name)
    messages.success(request, _("The draft %(name)s is discarded.") % {"name": cluster.name})
    return answers.see("clusters:list")


@require_safe
@operator_required
def plan_history(request: HttpRequest, name: str) -> HttpResponse:
    """Every revision, newest first, each with its difference to the one before."""
    cluster = planned_cluster(name)
    page = Paginator(cluster.revisions.order_by("-number"), REVISIONS_A_PAGE).get_page(
        request.GET.get("page")
    )
    rows = list(page.object_list)
    before = (
        cluster.revisions.filter(number__lt=rows[-1].number).order_by("-number").first() if rows else None
    )
    entries = selectors.history([*rows, before] if before else rows)
    context = {
        "cluster": cluster,
        "page": page,
        "entries": [entry for entry in entries if entry.revision in rows],
        "order": _("newest first"),
    }
    return render(request, "clusters/history.html", context)


@require_safe
@operator_required
def plan_yaml_file(request: HttpRequest, name: str) -> HttpResponse:
    """The plan as YAML; ?revision=N for an older one."""
    cluster = planned_cluster(name)
    wanted = request.GET.get("revision", "")
    rows = cluster.revisions.order_by("-number")
    if wanted:
        rows = rows.filter(number=int(wanted)) if wanted.isdecimal() and len(wanted) < 9 else rows.none()
    revision: PlanRevision | None = rows.first()
    if revision is None:
        raise Http404(_("There is no such revision."))
    return HttpResponse(
        plan_yaml.dump(revision.spec),
        content_type="text/yaml; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{cluster.name}-plan-{revision.number}.yaml"'},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@operator_required
def plan_upload(request: HttpRequest) -> HttpResponse:
    """A new draft out of a YAML file, or of pasted text."""
    form = PlanFileForm(request.POST or None, request.FILES or None)
    if request.method != "POST":
        return render(request, "clusters/plan_upload.html", {"form": form})
    if form.is_valid():
        try:
            data = plan_yaml.load(_text_of(form))
            return _saved(request, plans.create_cluster(spec=data, by=request.user, note=_("from a file")))
        except PlanInvalid as refused:
            for problem in refused.problems:
                text = f"{problem.path or _('plan')}: {problem.message_in(_)} {problem.remedy_in(_)}"
                form.add_error("text", text.strip())
    return render(request, "clusters/plan_upload.html", {"form": form}, status=422)


def _text_of(form: PlanFileForm) -> str:
    file = form.cleaned_data["file"]
    if file is None:
        return str(form.cleaned_data["text"])
    return str(file.read(plan_yaml.SIZE_LIMIT + 1).decode("utf-8", "replace"))
