"""Many objects applied side by side over one client's connections, in an order that pods can rely on.

What others stand on (namespaces, then configuration, accounts and claims) is there before what runs; within each of
these groups there is no order, so as many as `width` are on their way at once. The first error stops what has not begun
and is raised when all on their way have come back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from itertools import groupby
from typing import Any

Object = dict[str, Any]
# More would only wait for each other: at the API server, and for one of the client's kept connections.
WIDTH = MOST = 8
_FIRST = frozenset({"Namespace", "CustomResourceDefinition", "StorageClass", "PriorityClass"})
_NEXT = frozenset(
    {"ConfigMap", "Secret", "ServiceAccount", "Role", "RoleBinding", "ResourceQuota", "LimitRange"}
    | {"PersistentVolumeClaim", "NetworkPolicy", "Service"}
)


def apply_all(
    apply: Callable[[Object], Object], objects: Iterable[Object], width: int = WIDTH
) -> list[Object]:
    """What the server keeps of each, in the order they came in."""
    wanted = list(objects)
    kept: dict[int, Object] = {}
    order = sorted(range(len(wanted)), key=lambda index: _rank(wanted[index]))
    for _rank_of, group in groupby(order, key=lambda index: _rank(wanted[index])):
        kept |= _side_by_side(apply, wanted, list(group), width)
    return [kept[index] for index in range(len(wanted))]


def _side_by_side(
    apply: Callable[[Object], Object], wanted: Sequence[Object], group: list[int], width: int
) -> dict[int, Object]:
    if len(group) == 1 or width <= 1:
        return {index: apply(wanted[index]) for index in group}
    with ThreadPoolExecutor(min(width, MOST, len(group)), thread_name_prefix="apply") as pool:
        futures = {index: pool.submit(apply, wanted[index]) for index in group}
        wait(futures.values(), return_when=FIRST_EXCEPTION)
        for future in futures.values():
            if future.done() and not future.cancelled() and future.exception():
                pool.shutdown(cancel_futures=True)
                future.result()
        return {index: future.result() for index, future in futures.items()}


def _rank(item: Object) -> int:
    kind = str(item.get("kind", ""))
    return 0 if kind in _FIRST else 1 if kind in _NEXT else 2
