"""Counting wrong passwords and codes, ending sessions, and the audit events of signing in.

Every wrong try is one row for a name (a hash: people type passwords into the name field) from an address; so many
within a few minutes, and even the right one waits. Rows, so that all processes and machines count together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q, QuerySet

from kcloud_site.audit import trail
from kcloud_site.sign_in.errors import TooManyTries
from kcloud_site.tenants.models import FailedSignIn, User
from kcloud_site.tenants.services import people

# So many wrong passwords for one name from one address, then a pause.
TRIES = 5
PAUSE = timedelta(minutes=5)
# A one-time code is good for the half minute it is made for, and for one use of that.
CODE_LASTS = 30

NOBODY = trail.Subject(type="tenants.user", id="", name="")


def note(*, by: User | None, action: str, user: User | None = None, **after: Any) -> None:
    """One audit event about a person; without `user` about whoever acts. Values of None are left out."""
    kept: Mapping[str, Any] = {key: value for key, value in after.items() if value is not None}
    trail.record(by=by, action=action, subject=user or by or NOBODY, after=kept or None)


def note_company_failure(*, why: str) -> None:
    """Nobody could be signed in by the company account; the reason is for operators, in the trail."""
    note(by=None, action="user.sign_in_refused", wrong=why[:200], identity="company")


def tries_left(*, name: str, address: str, now: datetime) -> int:
    """How many more wrong passwords are let pass; 0 means: paused."""
    return max(0, TRIES - _recent(name, address, now).count())


def begin_try(*, name: str, address: str, now: datetime) -> None:
    """Count a try before it is looked at, so that many at once are no more than many in turn; the right one forgets.

    Raises TooManyTries while none is left: until the oldest of the recent failures is forgotten.
    """
    FailedSignIn.objects.filter(at__lt=now - PAUSE).delete()
    mine = FailedSignIn.objects.create(name_hash=_hash(name), address=address, at=now)
    before = _recent(name, address, now).exclude(pk=mine.pk).order_by("at")
    if before.count() < TRIES:
        return
    ends = before[0].at + PAUSE
    mine.delete()
    raise TooManyTries(ends, now)


@transaction.atomic
def note_failure(*, name: str, address: str, user: User | None, now: datetime, what: str) -> None:
    """The try was a wrong password or code (`what`), and stays counted.

    A known person's failures are in the trail one by one; of unknown names, which anybody may invent, only pauses.
    """
    if user:
        note(by=None, action="user.sign_in_refused", user=user, address=address, wrong=what)
    if not tries_left(name=name, address=address, now=now):
        minutes = int(PAUSE.total_seconds() // 60)
        note(by=None, action="user.sign_in_paused", user=user, address=address, wrong=what, minutes=minutes)


def forget_failures(*, name: str, address: str) -> None:
    """The right password or code came."""
    FailedSignIn.objects.filter(name_hash=_hash(name), address=address).delete()


def spend_code(*, authenticator: Authenticator, now: datetime) -> bool:
    """Use up the one-time code of this half minute; False when it was used before, here or on any other machine."""
    began = datetime.fromtimestamp(now.timestamp() // CODE_LASTS * CODE_LASTS, tz=now.tzinfo)
    unused = Q(last_used_at__isnull=True) | Q(last_used_at__lt=began)
    return bool(Authenticator.objects.filter(unused, pk=authenticator.pk).update(last_used_at=now))


@transaction.atomic
def end_sessions(*, user: User, by: Any, session: int | None = None, keep: str | None = None) -> int:
    """Sign the person out: of one session (the id of its row), or of all but the one with the key `keep`.

    Answers how many ended; each of them is refused at its next request. Says so in the trail.
    """
    rows = UserSession.objects.filter(user=user).exclude(session_key=keep)
    if session is not None:
        rows = rows.filter(pk=session)
    keys = list(rows.values_list("session_key", flat=True))
    alive, _ = Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()
    if alive:
        note(by=by, action="session.revoke", user=user, sessions=alive)
    return alive


@transaction.atomic
def password_replaced(*, user: User, action: str, keep: str | None = None) -> None:
    """A new password was set: a one-time one is done with, other sessions end."""
    note(by=user, action=action)
    end_sessions(user=user, by=user, keep=keep)


@transaction.atomic
def give_one_time_password(*, user: User, by: Any, reason: str = "") -> str:
    """A password that lets the person in once, to choose another: told once. Their sessions end."""
    password = people.one_time_password()
    user.set_password(password)
    user.must_change_password = True
    user.save(update_fields=["password", "must_change_password"])
    trail.record(by=by, action="user.one_time_password", subject=user, reason=reason)
    end_sessions(user=user, by=by)
    return password


@transaction.atomic
def remove_second_factors(*, user: User, by: Any, reason: str = "") -> int:
    """For whoever lost phone, keys and recovery codes: the password alone signs in again. Their sessions end.

    Answers how many factors went; with none it changes nothing.
    """
    gone = Authenticator.objects.filter(user=user)
    kinds = sorted(gone.values_list("type", flat=True))
    if not kinds:
        return 0
    gone.delete()
    trail.record(by=by, action="user.factor_remove", subject=user, before={"kinds": kinds}, reason=reason)
    end_sessions(user=user, by=by)
    return len(kinds)


def forget_ended_sessions(*, now: datetime) -> int:
    """Delete sessions that ended by themselves, and their lines in people's lists. Answers how many sessions."""
    gone, _ = Session.objects.filter(expire_date__lt=now).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
    return gone


def _recent(name: str, address: str, now: datetime) -> QuerySet[FailedSignIn]:
    return FailedSignIn.objects.filter(name_hash=_hash(name), address=address, at__gte=now - PAUSE)


def _hash(name: str) -> str:
    # Names are compared without regard to case; so are they counted.
    return hashlib.sha256(name.strip().lower().encode()).hexdigest()
