"""What the wardens of one process know together: how many nodes each reaches, and whether the portal itself is cut off.

The portal's own witnesses (clusters.healing.own_network) are asked in the background: now and then while all is well,
to learn which of them answer at all, and at once when a node is missing, so that their word is there when it counts.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from django.conf import settings

from clusters.adapters import own_network as asking
from clusters.healing.nodes import Suspicion, is_suspect
from clusters.healing.own_network import Witness, configured, is_cut_off

CALM_EVERY, FRESH = 30.0, 2.0
Ask = Callable[[Iterable[Witness]], Mapping[Witness, bool]]
_log = logging.getLogger(__name__)


class Board:
    """Safe to share between threads. `witnesses`: what is asked; None: what is configured, else the gateway."""

    def __init__(self, *, ask: Ask = asking.ask, witnesses: Iterable[Witness] | None = None) -> None:
        self._counts: dict[int, tuple[int, int]] = {}
        self._guard = threading.Lock()
        self._ask = ask
        self._chosen = None if witnesses is None else list(witnesses)
        self._known: set[Witness] = set()
        self._cut_off = False
        self._asked_at = -1000.0
        self._asking: Future[None] | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="own-network")

    def put(self, cluster_pk: int, nodes: int, missing: int) -> None:
        with self._guard:
            self._counts[cluster_pk] = (nodes, missing)

    def drop(self, cluster_pk: int) -> None:
        with self._guard:
            self._counts.pop(cluster_pk, None)

    def look(self, *, urgent: bool) -> None:
        """Have the portal's own witnesses asked unless their word is new enough; does not wait for it."""
        with self._guard:
            age = time.monotonic() - self._asked_at
            busy = self._asking is not None and not self._asking.done()
            if busy or age < (FRESH if urgent else CALM_EVERY):
                return
            self._asked_at = time.monotonic()
            self._asking = self._pool.submit(self._learn)

    def suspicion(self) -> Suspicion:
        """Why the portal itself is the likelier cause: "gateway" when its own witnesses are silent, "portal" when most
        clusters are; empty otherwise. Waits for a word that is on its way."""
        self.look(urgent=True)
        if self._asking is not None:
            with contextlib.suppress(TimeoutError):
                self._asking.result(timeout=asking.SECONDS * 3)
        with self._guard:
            if self._cut_off:
                return "gateway"
            return "portal" if is_suspect(self._counts.values()) else ""

    def _learn(self) -> None:
        try:
            answers = self._ask(self._witnesses())
        except Exception:
            _log.exception("the portal's own witnesses could not be asked")
            answers = {}
        with self._guard:
            self._cut_off = is_cut_off(answers, self._known)
            self._known |= {each for each, answered in answers.items() if answered}
        if self._cut_off:
            _log.warning("none of the portal's own witnesses answers: %s", ", ".join(map(str, answers)))

    def _witnesses(self) -> list[Witness]:
        if self._chosen is not None:
            return self._chosen
        return configured(settings.OWN_WITNESSES) or asking.default_gateway()
