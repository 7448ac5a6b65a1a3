"""The door to Redis: how django-q2 carries wake-ups in the large profile. Used where KCLOUD_QUEUE_URL is set.

Redis carries them while it answers. While it does not (refuses, hangs, restarts), the database does, as in the embedded
profile: workers go on a little slower, and go back to Redis by themselves. What Redis held when it died is woken again
by the clock. Nothing here raises because of Redis; database errors are passed on.

Each portal has a list of its own, so several may share one Redis.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from django_q.brokers.orm import ORM
from django_q.conf import Conf
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from kcloud_site.operations import portal

# Seconds. A request of a person waits for CONNECT + PUSH at most, and so does the clock, whose lease is longer.
CONNECT, PUSH = 0.5, 1.0
# A worker's pusher waits on the list for WAIT; a Redis that says nothing for PULL is away.
WAIT, PULL = 1, 3.0
# How long this process leaves a Redis alone that did not answer.
PAUSE = 2.0
_log = logging.getLogger(__name__)


class _Breaker:
    """Whether Redis is worth asking, one for the whole process."""

    closed_until = 0.0

    def ask(self, question: Callable[[], Any]) -> Any:
        """The answer, or None when Redis gives none."""
        if self.is_closed:
            return None
        try:
            return question()
        except RedisError as error:
            _log.warning("Redis is away (%s); the database carries wake-ups", error)
            self.closed_until = time.monotonic() + PAUSE
            return None

    @property
    def is_closed(self) -> bool:
        return time.monotonic() < self.closed_until


_breaker = _Breaker()


class RedisOrDatabase(ORM):
    """django-q2's broker, named in settings. What comes from Redis needs no acknowledgement: the rows are the truth."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self._list = f"kcloud:{portal.identity()}:{self.list_key}"
        self._push, self._pull = _client(PUSH), _client(PULL)

    def enqueue(self, task: str) -> Any:
        length = _breaker.ask(lambda: self._push.rpush(self._list, task))
        return super().enqueue(task) if length is None else length

    def dequeue(self) -> list[tuple[int | None, str]] | None:
        """What to work on: from Redis, else what the database was given meanwhile. Waits a moment when there is
        nothing."""
        taken = _breaker.ask(lambda: self._pull.blpop([self._list], WAIT))
        if taken:
            return [(None, taken[1])]
        if _breaker.is_closed or self.queue_size():
            return super().dequeue()  # type: ignore[no-any-return]
        return None

    def info(self) -> str:
        return "Redis, and the database while that is away"


def _client(timeout: float) -> Redis:
    """Connects when it is first used. No retries: the database is the second try."""
    return Redis.from_url(
        Conf.REDIS, socket_connect_timeout=CONNECT, socket_timeout=timeout, retry=Retry(NoBackoff(), 0)
    )
