"""manage.py worker [--queue default|provisioning]: a pool of workers for one queue."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from kcloud_site.operations import queue


class Command(BaseCommand):
    help = "Run operations and due jobs of one queue. Start as many as you like, on any machine."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--queue", choices=queue.QUEUES, default=queue.QUEUES[0])

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["queue"]
        if os.environ.get(queue.NAME_VARIABLE) != name:
            # The queue's settings are read when Django starts: start again with the name in place.
            os.environ[queue.NAME_VARIABLE] = name
            os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - no shell is wanted
        queue.serve(name)
