"""Which registries nodes are told of: other apps say so here, deployments ask.

`know` is called when an app is ready, with a function that answers the registries as they are now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clusters.deploying.node_registries import NodeRegistry

_PROVIDERS: list[Callable[[], Sequence[NodeRegistry]]] = []


def know(provider: Callable[[], Sequence[NodeRegistry]]) -> None:
    """Have deployments tell nodes of what `provider` answers."""
    if provider not in _PROVIDERS:
        _PROVIDERS.append(provider)


def all_registries() -> list[NodeRegistry]:
    """As they are now."""
    return [registry for provider in _PROVIDERS for registry in provider()]
