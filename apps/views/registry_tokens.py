"""The address where clients of the platform's registry fetch tokens (docker's token protocol), with Basic sign-in.

Clients reach it through the registry's own port, which tells the portal whose request it is and proves that it is the
registry that says so.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_safe

from apps.services import registry_keys, registry_tokens
from apps.services.registry_tokens import SignInRefused
from kcloud_site.rest.throttles import AddressThrottle
from kcloud_site.sign_in.errors import TooManyTries

MOST_HEADER = 8192


@csrf_exempt
@never_cache
@require_GET
def token(request: HttpRequest) -> JsonResponse:
    """A token for the scopes asked for; as much of them as the person may have."""
    now = timezone.now()
    given = _basic(request)
    if given is None:
        return _error(401, "UNAUTHORIZED", "sign in with your user name and an API token of the portal")
    throttle = _Throttle(_client(request, now))
    if not throttle.allow_request(request, None):  # type: ignore[arg-type]
        return _error(429, "TOOMANYREQUESTS", "too many requests from this address; try again in a minute")
    try:
        who = registry_tokens.sign_in_as(name=given[0], password=given[1], address=throttle.address, now=now)
    except (SignInRefused, TooManyTries) as error:
        status, code = (429, "TOOMANYREQUESTS") if isinstance(error, TooManyTries) else (401, "UNAUTHORIZED")
        return _error(status, code, str(error))
    made, _granted = registry_tokens.token_for(who=who, scopes=request.GET.getlist("scope"), now=now)
    lasts = int(registry_tokens.LASTS.total_seconds())
    issued = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    return JsonResponse({"token": made, "access_token": made, "expires_in": lasts, "issued_at": issued})


class _Throttle(AddressThrottle):
    """Counts with the addresses of the API."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def get_ident(self, request: Any) -> str:
        return self.address


def _basic(request: HttpRequest) -> tuple[str, str] | None:
    kind, _space, rest = request.headers.get("Authorization", "")[:MOST_HEADER].partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if colon and name and password else None


def _client(request: HttpRequest, now: datetime) -> str:
    """Whose request it is: as the registry says, if it proves that it is the registry."""
    proof = request.headers.get("X-Kcloud-Registry-Proof", "")
    if proof and hmac.compare_digest(proof.encode(), registry_keys.identity(now).proof.encode()):
        return request.headers.get("X-Kcloud-Registry-Client", "")[:45]
    return AddressThrottle().get_ident(request)  # type: ignore[arg-type]


def _error(status: int, code: str, message: str) -> JsonResponse:
    answer = JsonResponse({"errors": [{"code": code, "message": message}]}, status=status)
    if status == 401:
        answer["WWW-Authenticate"] = 'Basic realm="KCloud", charset="UTF-8"'
    return answer


@require_safe
def authority(request: HttpRequest) -> HttpResponse:
    """The certificate clients of the registry trust: no secret, and needed before anybody can sign in there."""
    answer = HttpResponse(
        registry_keys.authority_certificate(timezone.now()), content_type="application/x-pem-file"
    )
    answer["Content-Disposition"] = 'attachment; filename="ca.crt"'
    return answer
