"""`manage.py logs run`: VictoriaLogs beside the portal. `… url`: its address for another portal, password and all."""

import signal
import types
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.selectors import log_places
from apps.services import log_program


class Command(BaseCommand):
    help = "Runs the store of applications' log lines (docs/logs.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["run", "url"], help="run: until it is stopped")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["what"] == "url":
            if not log_places.addresses():
                raise CommandError("The portal keeps no log lines of its own (KCLOUD_LOGS_ADDRESS).")
            self.stdout.write(log_places.own_url(log_places.addresses()[-1], settings.LOGS_HOME))
            return
        supervisor = log_program.Supervisor(say=self._say)

        def stop(_signal: int, _frame: types.FrameType | None) -> None:
            supervisor.stop.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        supervisor.run()

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
