"""Who may do what: the one place that answers. The only module that may import guardian (exceptions for one person).

Default deny. Platform roles hold everywhere (`User.is_operator`, `User.is_auditor`), a membership's role in its tenant,
a guardian permission on one object until its Grant ends. A token only ever narrows (scopes.Scope).

Ask with `check(user, right, thing)`: an outsider meets Http404, as if the thing were not there; a member without the
right meets PermissionDenied, which says whom to ask. `thing` is a Tenant, a row with `tenant_id`, or None for the
platform's own. Lists are narrowed by `visible(queryset, user, right)`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from guardian.models import UserObjectPermission
from guardian.shortcuts import assign_perm, remove_perm
from rest_framework.permissions import SAFE_METHODS, BasePermission

from kcloud_site.tenants.models import Grant, Membership, Tenant
from kcloud_site.tenants.roles import ROLES, TENANT_ROLES, Auditor, PlatformOperator, Role

Row = TypeVar("Row", bound=models.Model)


def platform_role(user: Any) -> type[Role] | None:
    """The role that holds everywhere, if the person has one."""
    if not getattr(user, "is_active", False):
        return None
    if user.is_operator:
        return PlatformOperator
    return Auditor if user.is_auditor else None


def role_in(user: Any, tenant_id: int | None) -> type[Role] | None:
    """The role in a tenant by membership; None for outsiders and in a closed tenant. Remembered on the person."""
    if not getattr(user, "is_active", False) or tenant_id is None:
        return None
    key = _roles_of(user).get(tenant_id)
    return ROLES[key] if key else None


def _roles_of(user: Any) -> dict[int, str]:
    """Role key by tenant id. Asked once per person object, which lives as long as a request."""
    known = getattr(user, "_roles_by_tenant", None)
    if known is None:
        open_ones = Membership.objects.filter(user=user, tenant__closed_at__isnull=True)
        known = dict(open_ones.values_list("tenant_id", "role"))
        user._roles_by_tenant = known
    return known


def may(user: Any, right: str, thing: models.Model | None = None) -> bool:
    """Whether the person may use the right on `thing` (None: on the platform)."""
    tenant_id = getattr(thing, "tenant_id", None)
    scope = getattr(user, "scope", None)
    if scope is not None and not scope.lets(right, tenant_id):
        return False
    roles = (platform_role(user), role_in(user, tenant_id))
    if any(right in role.permissions for role in roles if role):
        return True
    return role_in(user, tenant_id) is not None and thing is not None and _is_granted(user, right, thing)


def knows_of(user: Any, thing: models.Model | None) -> bool:
    """Whether the person may know that `thing` exists: a member of its tenant, or one of the platform."""
    tenant_id = getattr(thing, "tenant_id", None)
    scope = getattr(user, "scope", None)
    if scope is not None and scope.tenant_id not in (None, tenant_id):
        return False
    return platform_role(user) is not None or role_in(user, tenant_id) is not None


def check(user: Any, right: str, thing: models.Model | None = None) -> None:
    """Raise Http404 for whoever may not know of `thing`, PermissionDenied for whoever lacks the right."""
    if may(user, right, thing):
        return
    if thing is not None and not knows_of(user, thing):
        raise Http404
    raise PermissionDenied(_who_has(right))


def _who_has(right: str) -> str:
    holders = [str(role.title) for role in TENANT_ROLES if right in role.permissions]
    if not holders:
        return _("Only platform operators may do this. Ask one of them to do it for you.")
    return _("Your role does not allow this. Roles that do: %(roles)s. Ask an owner of the tenant.") % {
        "roles": ", ".join(holders)
    }


def tenants_of(user: Any) -> QuerySet[Tenant]:
    """The tenants whose pages the person may open, by name."""
    everywhere = platform_role(user) is not None
    found = Tenant.objects.all() if everywhere else Tenant.objects.filter(pk__in=list(_roles_of(user)))
    scope = getattr(user, "scope", None)
    if scope is not None and scope.tenant_id is not None:
        found = found.filter(pk=scope.tenant_id)
    return found.order_by("name")


def visible(rows: QuerySet[Row], user: Any, right: str) -> QuerySet[Row]:
    """The rows (with a `tenant_id`) on which the person has the right: by role, or as an exception."""
    scope = getattr(user, "scope", None)
    if scope is not None and right not in ROLES[scope.role].permissions:
        return rows.none()
    if scope is not None and scope.tenant_id is not None:
        rows = rows.filter(tenant_id=scope.tenant_id)
    role = platform_role(user)
    if role is not None and right in role.permissions:
        return rows
    # A list of ids keeps the index on tenant_id in use; people are in few tenants.
    by_role = [pk for pk, key in _roles_of(user).items() if right in ROLES[key].permissions]
    granted = _granted_ids(rows.model, user, right)
    if not granted:
        return rows.filter(tenant_id__in=by_role)
    known = list(_roles_of(user))
    return rows.filter(Q(tenant_id__in=by_role) | Q(pk__in=granted, tenant_id__in=known))


def has_anywhere(user: Any, right: str) -> bool:
    """Whether the person has the right in some tenant or on the platform, by role."""
    scope = getattr(user, "scope", None)
    if scope is not None and right not in ROLES[scope.role].permissions:
        return False
    role = platform_role(user)
    if role is not None and right in role.permissions:
        return True
    return any(right in ROLES[key].permissions for key in _roles_of(user).values())


def check_anywhere(user: Any, right: str) -> None:
    """Raise PermissionDenied unless the person has the right in some tenant or on the platform."""
    if has_anywhere(user, right):
        return
    if platform_role(user) is None and not _roles_of(user):
        raise PermissionDenied(
            _("You are in no tenant yet. Ask the owner of one to invite you, or a platform operator.")
        )
    raise PermissionDenied(_who_has(right))


# ---- exceptions -----------------------------------------------------------------------------------------------


def codename(right: str) -> str:
    """Guardian's name of a right: "environment.freeze" is "freeze_environment"."""
    noun, _dot, verb = right.partition(".")
    return f"{verb}_{noun}"


def _open_grants(model: type[models.Model], user: Any, right: str) -> QuerySet[Grant]:
    return Grant.objects.filter(
        user=user,
        permission=right,
        object_type=model._meta.label_lower,
        ended_at__isnull=True,
        expires_at__gt=timezone.now(),
    )


def _is_granted(user: Any, right: str, thing: models.Model) -> bool:
    if not _open_grants(type(thing), user, right).filter(object_id=str(thing.pk)).exists():
        return False
    held = UserObjectPermission.objects.filter(
        user=user, object_pk=str(thing.pk), permission__codename=codename(right)
    )
    return held.filter(permission__content_type__model=thing._meta.model_name).exists()


def _granted_ids(model: type[models.Model], user: Any, right: str) -> list[str]:
    if not any(role_key for role_key in _roles_of(user).values()):
        return []
    return list(_open_grants(model, user, right).values_list("object_id", flat=True))


def give(user: Any, right: str, thing: models.Model) -> None:
    """Make the guardian permission of a Grant."""
    assign_perm(f"{thing._meta.app_label}.{codename(right)}", user, thing)


def take_back(user: Any, right: str, thing: models.Model) -> None:
    """Remove the guardian permission of a Grant; one that is gone is no error."""
    remove_perm(f"{thing._meta.app_label}.{codename(right)}", user, thing)


# ---- views and API ---------------------------------------------------------------------------------------------


def may_operate_platform(user: Any) -> bool:
    """Whether the person may plan, deploy and reset clusters."""
    return may(user, "platform.operate")


def operator_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for pages of the platform: sign in first; operators may all, auditors may look."""

    @wraps(view)
    @login_required
    def checked(request: Any, *args: Any, **kwargs: Any) -> Any:
        right = "platform.view" if request.method in SAFE_METHODS else "platform.operate"
        check(request.user, right)
        return view(request, *args, **kwargs)

    return checked


class PlatformRight(BasePermission):
    """The same rule for the API: reading with "platform.view", changing with "platform.operate"."""

    def has_permission(self, request: Any, view: Any) -> bool:
        right = "platform.view" if request.method in SAFE_METHODS else "platform.operate"
        return may(request.user, right)
