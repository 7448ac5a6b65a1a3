"""The tenant a person works in: the one whose page was opened last, remembered in the session.

Nothing is asked of the database before somebody wants to know; then once a request.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import Tenant

_KEY = "tenant_id"
_UNKNOWN: Any = object()


def remember(request: HttpRequest, tenant: Tenant) -> None:
    """From now on the person works in this tenant. The caller has checked that the person may."""
    request._tenant = tenant  # type: ignore[attr-defined]
    if request.session.get(_KEY) != tenant.pk:
        request.session[_KEY] = tenant.pk


def tenant_of(request: HttpRequest) -> Tenant | None:
    """The tenant of the request. None for strangers, for people in no tenant, and for people of the platform who have
    not opened one yet."""
    known = getattr(request, "_tenant", _UNKNOWN)
    if known is _UNKNOWN:
        known = _find(request) if request.user.is_authenticated else None
        request._tenant = known  # type: ignore[attr-defined]
    found: Tenant | None = known
    return found


def _find(request: HttpRequest) -> Tenant | None:
    mine, chosen = permissions.tenants_of(request.user), request.session.get(_KEY)
    found = mine.filter(pk=chosen).first() if chosen else None
    if found is None and permissions.platform_role(request.user) is None:
        found = mine.first()
    return found
