"""Numbers, sizes, durations and ages as people read them, in the active language. Pure but for gettext.

A thin space groups digits, a no-break space stands before a unit; "–" is no value, 0 is zero.
"""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

NOTHING = "–"
THIN = "\u202f"
SPACE = "\u00a0"
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def number(value: float | int | None) -> str:
    """1084 → "1 084"; a float keeps one digit unless it is whole."""
    if value is None or value == "":
        return NOTHING
    plain = f"{value:,.1f}" if isinstance(value, float) and value != int(value) else f"{int(value):,}"
    return plain.replace(",", THIN)


def size(value: float | int | None) -> str:
    """Bytes in binary units, at most one digit after the point: 3355443 → "3.2 MiB"."""
    if value is None or value == "":
        return NOTHING
    amount, unit = float(value), _SIZES[0]
    for unit in _SIZES:
        if abs(amount) < 1024 or unit == _SIZES[-1]:
            break
        amount /= 1024
    digits = 0 if unit == "B" or amount >= 100 else 1
    return f"{amount:.{digits}f}".removesuffix(".0") + SPACE + unit


def duration(value: float | int | None) -> str:
    """Seconds as the two largest units: 1072 → "17 min 52 s"."""
    if value is None or value == "":
        return NOTHING
    seconds = max(0, int(value))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, _("d")), (hours, _("h")), (minutes, _("min")), (seconds, _("s"))]
    while len(units) > 1 and not units[0][0]:
        units.pop(0)
    shown = units[:2] if units[0][0] else units[-1:]
    return " ".join(f"{amount}{SPACE}{unit}" for amount, unit in shown if amount or len(shown) == 1)


def age(moment: datetime, now: datetime) -> str:
    """How long ago, in the largest unit; a moment to come (clocks differ) is "just now"."""
    seconds = (now - moment).total_seconds()
    if seconds < 1:
        return _("just now")
    if seconds < 60:
        amount, unit = int(seconds), _("s")
    elif seconds < 3600:
        amount, unit = int(seconds // 60), _("min")
    elif seconds < 48 * 3600:
        amount, unit = int(seconds // 3600), _("h")
    else:
        amount, unit = int(seconds // 86400), _("days")
    return _("%(amount)s %(unit)s ago") % {"amount": amount, "unit": unit}
