"""Pages of a tenant's webhooks: the list, one with its deliveries, and the forms that change them.

A secret is in the answer that made it and nowhere else, so these answers are no redirects.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from kcloud_site.tenants import permissions
from kcloud_site.tenants.errors import TenantError
from kcloud_site.tenants.forms.confirmation import NameConfirmation
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.views import answers
from kcloud_site.webhooks import selectors
from kcloud_site.webhooks.forms import DeliveryFilter, WebhookForm
from kcloud_site.webhooks.models import Delivery, Webhook
from kcloud_site.webhooks.services import webhooks

ROWS_A_PAGE = 25
SEE, MANAGE = "webhook.view", "webhook.manage"
change = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@login_required
def hook_list(request: HttpRequest, name: str) -> HttpResponse:
    """Who is told what, and how the last message went."""
    tenant = answers.opened(request, name, SEE)
    context = {
        "lines": selectors.lines(tenant),
        "may_change": permissions.may(request.user, MANAGE, tenant),
    }
    return answers.tenant_page(request, "webhooks/list.html", tenant, "webhooks", context)


@change
@login_required
def create(request: HttpRequest, name: str) -> HttpResponse:
    """A new one; its secret is shown in the answer."""
    tenant = answers.opened(request, name, MANAGE)
    form = WebhookForm(request.POST or None)
    made: list[tuple[Webhook, str]] = []
    if answers.taken(
        form,
        lambda: made.append(webhooks.create_webhook(tenant=tenant, **form.cleaned_data, by=request.user)),
    ):
        return _secret(request, tenant, *made[0], is_new=True)
    return answers.tenant_page(request, "webhooks/form.html", tenant, "webhooks", {"form": form})


@require_safe
@login_required
def detail(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Where it leads, what it wants to be told, and its messages, newest first."""
    tenant, hook = _opened(request, name, pk, SEE)
    form = DeliveryFilter(request.GET)
    state = form.cleaned_data["state"] if form.is_valid() else ""
    rows = selectors.deliveries(hook, state)
    page = selectors.BoundedPaginator(rows, ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "hook": hook,
        "line": selectors.line(hook),
        "states": DeliveryFilter.STATES,
        "chosen": state,
        "page": page,
        "is_waiting": selectors.is_waiting(page) and hook.enabled,
        "is_filtered": bool(state),
        "tenant": tenant,
        "may_change": permissions.may(request.user, MANAGE, tenant),
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "webhooks/detail.html#rows", context)
    return answers.tenant_page(request, "webhooks/detail.html", tenant, "webhooks", context)


@change
@login_required
def edit(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    tenant, hook = _opened(request, name, pk, MANAGE)
    form = WebhookForm(request.POST or None, hook=hook)
    if answers.taken(
        form,
        lambda: webhooks.revise_webhook(
            webhook=hook, **form.cleaned_data, enabled=hook.enabled, by=request.user
        ),
    ):
        messages.success(request, _("Saved."))
        return answers.see("webhooks:detail", name, pk)
    context = {"form": form, "hook": hook}
    return answers.tenant_page(request, "webhooks/form.html", tenant, "webhooks", context)


@require_POST
@login_required
def pause(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Tell it nothing any more; or, when it was paused, go on."""
    _tenant, hook = _opened(request, name, pk, MANAGE)
    webhooks.revise_webhook(
        webhook=hook, url=hook.url, events=hook.events, enabled=not hook.enabled, by=request.user
    )
    said = (
        _("%(name)s is told again, from now on.") if hook.enabled else _("%(name)s is told nothing any more.")
    )
    messages.success(request, said % {"name": hook.name})
    return answers.see("webhooks:detail", name, pk)


@require_POST
@login_required
def secret(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """A new secret, shown in the answer; the old one signs nothing any more."""
    tenant, hook = _opened(request, name, pk, MANAGE)
    return _secret(request, tenant, hook, webhooks.replace_secret(webhook=hook, by=request.user))


@require_POST
@login_required
def test(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Have a test message sent; what becomes of it is at the top of the deliveries."""
    _tenant, hook = _opened(request, name, pk, MANAGE)
    said = _("A test message is on its way: see the deliveries.")
    return _done(request, name, hook, lambda: webhooks.send_test(webhook=hook, by=request.user), said)


@change
@login_required
def remove(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Type its name: it is forgotten with its deliveries."""
    tenant, hook = _opened(request, name, pk, MANAGE)
    form = NameConfirmation(request.POST or None, expected=hook.name)
    if answers.taken(form, lambda: webhooks.delete_webhook(webhook=hook, by=request.user)):
        messages.success(request, _("The webhook is removed."))
        return answers.see("webhooks:list", name)
    context = {"form": form, "hook": hook}
    return answers.tenant_page(request, "webhooks/remove.html", tenant, "webhooks", context)


@require_safe
@login_required
def delivery(request: HttpRequest, name: str, pk: int, delivery: int) -> HttpResponse:
    """One message: what was sent, what came back, when it is tried again."""
    tenant, hook = _opened(request, name, pk, SEE)
    found = get_object_or_404(Delivery, webhook=hook, pk=delivery)
    context = {
        "hook": hook,
        "delivery": found,
        "text": json.dumps(found.payload, indent=2, ensure_ascii=False),
        "may_change": permissions.may(request.user, MANAGE, tenant),
    }
    return answers.tenant_page(request, "webhooks/delivery.html", tenant, "webhooks", context)


@require_POST
@login_required
def again(request: HttpRequest, name: str, pk: int, delivery: int) -> HttpResponse:
    """Send a message once more."""
    _tenant, hook = _opened(request, name, pk, MANAGE)
    found = get_object_or_404(Delivery, webhook=hook, pk=delivery)
    said = _("The message is sent again.")
    return _done(request, name, hook, lambda: webhooks.redeliver(delivery=found, by=request.user), said)


def _opened(request: HttpRequest, name: str, pk: int, right: str) -> tuple[Tenant, Webhook]:
    tenant = answers.opened(request, name, right)
    return tenant, get_object_or_404(Webhook, tenant=tenant, pk=pk)


def _secret(
    request: HttpRequest, tenant: Tenant, hook: Webhook, shown: str, is_new: bool = False
) -> HttpResponse:
    context = {"hook": hook, "secret": shown, "is_new": is_new}
    return answers.tenant_page(request, "webhooks/secret.html", tenant, "webhooks", context)


def _done(
    request: HttpRequest, name: str, hook: Webhook, act: Callable[[], object], said: str
) -> HttpResponse:
    """Back to its page, with what was done or why it was not."""
    try:
        act()
    except TenantError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, said)
    return answers.see("webhooks:detail", name, hook.pk)
