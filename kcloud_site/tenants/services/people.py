"""Making people.

The caller writes the audit event: the trail belongs to the app above this one.
"""

from __future__ import annotations

import secrets

from django.db import transaction

from kcloud_site.tenants.models import User

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
