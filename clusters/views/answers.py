"""Answers that several pages of the area give: after a form, and before something is deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from clusters.errors import ClusterError
from clusters.forms import refusals
from kcloud_site.tenants.forms.confirmation import NameConfirmation


def see(name: str, *args: Any) -> HttpResponse:
    """303 to a page: reloading it repeats nothing."""
    response = redirect(name, *args)
    response.status_code = 303
    return response


def form_page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """A page with `form`: 422 when the form was refused."""
    return render(request, template, context, status=422 if context["form"].errors else 200)


def delete_page(
    request: HttpRequest,
    *,
    name: str,
    context: dict[str, Any],
    delete: Callable[[], None],
    done: str,
    then: str,
) -> HttpResponse:
    """Ask for the name; `delete` once it was typed, say `done` and go to the page called `then`.

    `context`: title, tab, crumb (its word and address), what (consequence), back (address)."""
    form = NameConfirmation(request.POST or None, expected=name)
    if request.method == "POST" and form.is_valid():
        try:
            delete()
        except ClusterError as error:
            refusals.show(form, error)
        else:
            messages.success(request, done)
            return see(then)
    return form_page(request, "clusters/delete.html", {**context, "form": form, "confirm": name})
