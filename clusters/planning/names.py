"""Names in a plan: what is a label, how hostile text is shown, and problems that many rules share. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from clusters.problems import Problem
from clusters.problems import gettext_noop as _

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def is_label(text: str, limit: int = 63) -> bool:
    """Whether the text is an RFC 1123 label of at most `limit` characters."""
    return len(text) <= limit and LABEL.fullmatch(text) is not None


def host_names(path: str, hosts: Sequence[str]) -> Iterator[Problem]:
    for host in hosts:
        if not is_label(host):
            yield Problem(
                path,
                "host",
                _("“%(host)s” cannot be the name of a host."),
                _("Name a host of the host list."),
                {"host": shown(host)},
            )


def twice(path: str, hosts: Sequence[str]) -> Iterator[Problem]:
    for host in sorted({host for host in hosts if hosts.count(host) > 1}):
        yield Problem(
            path,
            "twice",
            _("%(host)s is named more than once."),
            _("Name each host once."),
            {"host": shown(host)},
        )


def unknown_choice(path: str, value: str, known: Sequence[str]) -> Problem:
    """`value` is none of `known`."""
    return Problem(
        path,
        "choice",
        _("“%(value)s” is not known here."),
        _("Choose one of: %(known)s."),
        {"value": shown(value), "known": ", ".join(known)},
    )


def shown(text: str, limit: int = 60) -> str:
    """Hostile text made fit for a message: one line, printable, not longer than `limit`."""
    clean = "".join(char if char.isprintable() else "�" for char in text[: limit + 1])
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
