"""Who may do what in the platform's own registry, as tokens the registry believes (ES256, minutes long).

A repository's first part is its tenant: the right image.view gives pull, image.push gives push and delete. A robot is
an environment of a tenant: it may pull that tenant's images while the environment is there; its password says so
itself, signed with the same key, and ends. Raises SignInRefused, TooManyTries.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from django.db.models import Q
from django.utils.translation import gettext as _
from rest_framework.exceptions import AuthenticationFailed

from apps.errors import ImageForbidden
from apps.services import registry_keys
from apps.services.registry_keys import unpadded
from clusters.models import Environment
from kcloud_site.audit import trail
from kcloud_site.sign_in import selectors as sign_in_selectors
from kcloud_site.sign_in import services as sign_in
from kcloud_site.tenants.authentication import TokenAuthentication
from kcloud_site.tenants.models import Tenant, User
from kcloud_site.tenants.permissions import may

SERVICE, ISSUER, ROBOTS = "kcloud-registry", "kcloud", "kcloud-registry-robot"
LASTS = timedelta(minutes=5)
# Clocks of the portal's machines may differ a little.
BACKDATE = timedelta(seconds=60)
ROBOT_PREFIX = "robot-"
TOKEN_PREFIX = "kc_"  # noqa: S105 # how tokens of people begin
MOST_SCOPES = 50


class SignInRefused(ImageForbidden):
    """Name and password, or token, do not open the registry."""


@dataclass(frozen=True)
class Access:
    """What is allowed on one thing of the registry."""

    type: str
    name: str
    actions: tuple[str, ...]


@dataclass(frozen=True)
class Robot:
    """Signed in as an environment: pulls its tenant's images."""

    name: str
    tenant: Tenant


def sign_in_as(*, name: str, password: str, address: str, now: datetime) -> User | Robot:
    """The person or robot with this name and password or API token."""
    if name.startswith(ROBOT_PREFIX):
        return _robot(name, password, now)
    if password.startswith(TOKEN_PREFIX):
        return _by_token(name, password)
    return _by_password(name, password, address, now)


def token_for(*, who: User | Robot, scopes: Sequence[str], now: datetime) -> tuple[str, list[Access]]:
    """A token for as much of what is asked as `who` may have; audited when it lets somebody push or delete."""
    wanted = list(_parsed(scopes))[:MOST_SCOPES]
    granted = [access for each in wanted if (access := _granted(who, each)).actions]
    subject = who.name if isinstance(who, Robot) else who.get_username()
    if isinstance(who, User):
        _note(who, granted)
    return sign(subject=subject, access=granted, now=now), granted


def portal_token(scopes: Sequence[str], now: datetime) -> str:
    """For the portal itself, which has checked the rights already."""
    return sign(subject="kcloud-portal", access=list(_parsed(scopes)), now=now)


def robot_password(environment: Environment, *, ends_at: datetime, now: datetime) -> tuple[str, str]:
    """Name and password with which an environment's nodes pull its tenant's images until `ends_at`."""
    name = f"{ROBOT_PREFIX}{environment.pk}"
    claims = {"aud": ROBOTS, "sub": name, "tenant": environment.tenant_id, "exp": int(ends_at.timestamp())}
    return name, _signed(claims, now)


def sign(*, subject: str, access: Iterable[Access], now: datetime) -> str:
    """A token of the registry's kind."""
    claims = {
        "iss": ISSUER,
        "sub": subject,
        "aud": SERVICE,
        "exp": int((now + LASTS).timestamp()),
        "nbf": int((now - BACKDATE).timestamp()),
        "iat": int(now.timestamp()),
        "jti": secrets.token_hex(8),
        "access": [{"type": each.type, "name": each.name, "actions": list(each.actions)} for each in access],
    }
    return _signed(claims, now)


# ---- who it is


def _by_token(name: str, token: str) -> User:
    try:
        user, _token = TokenAuthentication().authenticate_credentials(token.encode())
    except AuthenticationFailed:
        raise _refused(_("The token is unknown, revoked or has ended.")) from None
    if name.lower() not in (user.get_username().lower(), (user.email or "").lower()):
        raise _refused(_("The token belongs to somebody else than the name given."))
    found: User = user
    return found


def _by_password(name: str, password: str, address: str, now: datetime) -> User:
    sign_in.begin_try(name=name, address=address, now=now)
    user = User.objects.filter(Q(username__iexact=name) | Q(email__iexact=name, email__gt="")).first()
    if user is None or not user.is_active or not user.check_password(password):
        sign_in.note_failure(name=name, address=address, user=user, now=now, what="registry password")
        raise _refused(_("Name or password is wrong."))
    sign_in.forget_failures(name=name, address=address)
    if user.must_change_password:
        raise _refused(_("The password is good for one sign-in at the portal: choose your own there first."))
    if sign_in_selectors.factors_of(user).any or sign_in_selectors.must_add_second_factor(user):
        raise _refused(
            _("A second factor is on, which a program cannot give: the password alone is refused.")
        )
    return user


def _robot(name: str, password: str, now: datetime) -> Robot:
    claims = _verified(password, now)
    if claims.get("aud") != ROBOTS or claims.get("sub") != name:
        raise _refused(_("The robot's password is wrong or has ended."))
    pk, tenant = int(name.removeprefix(ROBOT_PREFIX)), int(claims.get("tenant") or 0)
    rows = Environment.objects.filter(pk=pk, tenant_id=tenant, tenant__closed_at=None)
    environment = rows.exclude(state=Environment.State.REMOVING).select_related("tenant").first()
    if environment is None:
        raise _refused(_("The robot's environment is gone."))
    return Robot(name, environment.tenant)


def _refused(why: str) -> SignInRefused:
    return SignInRefused(
        _("The registry refuses the sign-in."),
        why,
        _("Make an API token at the portal and sign in with your user name and the token."),
    )


# ---- what it may


def _parsed(scopes: Iterable[str]) -> Iterable[Access]:
    """ "repository:retail/shop:pull,push": one each, several in one text parted by spaces."""
    for text in " ".join(scopes).split():
        kind, _colon, rest = text.partition(":")
        name, _colon, actions = rest.rpartition(":")
        if kind and name:
            yield Access(kind, name, tuple(sorted(set(filter(None, actions.split(","))))))


def _granted(who: User | Robot, wanted: Access) -> Access:
    allowed: set[str] = set()
    tenant_name, slash, rest = wanted.name.partition("/")
    if wanted.type == "repository" and slash and rest:
        tenant = Tenant.objects.filter(name=tenant_name, closed_at=None).first()
        if tenant is not None:
            allowed = _actions(who, tenant)
    return Access(wanted.type, wanted.name, tuple(each for each in wanted.actions if each in allowed))


def _actions(who: User | Robot, tenant: Tenant) -> set[str]:
    if isinstance(who, Robot):
        return {"pull"} if who.tenant.pk == tenant.pk else set()
    pull = {"pull"} if may(who, "image.view", tenant) else set()
    return pull | ({"push", "delete"} if may(who, "image.push", tenant) else set())


def _note(who: User, granted: Iterable[Access]) -> None:
    for access in granted:
        changing = sorted({"push", "delete"} & set(access.actions))
        if changing:
            tenant = Tenant.objects.get(name=access.name.partition("/")[0])
            subject = trail.Subject("apps.image", access.name, access.name, tenant.pk)
            trail.record(by=who, action="image.push_token", subject=subject, after={"actions": changing})


# ---- JSON Web Tokens


def _signed(claims: Mapping[str, Any], now: datetime) -> str:
    key = registry_keys.identity(now).private_key()
    kid = registry_keys.public_jwk(key.public_key())["kid"]
    head = {"typ": "JWT", "alg": "ES256", "kid": kid}
    text = ".".join(unpadded(json.dumps(each, separators=(",", ":")).encode()) for each in (head, claims))
    r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{unpadded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _verified(token: str, now: datetime) -> dict[str, Any]:
    """The claims of a token of ours that has not ended. Raises SignInRefused."""
    try:
        head, body, signature = token.split(".")
        raw = _padded(signature)
        pair = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        public = registry_keys.identity(now).private_key().public_key()
        public.verify(pair, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
        claims: dict[str, Any] = json.loads(_padded(body))
        if datetime.fromtimestamp(int(claims["exp"]), tz=UTC) > now:
            return claims
    except (ValueError, KeyError, TypeError, InvalidSignature):
        pass
    raise _refused(_("The robot's password is wrong or has ended."))


def _padded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
