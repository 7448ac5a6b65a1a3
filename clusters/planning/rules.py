"""The rules a well-formed plan must keep; each answers the problems it finds, all of them. Pure.

`clusters.planning.plan.parse` has checked the shapes before (types, unknown and missing fields); here it is about
meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from clusters.planning.names import host_names, is_label, shown, twice, unknown_choice
from clusters.planning.network_rules import network_problems
from clusters.planning.pool_rules import pool_problems
from clusters.planning.quorum import quorum, tolerated
from clusters.problems import Problem
from clusters.problems import gettext_noop as _

if TYPE_CHECKING:
    from clusters.planning.plan import MaintenanceWindow, PlanSpec, Pool

_VERSION = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,3})){2}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")

RESERVED_NAMES = ("new", "import")
NAME_LIMIT = 40
MASTER_COUNTS = (1, 3)
STORAGE_CLASSES = ("none", "local")
RUNTIMES = ("containerd",)
ADDONS = ("coredns",)


def problems_of(spec: PlanSpec) -> list[Problem]:
    """Every rule, in the order of the form."""
    return [
        *_names(spec),
        *_masters(spec.masters),
        *pool_problems(spec),
        *network_problems(spec.network, nodes=len(spec.masters) + worker_count(spec.pools)),
        *_choices(spec),
        *_window(spec.maintenance_window),
    ]


def worker_count(pools: Sequence[Pool]) -> int:
    """Workers a plan asks for, named and counted."""
    return sum(len(pool.hosts) + max(pool.count, 0) for pool in pools)


def _names(spec: PlanSpec) -> Iterator[Problem]:
    name_fix = _("Use up to 40 lower case letters, digits and hyphens, with a letter or digit at both ends.")
    if not spec.name:
        yield Problem("name", "required", _("The cluster has no name."), name_fix)
    elif not is_label(spec.name, NAME_LIMIT):
        yield Problem(
            "name", "name", _("“%(name)s” cannot name a cluster."), name_fix, {"name": shown(spec.name)}
        )
    elif spec.name in RESERVED_NAMES:
        yield Problem(
            "name",
            "reserved",
            _("“%(name)s” is the address of a page of this portal."),
            _("Choose another name."),
            {"name": spec.name},
        )
    if not is_label(spec.region, NAME_LIMIT):
        yield Problem(
            "region",
            "required",
            _("The plan names no region."),
            _("Choose the region the cluster stands in."),
        )
    if not _VERSION.fullmatch(spec.version):
        yield Problem(
            "version",
            "version",
            _("“%(version)s” is not a Kubernetes version."),
            _("Write three numbers without a leading v, as in 1.34.4."),
            {"version": shown(spec.version)},
        )


def _masters(masters: Sequence[str]) -> Iterator[Problem]:
    count = len(masters)
    facts: dict[str, str | int] = {"count": count, "quorum": quorum(count), "before": count - 1}
    if count == 0:
        yield Problem(
            "masters", "required", _("The plan has no master."), _("Choose one host as master, or three.")
        )
    elif count == 2:
        yield Problem(
            "masters",
            "even",
            _("2 masters need 2 for a majority, so losing either stops the cluster: no better than 1."),
            _("Choose 1 master, or 3 to survive the loss of one."),
        )
    elif count % 2 == 0:
        facts["tolerated"] = tolerated(count)
        yield Problem(
            "masters",
            "even",
            _(
                "%(count)s masters need %(quorum)s for a majority, so %(tolerated)s may be lost: no "
                "better than %(before)s."
            ),
            _("Choose 1 master, or 3 to survive the loss of one."),
            facts,
        )
    elif count not in MASTER_COUNTS:
        yield Problem(
            "masters",
            "unsupported",
            _("%(count)s masters are not supported: each write would wait for %(quorum)s of them."),
            _("Choose 3 masters; they survive the loss of one."),
            facts,
        )
    yield from host_names("masters", masters)
    yield from twice("masters", masters)


def _choices(spec: PlanSpec) -> Iterator[Problem]:
    if spec.storage.default_class not in STORAGE_CLASSES:
        yield unknown_choice("storage.default_class", spec.storage.default_class, STORAGE_CLASSES)
    if spec.runtime not in RUNTIMES:
        yield unknown_choice("runtime", spec.runtime, RUNTIMES)
    for addon in sorted(set(spec.addons)):
        if addon not in ADDONS:
            yield unknown_choice("addons", addon, ADDONS)
    yield from twice("addons", spec.addons)


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """The names of all time zones this Python knows."""
    return frozenset(available_timezones())


def _window(window: MaintenanceWindow | None) -> Iterator[Problem]:
    if window is None:
        return
    if not 0 <= window.day <= 6:
        yield Problem(
            "maintenance_window.day",
            "day",
            _("The window's day is not a day of the week."),
            _("0 is Monday, 6 is Sunday."),
        )
    if not _TIME.fullmatch(window.start):
        yield Problem(
            "maintenance_window.start",
            "time",
            _("“%(text)s” is not a time of day."),
            _("Write hours and minutes, as in 02:00."),
            {"text": shown(window.start)},
        )
    if not 1 <= window.hours <= 24:
        yield Problem(
            "maintenance_window.hours",
            "hours",
            _("A maintenance window lasts 1 to 24 hours."),
            _("Give whole hours."),
        )
    if window.time_zone not in time_zones():
        yield Problem(
            "maintenance_window.time_zone",
            "time_zone",
            _("“%(text)s” is not a time zone."),
            _("Use a name as in Asia/Shanghai or UTC."),
            {"text": shown(window.time_zone)},
        )
