"""`manage.py watch`: follow nodes and pods of every running cluster, and probe its hosts, until told to stop (SIGTERM,
Ctrl-C)."""

import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from clusters import access
from clusters.pod_watching import PodFollower
from clusters.services.imported_nodes import ImportedWarden
from clusters.services.node_probing import Warden
from clusters.services.probing_board import Board
from clusters.watching import Beside, Watcher


class Command(BaseCommand):
    help = (
        "Watch the nodes and pods of every running cluster and keep the portal's picture of them. "
        "Any number may run."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()

        def end(_signal: int, _frame: FrameType | None) -> None:
            stop.set()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        self.stdout.write("watching clusters")
        board = Board()
        beside: list[Beside] = [
            lambda pk: PodFollower(pk, access.open_kubernetes),
            lambda pk: Warden(pk, board),
            lambda pk: ImportedWarden(pk),
        ]
        Watcher(beside=beside).run(stop)
