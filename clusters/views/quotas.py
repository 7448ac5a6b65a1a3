"""A tenant's quota: what it may use, has carved out and uses, how that went; operators give and lend."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from clusters.errors import ClusterError
from clusters.forms import refusals
from clusters.forms.requests import AmountForm, LoanForm
from clusters.selectors import quotas as reading
from clusters.selectors import usage as history
from clusters.selectors.resource_texts import WORDS, amount, amounts
from clusters.services import quotas, usage
from clusters.views import answers
from clusters.views.environments import tenant_of
from kcloud_site.tenants import permissions
from kcloud_site.tenants.errors import TenantError
from kcloud_site.tenants.models import Loan, Tenant
from kcloud_site.tenants.resources import PARTS, Resources

change = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@login_required
def quota(request: HttpRequest, tenant: str) -> HttpResponse:
    """Bars of every resource, what each environment takes, loans, and the history of one resource."""
    owner = tenant_of(request, tenant, "quota.view")
    part = request.GET.get("of", "cpu")
    part = part if part in PARTS else "cpu"
    days = {"1": 1, "90": 90}.get(request.GET.get("days", ""), 7)
    now = timezone.now()
    points = history.history(owner, part, days, now)
    context = _standing(request, owner) | {
        "environments": [
            (row, amounts(row.resources), amounts(Resources(**row.used)) if row.used else "–")
            for row in reading.environments_of(owner)
        ],
        "loans": [(loan, amounts(loan.resources)) for loan in reading.open_loans(owner)],
        "may_set": owner.closed_at is None and permissions.may(request.user, "platform.operate", owner),
        "part": part,
        "days": days,
        "parts": [(key, WORDS[key]) for key in PARTS],
        "periods": [(1, _("24 hours")), (7, _("7 days")), (90, _("90 days"))],
        "chart": history.chart(points, part, days, now) if points else None,
        "table": history.table(points, part),
    }
    return render(request, "clusters/quota.html", context)


@require_safe
@login_required
def panel(request: HttpRequest, tenant: str) -> HttpResponse:
    """The bars as a card, for the tenant's home."""
    owner = tenant_of(request, tenant, "quota.view")
    return render(request, "clusters/quota_panel.html", _standing(request, owner))


def _standing(request: HttpRequest, owner: Tenant) -> dict[str, Any]:
    found = reading.standing(owner)
    used = usage.used_by([owner.pk], timezone.now())[owner.pk]
    return {
        "tenant": owner,
        "standing": found,
        "quota_rows": reading.rows(found, used),
        "over": ", ".join(f"{WORDS[part]} {amount(part, by)}" for part, by in found.over.items()),
        "may_ask": owner.closed_at is None and permissions.may(request.user, "request.create", owner),
    }


@change
@login_required
def edit(request: HttpRequest, tenant: str) -> HttpResponse:
    """Give the tenant another total."""
    owner = tenant_of(request, tenant, "platform.operate")
    found = reading.standing(owner)
    form = AmountForm(request.POST or None, initial=AmountForm.told(found.total or Resources()))
    context = {
        "title": _("Set the quota"),
        "what": _("The tenant's total over all clusters. Carved out now: %(carved)s.")
        % {"carved": amounts(found.carved)},
        "submit": _("Set the quota"),
    }
    return _form(request, owner, form, context, lambda given: quotas.set_total(total=form.amount, **given))


@change
@login_required
def lend(request: HttpRequest, tenant: str) -> HttpResponse:
    """Lend the tenant quota until a date."""
    owner = tenant_of(request, tenant, "platform.operate")
    form = LoanForm(request.POST or None)
    context = {
        "title": _("Lend quota"),
        "what": _(
            "On top of the total, until a date; then it returns by itself and nothing that runs stops."
        ),
        "submit": _("Lend"),
    }
    return _form(
        request,
        owner,
        form,
        context,
        lambda given: quotas.lend(amount=form.amount, until=form.until_at, **given),
    )


@require_POST
@login_required
def end_loan(request: HttpRequest, tenant: str, pk: int) -> HttpResponse:
    """Take a loan back before its time."""
    owner = tenant_of(request, tenant, "platform.operate")
    loan = get_object_or_404(Loan.objects.select_related("tenant"), pk=pk, tenant=owner)
    if quotas.end_loan(loan=loan, by=request.user):
        messages.success(request, _("The loan has ended. Nothing that runs was stopped."))
    return answers.see("clusters:quota", owner.name)


def _form(
    request: HttpRequest, owner: Tenant, form: AmountForm, context: dict[str, Any], save: Any
) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        try:
            save({"tenant": owner, "by": request.user, "reason": form.cleaned_data["reason"]})
        except ClusterError as refused:
            refusals.show(form, refused)
        except TenantError as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("Saved."))
            return answers.see("clusters:quota", owner.name)
    back = reverse("clusters:quota", args=[owner.name])
    context |= {"form": form, "tenant": owner, "back": back, "crumb": (back, _("Quota"))}
    return answers.form_page(request, "clusters/quota_form.html", context)
