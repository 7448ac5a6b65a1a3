"""How many requests a token, and an address, may send. Over that: 429 with Retry-After.

Counted in the cache "throttles": one for all web processes where there is Redis, else one in each process
(docs/decisions). A cache that is away throttles nobody: the API stays up.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.core.cache import caches
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

_log = logging.getLogger(__name__)


class _Throttle(SimpleRateThrottle):
    def __init__(self) -> None:
        self.cache = caches["throttles"]
        super().__init__()

    def get_rate(self) -> str:
        return str(settings.API_RATES[str(self.scope)])

    def allow_request(self, request: Request, view: Any) -> bool:
        try:
            return super().allow_request(request, view)
        except Exception:
            _log.warning("the cache of the throttles is away; nobody is throttled", exc_info=True)
            return True


class TokenThrottle(_Throttle):
    """Each token; a person at the console's session counts as one."""

    scope = "token"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        token: Any = request.auth
        who = f"t{token.pk}" if token is not None else f"u{request.user.pk}"
        return self.cache_format % {"scope": self.scope, "ident": who}


class AddressThrottle(_Throttle):
    """Each network address, asked before anybody is known: it slows down who guesses tokens."""

    scope = "address"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}
