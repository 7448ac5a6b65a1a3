"""The rules of node pools: names, hosts, counts, labels and taints as Kubernetes wants them. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from clusters.planning.names import host_names, is_label, shown, twice, unknown_choice
from clusters.problems import Problem
from clusters.problems import gettext_noop as _

if TYPE_CHECKING:
    from clusters.planning.plan import PlanSpec, Pool

_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
POOL_LIMIT = 50
NODE_LIMIT = 1000
LABEL_LIMIT = 32
NAME_LIMIT = 40


def pool_problems(spec: PlanSpec) -> Iterator[Problem]:
    """Everything wrong with the pools, each under "pools.<index>.<field>"."""
    workers = sum(len(pool.hosts) + max(pool.count, 0) for pool in spec.pools)
    if workers == 0:
        yield Problem(
            "pools",
            "required",
            _("The plan has no worker, so no application could run."),
            _("Make at least one host a worker, or ask for spare hosts."),
        )
    if len(spec.pools) > POOL_LIMIT or workers > NODE_LIMIT:
        yield Problem(
            "pools",
            "size",
            _(
                "The plan has %(pools)s pools and %(workers)s workers; up to %(pool_limit)s and %(limit)s"
                " are supported."
            ),
            _("Plan a second cluster."),
            {"pools": len(spec.pools), "workers": workers, "pool_limit": POOL_LIMIT, "limit": NODE_LIMIT},
        )
        return
    for index, pool in enumerate(spec.pools):
        yield from _pool(f"pools.{index}", pool)
    yield from _shared_names(spec.pools)
    yield from _shared_hosts(spec)


def _pool(path: str, pool: Pool) -> Iterator[Problem]:
    if not is_label(pool.name, NAME_LIMIT):
        yield Problem(
            f"{path}.name",
            "name",
            _("“%(name)s” cannot name a pool."),
            _("Use up to 40 lower case letters, digits and hyphens, with a letter or digit at both ends."),
            {"name": shown(pool.name)},
        )
    if pool.count < 0:
        yield Problem(
            f"{path}.count",
            "count",
            _("A pool cannot ask for %(count)s hosts."),
            _("Give 0 or more."),
            {"count": pool.count},
        )
    elif not pool.hosts and pool.count == 0:
        yield Problem(
            f"{path}.hosts",
            "empty",
            _("The pool %(name)s has no hosts."),
            _("Put hosts into it, give a count of spare hosts, or remove it."),
            {"name": shown(pool.name)},
        )
    yield from host_names(f"{path}.hosts", pool.hosts)
    yield from twice(f"{path}.hosts", pool.hosts)
    yield from _labels(f"{path}.labels", pool)
    yield from _taints(f"{path}.taints", pool)


def _labels(path: str, pool: Pool) -> Iterator[Problem]:
    if len(pool.labels) + len(pool.taints) > LABEL_LIMIT:
        yield Problem(
            path,
            "size",
            _("A pool has at most %(limit)s labels and taints."),
            _("Remove some."),
            {"limit": LABEL_LIMIT},
        )
    for key, value in sorted(pool.labels.items()):
        yield from _key(path, key)
        yield from _value(path, value)


def _taints(path: str, pool: Pool) -> Iterator[Problem]:
    for taint in pool.taints:
        yield from _key(path, taint.key)
        yield from _value(path, taint.value)
        if taint.effect not in EFFECTS:
            yield unknown_choice(path, taint.effect, EFFECTS)
    pairs = Counter((taint.key, taint.effect) for taint in pool.taints)
    for (key, effect), times in sorted(pairs.items()):
        if times > 1:
            yield Problem(
                path,
                "twice",
                _("The taint %(key)s with effect %(effect)s is given more than once."),
                _("Keep one of them: Kubernetes allows one value for a key and effect."),
                {"key": shown(key), "effect": shown(effect)},
            )


def _key(path: str, key: str) -> Iterator[Problem]:
    prefix, slash, name = key.rpartition("/")
    domain = all(is_label(label) for label in prefix.split(".")) and len(prefix) <= 253
    if len(name) > 63 or not _QUALIFIED.fullmatch(name) or (slash and not domain):
        yield Problem(
            path,
            "key",
            _("“%(key)s” is not a key for a label or taint."),
            _(
                "Use up to 63 letters, digits, hyphens, dots and underscores, after a DNS name and a "
                "slash if you like."
            ),
            {"key": shown(key)},
        )
    elif any(prefix == owner or prefix.endswith(f".{owner}") for owner in ("kubernetes.io", "k8s.io")):
        yield Problem(
            path,
            "reserved",
            _("The prefix of “%(key)s” belongs to Kubernetes; a kubelet may not set it."),
            _("Use a prefix of your own, as in example.com/disk."),
            {"key": shown(key)},
        )


def _value(path: str, value: str) -> Iterator[Problem]:
    if value and (len(value) > 63 or not _QUALIFIED.fullmatch(value)):
        yield Problem(
            path,
            "value",
            _("“%(value)s” is not a value for a label or taint."),
            _(
                "Use up to 63 letters, digits, hyphens, dots and underscores, with a letter or digit at "
                "both ends."
            ),
            {"value": shown(value)},
        )


def _shared_names(pools: Sequence[Pool]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, pool in enumerate(pools):
        if first.setdefault(pool.name, index) != index:
            yield Problem(
                f"pools.{index}.name",
                "twice",
                _("There are two pools named %(name)s."),
                _("Give each pool a name of its own."),
                {"name": shown(pool.name)},
            )


def _shared_hosts(spec: PlanSpec) -> Iterator[Problem]:
    place: dict[str, str] = {}
    for index, pool in enumerate(spec.pools):
        for host in sorted(set(pool.hosts)):
            if host in spec.masters:
                yield Problem(
                    f"pools.{index}.hosts",
                    "role",
                    _("%(host)s is both a master and a worker; its pods could starve the control service."),
                    _("Give it one role."),
                    {"host": shown(host)},
                )
            if place.setdefault(host, pool.name) != pool.name:
                yield Problem(
                    f"pools.{index}.hosts",
                    "twice",
                    _("%(host)s is in two pools, %(first)s and %(second)s."),
                    _("Leave it in one of them."),
                    {"host": shown(host), "first": shown(place[host]), "second": shown(pool.name)},
                )
