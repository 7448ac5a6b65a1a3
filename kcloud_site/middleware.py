"""Per-request settings of the console: language, time zone, headers, and answers to what nobody caught."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.requests import ConsoleRequest
from kcloud_site.sign_in.selectors import must_add_second_factor

Answer = Callable[[HttpRequest], HttpResponse]

# Where somebody with a one-time password may still go.
_BEFORE_NEW_PASSWORD = ("password_change", "logout", "language", "login")
# Where an operator who needs a second factor may still go: to set one up.
_BEFORE_SECOND_FACTOR = (
    *_BEFORE_NEW_PASSWORD,
    "appearance",
    "mfa_index",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "account_reauthenticate",
)


class PreferencesMiddleware:
    """The reader's own language and time zone.

    Before anything else is done a one-time password is replaced, and an operator sets up the second factor that the
    portal asks for (KCLOUD_OPERATOR_MFA).
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not user.is_authenticated:
            timezone.deactivate()
            return self.get_response(request)
        if user.language:
            translation.activate(user.language)
            request.LANGUAGE_CODE = translation.get_language()
        _activate_zone(user.time_zone)
        if user.must_change_password and not _is_open(request.path_info, _BEFORE_NEW_PASSWORD):
            return redirect("password_change")
        if must_add_second_factor(user) and not _is_open(request.path_info, _BEFORE_SECOND_FACTOR):
            return _second_factor_first(request)
        return self.get_response(request)


class ConsoleHeadersMiddleware:
    """`Vary: HX-Request` and `no-store`; a fragment whose session ended sends the whole page to sign-in.

    An operation asked for on a busy subject is answered 409 with the way to the running one, whichever view it was.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: ConsoleRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.htmx and _leads_to_sign_in(response):
            response = _sign_in_again(request)
        patch_vary_headers(response, ("HX-Request",))
        if "Cache-Control" not in response:
            response["Cache-Control"] = "no-store"
        return response

    def process_exception(self, request: ConsoleRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, SubjectBusy):
            return None
        known = error.operation_id
        address = reverse("operations:detail", args=[known]) if known else reverse("operations:list")
        if request.htmx:
            messages.error(request, str(error))
            return _client_redirect(address)
        context = {"reason": str(error), "operation_id": error.operation_id, "address": address}
        return render(request, "409.html", context, status=409)


def _activate_zone(name: str) -> None:
    try:
        zone = zoneinfo.ZoneInfo(name) if name else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        zone = None  # the system's zone list shrank since the person chose
    if zone is None:
        timezone.deactivate()
    else:
        timezone.activate(zone)


def _second_factor_first(request: HttpRequest) -> HttpResponse:
    """To the page that sets one up; a program that borrowed the session is told so."""
    if not request.path_info.startswith("/api/"):
        return redirect("mfa_index")
    said = {
        "type": "about:blank",
        "status": 403,
        "title": "Forbidden",
        "code": "second_factor_needed",
        "detail": _("Platform operators need a second factor on this portal."),
        "remedy": _("Set one up in the console, or use an API token."),
    }
    return JsonResponse(said, status=403, content_type="application/problem+json")


def _is_open(path: str, names: tuple[str, ...]) -> bool:
    return path in {reverse(name) for name in names}


def _leads_to_sign_in(response: HttpResponse) -> bool:
    return response.status_code == 302 and urlsplit(response.get("Location", "")).path == resolve_url("login")


def _sign_in_again(request: ConsoleRequest) -> HttpResponse:
    current = urlsplit(request.htmx.current_url or "")
    back = current.path + (f"?{current.query}" if current.query else "")
    messages.warning(request, _("Your session ended. Sign in to go on where you were."))
    return _client_redirect(f"{reverse('login')}?{urlencode({'next': back or '/'})}")


def _client_redirect(address: str) -> HttpResponse:
    """Tell htmx to load a whole page."""
    response = HttpResponse()
    response["HX-Redirect"] = address
    return response
