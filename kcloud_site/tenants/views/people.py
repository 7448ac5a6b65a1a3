"""Pages about the person at the screen: preferences."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from kcloud_site.tenants.forms.people import AppearanceForm, LanguageForm, PreferencesForm
from kcloud_site.tenants.models import User


@login_required
def preferences(request: HttpRequest) -> HttpResponse:
    """Language, time zone, appearance and row height of the person."""
    form = PreferencesForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        response = _see(reverse("preferences"))
        if form.cleaned_data["language"]:
            _remember_language(response, form.cleaned_data["language"])
        else:
            response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
        messages.success(request, _("Preferences saved."))
        return response
    if request.method == "POST":
        # What was refused must not colour the page that says so.
        cast(User, request.user).refresh_from_db()
    return render(request, "tenants/preferences.html", {"form": form}, status=422 if form.errors else 200)


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Switch the language: for this browser, and for the person if signed in."""
    form = LanguageForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest(_("There is no such language. Choose one the console offers."))
    response = _see(_back(request))
    _remember_language(response, form.cleaned_data["language"])
    if request.user.is_authenticated:
        request.user.language = form.cleaned_data["language"]
        request.user.save(update_fields=["language"])
    return response


@require_POST
@login_required
def appearance(request: HttpRequest) -> HttpResponse:
    """Light or dark, wide or narrow rows: from the account menu."""
    form = AppearanceForm(request.POST, instance=request.user)
    if not form.is_valid():
        return HttpResponseBadRequest(_("There is no such appearance. Choose one the console offers."))
    form.save()
    return _see(_back(request))


def _remember_language(response: HttpResponse, code: str) -> None:
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        code,
        max_age=365 * 24 * 3600,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _back(request: HttpRequest) -> str:
    """The page the form was on, if it is one of ours."""
    address = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return address if ours else reverse("overview")


def _see(address: str) -> HttpResponseRedirect:
    response = redirect(address)
    response.status_code = 303
    return response
