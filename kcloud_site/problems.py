"""Errors of the API as application/problem+json (RFC 9457) with a stable `code` and a `remedy`."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: the same status, our body. None lets an unforeseen error become a 500."""
    response = exception_handler(error, context)
    if response is None:
        return None
    code, remedy = _code_and_remedy(error)
    detail = response.data.get("detail") if isinstance(response.data, dict) else response.data
    response.data = {
        "type": "about:blank",
        "status": response.status_code,
        "title": response.status_text,
        "code": code,
        "detail": str(detail or ""),
        "remedy": remedy,
    }
    response.content_type = "application/problem+json"
    return response


def _code_and_remedy(error: Exception) -> tuple[str, str]:
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return "not_authenticated", _("Send a valid token: Authorization: Token …")
    if isinstance(error, PermissionDenied | exceptions.PermissionDenied):
        return "forbidden", _("Ask a platform operator for the right, or use a token of somebody who has it.")
    if isinstance(error, Http404 | exceptions.NotFound):
        return "not_found", _("Check the address; the list above it shows what exists.")
    if isinstance(error, exceptions.MethodNotAllowed):
        return "method_not_allowed", _("This address can be read only.")
    code = getattr(error, "default_code", "error")
    return str(code), _("Correct the request and send it again.")
