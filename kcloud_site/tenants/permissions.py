"""Who may do what. The only module that may import guardian (per-object exceptions).

Platform operators (`User.is_operator`) see and change regions, hosts, bundles, clusters and their operations.
Everybody else is answered 403 with the reason on those pages.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _
from rest_framework.permissions import BasePermission


def may_operate_platform(user: Any) -> bool:
    """Whether the person may plan, deploy and reset clusters."""
    return bool(getattr(user, "is_operator", False))


def require_operator(user: Any) -> None:
    """Raise PermissionDenied, saying who to ask, unless the person is a platform operator."""
    if not may_operate_platform(user):
        raise PermissionDenied(
            _(
                "Only platform operators may open this. Ask one of them to make you an operator, or to do it for you."
            )
        )


def operator_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for views: sign in first, then be a platform operator."""

    @wraps(view)
    @login_required
    def checked(request: Any, *args: Any, **kwargs: Any) -> Any:
        require_operator(request.user)
        return view(request, *args, **kwargs)

    return checked


class PlatformOperator(BasePermission):
    """The same rule for the API."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return may_operate_platform(request.user)
