"""Making people, and slowing down whoever guesses passwords.

The caller writes the audit event: the trail belongs to the app above this one.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from kcloud_site.tenants.models import FailedSignIn, User

# So many wrong passwords for one name from one address, then a pause.
TRIES = 5
PAUSE = timedelta(minutes=5)

# Without 0 O 1 l I: it is read from a screen and typed.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


def one_time_password() -> str:
    """Twenty letters in groups of five: 100 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


@transaction.atomic
def create_first_operator(*, username: str) -> tuple[User, str] | None:
    """The first platform operator and a one-time password; None when somebody can sign in already."""
    if User.objects.exists():
        return None
    password = one_time_password()
    user = User.objects.create_user(
        username, password=password, is_staff=True, is_superuser=True, must_change_password=True
    )
    return user, password


def tries_left(*, name: str, address: str, now: datetime) -> int:
    """How many more wrong passwords are let pass; 0 means: paused, see `pause_ends`."""
    return max(0, TRIES - _recent(name, address, now).count())


def pause_ends(*, name: str, address: str, now: datetime) -> datetime:
    """When the oldest of the recent failures is forgotten."""
    oldest = _recent(name, address, now).order_by("at").first()
    return oldest.at + PAUSE if oldest else now


def record_failed_sign_in(*, name: str, address: str, now: datetime) -> None:
    """Remember one wrong password and forget those that do not count any more."""
    FailedSignIn.objects.filter(at__lt=now - PAUSE).delete()
    FailedSignIn.objects.create(name_hash=_hash(name), address=address, at=now)


def forget_failed_sign_ins(*, name: str, address: str) -> None:
    """The right password came."""
    FailedSignIn.objects.filter(name_hash=_hash(name), address=address).delete()


def _recent(name: str, address: str, now: datetime) -> QuerySet[FailedSignIn]:
    return FailedSignIn.objects.filter(name_hash=_hash(name), address=address, at__gte=now - PAUSE)


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
