"""`manage.py logs run`: VictoriaLogs beside the portal. `… url`: what KCLOUD_LOGS_URL is for it, password and all."""

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.services import log_program


class Command(BaseCommand):
    help = "Runs the store of applications' log lines (docs/logs.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["run", "url"])
        parser.add_argument(
            "--address", default="127.0.0.1:9428", help="one address of this machine, and a port"
        )
        parser.add_argument("--keep", default="30d", help="how long lines are kept: 12h, 30d, 1y")

    def handle(self, *args: Any, **options: Any) -> None:
        home = settings.HOME / "logs"
        if options["what"] == "url":
            self.stdout.write(log_program.url_of(options["address"], home))
            return
        program = log_program.find_program()
        if program is None:
            raise CommandError(f"No bundle has {log_program.PROGRAM}. Build one: manage.py bundle build")
        try:
            command = log_program.command(program, options["address"], home, options["keep"])
        except ValueError as error:
            raise CommandError(str(error)) from error
        os.execv(command[0], command)  # noqa: S606 # a list, no shell; signals reach it as they are
