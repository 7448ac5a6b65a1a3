"""manage.py let_in NAME: help somebody who cannot sign in any more. Make sure first that it is really them.

`--password` tells a one-time password; `--second-factor` removes lost second factors. Both end the person's sessions.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from kcloud_site.sign_in import services
from kcloud_site.tenants.models import User


class Command(BaseCommand):
    help = "Help somebody who lost a password or a second factor: --password, --second-factor, or both."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="the name the person signs in with")
        parser.add_argument("--password", action="store_true", help="tell a one-time password")
        parser.add_argument("--second-factor", action="store_true", help="remove lost second factors")
        parser.add_argument("--reason", default="", help="why, for the audit trail")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is nobody called {options['username']}. Names are written exactly.")
        if not (options["password"] or options["second_factor"]):
            raise CommandError("Say what was lost: --password, --second-factor, or both.")
        if options["second_factor"]:
            count = services.remove_second_factors(user=user, by=None, reason=options["reason"])
            self.stdout.write(f"{count} second factors and recovery codes removed.")
        if options["password"]:
            password = services.give_one_time_password(user=user, by=None, reason=options["reason"])
            self.stdout.write(f"One-time password: {password}")
