"""Operation kinds for tests: each registered under a name of its own, and forgotten with the test."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kcloud_site.operations import kinds


def step(key: str, run: Callable[[Any], None] = lambda context: None, **options: Any) -> kinds.StepDefinition:
    return kinds.StepDefinition(key=key, title=key.title(), run=run, **options)


@contextmanager
def registered(key: str, steps: Sequence[kinds.StepDefinition], **options: Any) -> Iterator[kinds.Kind]:
    """A kind that exists inside the block."""
    kind = kinds.register(kinds.Kind(key=key, title=key, steps=lambda operation: list(steps), **options))
    try:
        yield kind
    finally:
        del kinds._KINDS[key]
