"""Errors of the API as application/problem+json (RFC 9457) with a stable `code` and a `remedy`.

STATUS is the one table of what services raise: the first class that fits gives the status, the error's own class the
code ("SubjectBusy" is "subject_busy"). What nobody foresaw is a 500 without details.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from apps import errors as apps
from clusters import errors as clusters
from clusters.problems import PlanInvalid
from kcloud_site.operations.errors import OperationNotResumable, SubjectBusy
from kcloud_site.tenants.encryption import SecretUnreadable
from kcloud_site.tenants.errors import TenantError, TokenRefused
from kcloud_site.tenants.resources import quantity
from kcloud_site.webhooks.errors import WebhookRefused

CONTENT_TYPE = "application/problem+json"
PREFIX = "/api/"
STATUS: tuple[tuple[type[Exception], int], ...] = (
    (SubjectBusy, 409),
    (OperationNotResumable, 409),
    (TokenRefused, 422),
    (WebhookRefused, 422),
    (TenantError, 409),
    (PlanInvalid, 422),
    (apps.SpecInvalid, 422),
    (apps.RegistryUnreachable, 503),
    (apps.ImageForbidden, 422),
    (apps.ImageNameRefused, 422),
    (apps.ImageNotFound, 422),
    (clusters.PlanChanged, 412),
    (apps.ConfigurationChanged, 412),
    (apps.FourEyes, 403),
    (clusters.ValueRefused, 422),
    (clusters.KubeconfigRefused, 422),
    (clusters.AddressRefused, 422),
    (clusters.HostError, 422),
    (clusters.ClusterUnreachable, 503),
    (apps.LogStoreUnreachable, 503),
    (clusters.ClusterRefused, 409),
    (clusters.ClusterError, 409),
    (SecretUnreadable, 503),
)
_CODES = {
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
}


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None lets an unforeseen error become a 500."""
    view = context.get("view")
    known = next((status for kind, status in STATUS if isinstance(error, kind)), None)
    if known is not None:
        set_rollback()
        return _response(_of_service(error, known, view), _headers_of(error))
    response = exception_handler(error, context)
    if response is None:
        return None
    status = 422 if isinstance(error, exceptions.ValidationError) else response.status_code
    kept = {name: response[name] for name in ("WWW-Authenticate", "Retry-After") if name in response}
    wait = getattr(error, "wait", None)
    if wait and "Retry-After" not in kept:
        kept["Retry-After"] = str(int(wait))
    errors = list(_pointed(error.detail, "")) if isinstance(error, exceptions.ValidationError) else []
    return _response(
        _problem(status, _code_of(error, status), _detail_of(error, response, errors), errors), kept
    )


def _response(problem: dict[str, Any], headers: Mapping[str, str]) -> Response:
    return Response(problem, status=problem["status"], headers=dict(headers), content_type=CONTENT_TYPE)


def _problem(
    status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None, remedy: str = ""
) -> dict[str, Any]:
    return {
        "type": f"urn:kcloud:problem:{code}",
        "status": status,
        "title": HTTPStatus(status).phrase,
        "code": code,
        "detail": detail,
        "errors": errors or [],
        "remedy": remedy or _remedy(status, code),
    }


# ---- errors of services


def _of_service(error: Exception, status: int, view: Any) -> dict[str, Any]:
    code = _snake(type(error).__name__)
    what = " ".join(part for part in (getattr(error, "what", ""), getattr(error, "why", "")) if part)
    problem = _problem(
        status,
        code,
        what or str(error),
        list(_fields(error, view)),
        getattr(error, "remedy", "") or str(error),
    )
    if isinstance(error, apps.SpecInvalid):
        problem["detail"] = _("The release is refused. Nothing was saved.")
        if isinstance(error, apps.ConfigurationInvalid):
            problem["detail"] = _("The configuration is refused. Nothing was saved.")
        problem["remedy"] = _remedy(422, code)
    if isinstance(error, PlanInvalid):
        problem["detail"] = _("The plan is refused. Nothing was saved.")
        problem["remedy"] = _remedy(422, code)
    if isinstance(error, SecretUnreadable):
        problem["detail"] = _("A stored secret does not open: the portal runs with another master key.")
        problem["remedy"] = _("Ask a platform operator to start it with the key it was sealed with.")
    if isinstance(error, SubjectBusy) and error.operation_id:
        problem["operation"] = f"/api/v1/operations/{error.operation_id}"
    return problem


def _fields(error: Exception, view: Any) -> Iterator[dict[str, str]]:
    if isinstance(error, PlanInvalid | apps.SpecInvalid):
        for each in error.problems:
            place = "/spec" if isinstance(error, PlanInvalid) else getattr(view, "spec_place", "/spec")
            path = f"{place}/{each.path.replace('.', '/')}" if each.path else place
            text = f"{each.message_in(_)} {each.remedy_in(_)}".strip()
            yield {"pointer": path, "message": text}
    elif isinstance(error, clusters.KubeconfigRefused):
        where = f"{error.field}: " if error.field else ""
        yield {"pointer": "/kubeconfig", "message": f"{where}{error.problem.message_in(_)}"}
    elif isinstance(error, clusters.QuotaExceeded):
        for part, by in error.lacking.items():
            place = getattr(view, "places", {}).get(part, f"/spec/{part}")
            yield {"pointer": place, "message": _("%(amount)s too much.") % {"amount": quantity(part, by)}}
    elif field := getattr(error, "field", ""):
        place = getattr(view, "places", {}).get(field, f"/spec/{field}")
        yield {"pointer": place, "message": str(error)}


def _headers_of(error: Exception) -> dict[str, str]:
    return {"Retry-After": "5"} if isinstance(error, SubjectBusy | clusters.ClusterUnreachable) else {}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


# ---- errors of the framework


def _code_of(error: Exception, status: int) -> str:
    if isinstance(error, exceptions.ParseError):
        return "malformed"
    return _CODES.get(status) or str(getattr(error, "default_code", "error"))


def _detail_of(error: Exception, response: Response, errors: list[dict[str, str]]) -> str:
    if isinstance(error, Http404 | exceptions.NotFound):
        # The same words whether it is absent or not for these eyes.
        return _("There is no such thing.")
    if errors:
        return _("Something in the request is not right: see errors.")
    if isinstance(error, PermissionDenied):
        return str(error) or _("You may not do this.")
    data = response.data
    return str(data.get("detail", "") if isinstance(data, dict) else data)


def _pointed(detail: Any, pointer: str) -> Iterator[dict[str, str]]:
    """Messages of a ValidationError, each with the JSON pointer of its place."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            step = "" if name == "non_field_errors" else "/" + str(name).replace("~", "~0").replace("/", "~1")
            yield from _pointed(inner, pointer + step)
    elif isinstance(detail, list):
        for number, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            yield from _pointed(inner, f"{pointer}/{number}" if nested else pointer)
    else:
        yield {"pointer": pointer, "message": str(detail)}


def _remedy(status: int, code: str) -> str:
    said = {
        400: _("Send well-formed JSON."),
        401: _("Send a valid token: Authorization: Token …"),
        403: _("Ask a platform operator for the right, or use a token of somebody who has it."),
        404: _("Check the address; the list above it shows what exists."),
        405: _("Look up in /api/v1/docs what this address takes."),
        406: _("Accept application/json."),
        409: _("Wait until it has ended, then ask again."),
        412: _("Read it again, look at what changed, and send your change with the new ETag."),
        415: _("Send application/json."),
        422: _("Correct the fields named in errors, then send the request again."),
        428: _("Send the ETag you read as If-Match."),
        429: _("Wait as many seconds as Retry-After says."),
    }
    if status >= 500:
        return _("Try again in a moment. If it stays so, tell a platform operator the time and the address.")
    return said.get(status, _("Correct the request and send it again."))


# ---- what no view of the API answers (kcloud_site.urls)


def _for_api(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse | None:
    if not request.path.startswith(PREFIX):
        return None
    return JsonResponse(_problem(status, code, detail), status=status, content_type=CONTENT_TYPE)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    detail = _("The request is not one the portal can read.")
    return _for_api(request, 400, "bad_request", detail) or defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    answer = _for_api(request, 403, "forbidden", _("You may not do this."))
    return answer or defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    answer = _for_api(request, 404, "not_found", _("There is no such thing."))
    return answer or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    detail = _("The portal met an error it did not foresee. It is in its log.")
    return _for_api(request, 500, "server_error", detail) or defaults.server_error(request)
