"""Who sends an API request: the bearer of a token, narrowed to what the token is for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from knox import auth
from rest_framework.exceptions import AuthenticationFailed

from kcloud_site.tenants.models import ApiToken
from kcloud_site.tenants.scopes import Scope

# "Last used" is written this often, not with every request.
NOTED_EVERY = timedelta(minutes=1)


class TokenAuthentication(auth.TokenAuthentication):
    """`Authorization: Token kc_…`. Sets `user.scope`. What has expired or was revoked is 401."""

    def authenticate_credentials(self, token: bytes) -> tuple[Any, Any]:
        try:
            token.decode("ascii")
        except UnicodeDecodeError:
            raise AuthenticationFailed(_("Invalid token.")) from None
        found: tuple[Any, Any] = super().authenticate_credentials(token)
        return found

    def _cleanup_token(self, auth_token: ApiToken) -> bool:
        """Knox deletes what has expired while somebody waits; here it only does not count, and stays in the list."""
        return auth_token.has_expired(timezone.now())

    def validate_user(self, auth_token: ApiToken) -> tuple[Any, ApiToken]:
        user, _token = super().validate_user(auth_token)
        user.scope = Scope(
            token=auth_token.name,
            tenant_id=auth_token.tenant_id,
            role=auth_token.role,
            expires_at=auth_token.expiry,
        )
        now = timezone.now()
        old = Q(last_used_at=None) | Q(last_used_at__lt=now - NOTED_EVERY)
        if auth_token.last_used_at is None or auth_token.last_used_at < now - NOTED_EVERY:
            ApiToken.objects.filter(old, pk=auth_token.pk).update(last_used_at=now)
        return user, auth_token
