"""Amounts in words, in the reader's language: "CPU 4 cores, memory 8 GiB"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from kcloud_site import formatting
from kcloud_site.tenants.resources import PARTS, Resources

WORDS: dict[str, Any] = {
    "cpu": gettext_lazy("CPU"),
    "memory": gettext_lazy("Memory"),
    "storage": gettext_lazy("Storage"),
    "pods": gettext_lazy("Pods"),
    "gpus": gettext_lazy("GPU"),
}


def amount(part: str, value: int) -> str:
    """One number with its unit: cores, bytes in binary units, pieces."""
    if part == "cpu":
        cores = f"{value / 1000:.3f}".rstrip("0").rstrip(".")
        return ngettext("%(cores)s core", "%(cores)s cores", 1 if value == 1000 else 2) % {"cores": cores}
    if part in ("memory", "storage"):
        return formatting.size(value)
    return formatting.number(value)


def amounts(told: Resources, *, only: Iterable[str] | None = None) -> str:
    """The parts that are not zero, or those called for, each with its word."""
    wanted = PARTS if only is None else tuple(only)
    shown = [part for part in wanted if only is not None or getattr(told, part)]
    return ", ".join(f"{WORDS[part]} {amount(part, getattr(told, part))}" for part in shown) or _("nothing")
