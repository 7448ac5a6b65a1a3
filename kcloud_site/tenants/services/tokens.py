"""API tokens: made, revoked, forgotten. Errors: TokenRefused, with the field at fault."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from kcloud_site.audit import trail
from kcloud_site.tenants.errors import TokenRefused
from kcloud_site.tenants.models import ApiToken, Tenant, User
from kcloud_site.tenants.roles import ROLES

LONGEST = timedelta(days=366)
# An expired token stays in the list so long: its person sees why a program stopped.
SHOWN_EXPIRED = timedelta(days=30)


@transaction.atomic
def create_token(
    *, user: User, name: str, tenant: Tenant | None, role: str, expires_at: datetime, by: Any
) -> tuple[ApiToken, str]:
    """A token for `user` and its secret, which is kept nowhere. `tenant` None: all of the person's.

    Through a token only a narrower one can be made, that ends no later.
    """
    _check(name, role, expires_at)
    _refuse_wider(by, tenant, role, expires_at)
    try:
        with transaction.atomic():
            made, secret = ApiToken.objects.create(
                user=user, name=name, tenant=tenant, role=role, expiry=None
            )
    except IntegrityError:
        raise TokenRefused(
            _("You have a token called %(name)s already. Choose another name, or revoke that one.")
            % {"name": name},
            field="name",
        ) from None
    # Knox counts from its own "now": the end is the one that was asked for, to the microsecond.
    made.expiry = expires_at
    made.save(update_fields=["expiry"])
    trail.record(by=by, action="token.create", subject=_subject(made), after=_told(made))
    return made, str(secret)


@transaction.atomic
def revoke_token(*, token: ApiToken, by: Any, reason: str = "") -> None:
    """End a token now. One that is gone already is no error."""
    gone, _rows = ApiToken.objects.filter(pk=token.pk).delete()
    if gone:
        trail.record(
            by=by, action="token.revoke", subject=_subject(token), before=_told(token), reason=reason
        )


def prune_tokens() -> int:
    """Forget tokens that expired long ago; answers how many. Called by the clock."""
    return int(ApiToken.objects.filter(expiry__lt=timezone.now() - SHOWN_EXPIRED).delete()[0])


def _check(name: str, role: str, expires_at: datetime) -> None:
    if not name.strip() or len(name) > 60:
        raise TokenRefused(
            _("Give the token a name of 1 to 60 characters that says what uses it."), field="name"
        )
    if role not in ROLES:
        raise TokenRefused(
            _("There is no such role. Roles: %(roles)s.") % {"roles": ", ".join(ROLES)}, field="role"
        )
    if not timezone.now() < expires_at <= timezone.now() + LONGEST:
        raise TokenRefused(
            _("A token ends in the future, and after 366 days at most. Choose such a date."),
            field="expires_at",
        )


def _refuse_wider(by: Any, tenant: Tenant | None, role: str, expires_at: datetime) -> None:
    scope = getattr(by, "scope", None)
    if scope is None:
        return
    if not scope.contains(tenant.pk if tenant else None, role):
        raise TokenRefused(
            _(
                "A token can make only tokens that may do no more than itself. Name its tenant and a lower role."
            ),
            field="role",
        )
    if scope.expires_at is not None and expires_at > scope.expires_at:
        raise TokenRefused(
            _("A token can make only tokens that end no later than itself."), field="expires_at"
        )


def _subject(token: ApiToken) -> trail.Subject:
    return trail.Subject("tenants.apitoken", str(token.pk), token.name, token.tenant_id)


def _told(token: ApiToken) -> dict[str, Any]:
    return {
        "name": token.name,
        "user": token.user.get_username(),
        "tenant": token.tenant.name if token.tenant else None,
        "role": token.role,
        "expires_at": token.expiry,
    }
