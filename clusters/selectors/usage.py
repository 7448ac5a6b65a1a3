"""A tenant's use of its quota over time, for the chart and the table behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from clusters.selectors.resource_texts import WORDS, amount
from kcloud_site import charts
from kcloud_site.tenants.models import Tenant, UsageSample

# Days shown, and the hours that make one point: a chart has at most some 360 points.
PERIODS = {1: 1, 7: 1, 90: 6}


@dataclass(frozen=True)
class Point:
    """The highest values of one stretch of hours, in the resource's unit; `used` None: nobody could see."""

    at: datetime
    used: int | None
    carved: int
    limit: int


@dataclass(frozen=True)
class Chart:
    """What the line chart of the component needs (templates/components/line_chart.html)."""

    label: str
    top: str
    lines: list[tuple[str, str]]
    ticks: list[tuple[str, datetime]]
    legend: list[tuple[str, Any]]


def history(tenant: Tenant, part: str, days: int, now: datetime) -> list[Point]:
    """One query. The newest stretch comes last."""
    hours = PERIODS[days]
    rows = UsageSample.objects.filter(tenant=tenant, hour__gte=now - timedelta(days=days)).order_by("hour")
    stretches: dict[int, list[UsageSample]] = {}
    for row in rows:
        stretches.setdefault(int(row.hour.timestamp()) // (3600 * hours), []).append(row)
    return [_point(found, part) for found in stretches.values()]


def _point(rows: list[UsageSample], part: str) -> Point:
    used = [row.used[part] for row in rows if row.used is not None]
    return Point(
        at=rows[0].hour,
        used=max(used) if used else None,
        carved=max(row.carved[part] for row in rows),
        limit=max(row.limit[part] for row in rows),
    )


def chart(points: list[Point], part: str, days: int, now: datetime) -> Chart:
    """Used as the thing itself, carved out as a comparison, the limit dashed."""
    highest = max((max(point.used or 0, point.carved, point.limit) for point in points), default=0)
    unit = _unit(part, highest)
    top = charts.round_top(highest / unit) * unit
    span = charts.Span(now - timedelta(days=days), now, top, timedelta(hours=PERIODS[days] * 1.5))
    return Chart(
        label=_said(points, part),
        top=amount(part, int(top)),
        lines=[
            ("b", charts.path([(point.at, point.limit) for point in points], span)),
            ("c", charts.path([(point.at, point.carved) for point in points], span)),
            ("a", charts.path([(point.at, point.used) for point in points], span)),
        ],
        ticks=[(f"{span.x(at):.0f}%", at) for at in charts.ticks(span.start, span.end, 3)],
        legend=[("a", _("used")), ("", _("carved out")), ("b", _("limit"))],
    )


def _unit(part: str, highest: int) -> int:
    """In which the axis is round: cores, the binary unit that fits, pieces."""
    if part == "cpu":
        return 1000
    if part in ("memory", "storage"):
        return int(max((1024**power for power in range(5) if 1024**power <= highest), default=1))
    return 1


def _said(points: list[Point], part: str) -> str:
    """The chart in words."""
    used = [point.used for point in points if point.used is not None]
    if not used:
        return _("%(resource)s: no use was seen in this time.") % {"resource": WORDS[part]}
    return _("%(resource)s used: lowest %(lowest)s, highest %(highest)s, last %(last)s. Limit %(limit)s.") % {
        "resource": WORDS[part],
        "lowest": amount(part, min(used)),
        "highest": amount(part, max(used)),
        "last": amount(part, used[-1]),
        "limit": amount(part, points[-1].limit),
    }


def table(points: list[Point], part: str) -> list[tuple[datetime, str, str, str]]:
    """(when, used, carved, limit), newest first."""
    return [
        (
            point.at,
            "–" if point.used is None else amount(part, point.used),
            amount(part, point.carved),
            amount(part, point.limit),
        )
        for point in reversed(points)
    ]
