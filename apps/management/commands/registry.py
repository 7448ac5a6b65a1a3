"""`manage.py registry run`: the platform's own image registry. `… collect` frees what no image needs any more."""

import signal
import types
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.services import registry_program


class Command(BaseCommand):
    help = "Runs the platform's own image registry (docs/registry.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "what",
            choices=["run", "collect"],
            help="run: until it is stopped; collect: free the space of deleted images (while nothing is pushed)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["what"] == "collect":
            self.stdout.write(registry_program.collect_garbage())
            return
        supervisor = registry_program.Supervisor(say=self._say)

        def stop(_signal: int, _frame: types.FrameType | None) -> None:
            supervisor.stop.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        supervisor.run()

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
