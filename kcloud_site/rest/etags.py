"""Versions of things: `ETag` says which one was read, `If-Match` which one a change is meant for.

`of` makes the tag from what can be changed. `check` raises VersionRequired (428) without `If-Match`, VersionChanged
(412) when it names another version: somebody changed the thing since it was read.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.utils.http import parse_etags
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.request import Request


class VersionRequired(exceptions.APIException):
    """428."""

    status_code = 428
    default_code = "version_required"
    default_detail = _("Say which version you change: read it, and send its ETag as If-Match.")


class VersionChanged(exceptions.APIException):
    """412."""

    status_code = 412
    default_code = "version_changed"
    default_detail = _("It has changed since you read it, and nothing of yours was saved. Read it again.")


def of(value: Any) -> str:
    """A strong tag of JSON data."""
    text = json.dumps(value, sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'


def check(request: Request, current: str, *, required: bool = True) -> None:
    """Compare the request's If-Match with the present tag. A weak tag (W/"…") never fits."""
    header = request.headers.get("If-Match")
    if header is None:
        if required:
            raise VersionRequired
        return
    if header.strip() != "*" and current not in parse_etags(header):
        raise VersionChanged
