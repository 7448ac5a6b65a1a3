"""How the pods of one release give way to those of the next. Pure.

`parse(value)` reads what a form or program sent; ValueRefused names the field. Surge and unavailable are numbers of
pods or shares ("25%"), as Kubernetes means them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from apps.errors import ValueRefused
from clusters.problems import gettext_noop as _

ROLLING, RECREATE, BLUE_GREEN = "rolling", "recreate", "blue-green"
TYPES = (ROLLING, RECREATE, BLUE_GREEN)
LEAST_TIMEOUT, MOST_TIMEOUT, DEFAULT_TIMEOUT = 10, 3600, 300
_AMOUNT = re.compile(r"(\d{1,4})(%?)\Z")


@dataclass(frozen=True)
class Strategy:
    """`timeout`: seconds within which the new pods must be available, or the last good release comes back.
    `automatic_return`: False leaves a failed rollout standing for a person to look at. `watch`: seconds for which the
    new pods are watched once they are available; one that restarts or fails its probes then leads back, too."""

    type: str = ROLLING
    surge: str = "25%"
    unavailable: str = "0"
    timeout: int = DEFAULT_TIMEOUT
    automatic_return: bool = True
    watch: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def parse(value: Mapping[str, Any] | None) -> Strategy:
    """From a form's or program's fields; what is missing is the default. Raises ValueRefused."""
    given = dict(value or {})
    kind = given.get("type", ROLLING)
    if kind not in TYPES:
        raise ValueRefused(
            "type", _("This way to deploy is not known."), "", _("Choose rolling, recreate or blue-green.")
        )
    surge = _amount("surge", given.get("surge", "25%"))
    unavailable = _amount("unavailable", given.get("unavailable", "0"))
    if kind == ROLLING and not _is_some(surge) and not _is_some(unavailable):
        raise ValueRefused(
            "unavailable",
            _("With no pod more and no pod less, nothing could ever be replaced."),
            "",
            _("Allow at least one more pod, or one less."),
        )
    return Strategy(
        kind,
        surge,
        unavailable,
        _timeout(given.get("timeout", DEFAULT_TIMEOUT)),
        given.get("automatic_return", True) is not False,
    )


def deployment_strategy(strategy: Strategy) -> dict[str, Any]:
    """The field of a Kubernetes Deployment. With blue and green each set starts as a whole."""
    if strategy.type == RECREATE:
        return {"type": "Recreate"}
    if strategy.type == BLUE_GREEN:
        return {"type": "RollingUpdate"}
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {
            "maxSurge": _as_sent(strategy.surge),
            "maxUnavailable": _as_sent(strategy.unavailable),
        },
    }


def _amount(field: str, value: Any) -> str:
    text = str(value).strip()
    found = _AMOUNT.match(text)
    if isinstance(value, bool) or found is None or (found[2] and int(found[1]) > 100):
        raise ValueRefused(
            field, _("This is neither a number of pods nor a share of them."), "", _("Write “1” or “25%”.")
        )
    return f"{int(found[1])}{found[2]}"


def _timeout(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not LEAST_TIMEOUT <= value <= MOST_TIMEOUT:
        raise ValueRefused(
            "timeout", _("This is no time a deployment may take."), "", _("Give 10 to 3600 seconds.")
        )
    return value


def _is_some(amount: str) -> bool:
    return int(amount.rstrip("%")) > 0


def _as_sent(amount: str) -> int | str:
    return amount if amount.endswith("%") else int(amount)
