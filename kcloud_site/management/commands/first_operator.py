"""Make the first platform operator, once: prints a one-time password, changed at the first sign-in.

With people already there it changes nothing. `--token` issues an API token as well, `--json` answers for programs:
{"created": bool, "username": str, "password": str, "token": str}, empty where there is none to tell.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from kcloud_site.audit import trail
from kcloud_site.tenants.models import User
from kcloud_site.tenants.roles import PlatformOperator
from kcloud_site.tenants.services import people, tokens

TOKEN_LASTS = timedelta(days=30)


class Command(BaseCommand):
    help = "Make the first platform operator with a one-time password, if nobody can sign in yet."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", default="admin", help="name to sign in with (default: admin)")
        parser.add_argument(
            "--token", action="store_true", help="issue an API token, valid for 30 days, as well"
        )
        parser.add_argument("--json", action="store_true", help="answer one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        answer = _answer(options["username"], options["token"])
        if options["json"]:
            self.stdout.write(json.dumps(answer))
        else:
            self.stdout.write(_in_words(answer))


@transaction.atomic
def _answer(username: str, wants_token: bool) -> dict[str, Any]:
    made = people.create_first_operator(username=username)
    user: User | None
    if made:
        user, password = made
        trail.record(
            by=None, action="user.create", subject=user, after={"username": username, "operator": True}
        )
    else:
        user, password = _existing(username, wants_token), ""
    token = _issue_token(user) if user and wants_token else ""
    return {"created": bool(made), "username": username, "password": password, "token": token}


def _existing(username: str, needed: bool) -> User | None:
    user = User.objects.filter(username=username, is_staff=True, is_active=True).first()
    if user is None and needed:
        raise CommandError(f"There is no platform operator called {username}. Name one with --username.")
    return user


def _issue_token(user: User) -> str:
    now = timezone.now()
    _made, secret = tokens.create_token(
        user=user,
        name=f"first_operator {now:%Y-%m-%d %H:%M:%S.%f}",
        tenant=None,
        role=PlatformOperator.key,
        expires_at=now + TOKEN_LASTS,
        by=None,
    )
    return secret


def _in_words(answer: dict[str, Any]) -> str:
    lines = []
    if answer["created"]:
        lines.append(f"Sign in as {answer['username']} with the one-time password {answer['password']}")
    else:
        lines.append("There are users already; nothing was changed.")
    if answer["token"]:
        lines.append(f"API token (30 days): {answer['token']}")
    return "\n".join(lines)
