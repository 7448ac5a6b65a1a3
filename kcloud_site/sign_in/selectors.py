"""What the pages about a person's sign-in show."""

from __future__ import annotations

from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from kcloud_site.tenants.models import User

_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


@dataclass(frozen=True)
class Factors:
    """A person's second factors: the authenticator app, passkeys by age, how many recovery codes are unused."""

    app: Authenticator | None
    passkeys: list[Authenticator]
    codes: Authenticator | None
    codes_left: int
    identity: SocialAccount | None

    @property
    def any(self) -> bool:
        return bool(self.app or self.passkeys)


def factors_of(user: User) -> Factors:
    """Two queries, however many passkeys there are."""
    rows = list(Authenticator.objects.filter(user=user).order_by("created_at", "pk"))
    one = {row.type: row for row in rows}
    codes = one.get(Authenticator.Type.RECOVERY_CODES)
    return Factors(
        app=one.get(Authenticator.Type.TOTP),
        passkeys=[row for row in rows if row.type == Authenticator.Type.WEBAUTHN],
        codes=codes,
        codes_left=len(codes.wrap().get_unused_codes()) if codes else 0,
        identity=SocialAccount.objects.filter(user=user).first(),
    )


def sessions_of(user: User) -> QuerySet[UserSession]:
    """The living sessions of a person, newest first."""
    alive = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    found: QuerySet[UserSession] = UserSession.objects.filter(user=user, session_key__in=alive)
    return found.order_by("-created_at", "-pk")


def whom_to_ask() -> list[User]:
    """A few platform operators, for whoever may see nothing yet."""
    return list(User.objects.filter(is_active=True, is_staff=True).order_by("-last_login", "username")[:3])


def must_add_second_factor(user: User) -> bool:
    """Whether the rule for platform operators holds the person up."""
    if not (settings.OPERATOR_MFA and user.is_operator):
        return False
    return not Authenticator.objects.filter(user=user, type__in=_FACTORS).exists()
