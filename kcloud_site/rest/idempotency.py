"""POST requests that may be sent again: the same `Idempotency-Key` and request give the same answer.

`claim` is asked before a request is carried out. The database's unique constraint lets one of two that arrive at once
through; the other meets StillRunning (409). The same key with another request is KeyReused (422). Only what succeeded
is kept: a request that was refused changed nothing, and may be sent again under its key.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.http.request import RawPostDataException
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from kcloud_site.rest.models import IdempotentRequest

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
# A request that has not answered by then has lost its process.
LONGEST = timedelta(minutes=5)
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_HEADERS = ("Location", "ETag", "Retry-After")


class StillRunning(exceptions.APIException):
    """409: the first request with this key has not been answered yet."""

    status_code = 409
    default_code = "still_running"
    default_detail = _("The first request with this Idempotency-Key is still at work. Ask again in a moment.")
    wait = 2


class KeyReused(exceptions.APIException):
    """422: the key belongs to another request."""

    status_code = 422
    default_code = "idempotency_key_reused"
    default_detail = _("This Idempotency-Key was sent with another request. Use a new key for a new request.")


class KeyUnusable(exceptions.APIException):
    """422: not a key."""

    status_code = 422
    default_code = "idempotency_key_unusable"
    default_detail = _("An Idempotency-Key is 1 to 200 visible ASCII characters, for example a UUID.")


class Answered(Exception):
    """The request was answered before: `response` is that answer."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def claim(request: Request) -> IdempotentRequest | None:
    """The row of a request that now is ours to carry out; None without a key. Raises Answered, or why not."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise KeyUnusable
    owner, fingerprint = _owner(request), _fingerprint(request)
    for _attempt in range(3):
        row = _begin(owner, key, fingerprint)
        if row is not None:
            return row
        found = IdempotentRequest.objects.filter(owner=owner, key=key).first()
        if found is not None and not _given_up(found):
            raise _answer(found, fingerprint)
    raise StillRunning


def keep(row: IdempotentRequest, response: Response, secret_fields: tuple[str, ...]) -> None:
    """Remember a success; free the key after a refusal."""
    if response.status_code >= 400:
        release(row)
        return
    body = json.loads(JSONRenderer().render(response.data)) if response.data is not None else None
    if isinstance(body, dict):
        body = {name: None if name in secret_fields else value for name, value in body.items()}
    row.status, row.body = response.status_code, body
    row.headers = {name: response[name] for name in _HEADERS if name in response}
    row.save(update_fields=["status", "body", "headers"])


def release(row: IdempotentRequest) -> None:
    """The request changed nothing."""
    IdempotentRequest.objects.filter(pk=row.pk).delete()


def prune() -> int:
    """Forget answers whose time is over; answers how many. Called by the clock."""
    return IdempotentRequest.objects.filter(expires_at__lt=timezone.now()).delete()[0]


def _begin(owner: str, key: str, fingerprint: str) -> IdempotentRequest | None:
    now = timezone.now()
    try:
        with transaction.atomic():
            return IdempotentRequest.objects.create(
                owner=owner, key=key, fingerprint=fingerprint, begun_at=now, expires_at=now + KEPT
            )
    except IntegrityError:
        return None


def _given_up(row: IdempotentRequest) -> bool:
    """Whether the row is of the past; then it is gone now, unless somebody else was quicker."""
    now = timezone.now()
    is_old = row.expires_at < now or (row.status is None and row.begun_at < now - LONGEST)
    if is_old:
        IdempotentRequest.objects.filter(pk=row.pk, begun_at=row.begun_at, status=row.status).delete()
    return is_old


def _answer(row: IdempotentRequest, fingerprint: str) -> Exception:
    if row.fingerprint != fingerprint:
        return KeyReused()
    if row.status is None:
        return StillRunning()
    headers = {**row.headers, "Idempotency-Replayed": "true"}
    return Answered(Response(row.body, status=row.status, headers=headers))


def _owner(request: Request) -> str:
    token: Any = request.auth
    return f"token:{token.pk}" if token is not None else f"user:{request.user.pk}"


def _fingerprint(request: Request) -> str:
    try:
        body = request.body
    except RawPostDataException:  # a form was read already; only JSON is taken
        raise exceptions.UnsupportedMediaType(request.content_type) from None
    asked = f"{request.method} {request.get_full_path()}\n".encode()
    return hashlib.sha256(asked + body).hexdigest()
