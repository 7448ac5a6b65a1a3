"""What the rail beside a plan shows of its preflight, in the reader's language: problems first, passes
folded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from django.utils.translation import gettext

from clusters.models import PreflightCheck
from clusters.planning.placement import natural
from clusters.preflight.checks import describe, title, worst
from clusters.selectors.preflight import PreflightVerdict

# Which part of the plan a check's remedy is about: the page's anchor.
_ANCHORS = {
    "networks": "id_pod_cidr",
    "addresses": "id_pod_cidr",
    "bundle": "id_version",
    "hosts": "id_hosts",
    "quorum": "id_hosts",
    "host_loss": "id_hosts",
    "region_loss": "id_hosts",
    "storage": "id_default_class",
}


@dataclass
class Line:
    """One finding, of one host or of several that say the same."""

    verdict: str
    title: str
    message: str
    remedy: str
    anchor: str
    hosts: list[str] = field(default_factory=list)
    # The check whose acceptance accepts all of this line; None when there is nothing to accept.
    check: PreflightCheck | None = None
    accepted_by: str = ""
    accepted_reason: str = ""


@dataclass
class Passed:
    """A check that passed on some hosts, folded to one line."""

    title: str
    count: int
    of: int
    message: str


@dataclass
class Cell:
    """What a host's row in the plan says: the worst verdict and the first problem."""

    verdict: str
    text: str
    passed: int
    total: int


@dataclass
class Panel:
    """The rail's contents."""

    lines: list[Line]
    passed: list[Passed]
    cells: dict[str, Cell]

    @property
    def blocking(self) -> list[Line]:
        """Lines that block."""
        return [line for line in self.lines if line.verdict == "block"]

    @property
    def open_warnings(self) -> list[Line]:
        """Warnings nobody accepted."""
        return [line for line in self.lines if line.verdict == "warn" and not line.accepted_by]


def panel(verdict: PreflightVerdict) -> Panel:
    """The rail for a verdict; empty before the first check."""
    return Panel(_lines(verdict.checks), _passed(verdict.checks), _cells(verdict.checks))


def same_warnings(check: PreflightCheck) -> list[PreflightCheck]:
    """The warnings that read as one line with `check`: accepted together."""
    rows = PreflightCheck.objects.filter(
        revision=check.revision_id, operation_id=check.operation_id, key=check.key, verdict=check.verdict
    )
    wanted = _words(check)
    return [
        row
        for row in rows.filter(overridden_by="").select_related("revision__cluster")
        if _words(row) == wanted
    ]


def _words(check: PreflightCheck) -> tuple[str, str]:
    return describe(check.key, check.verdict, check.facts, gettext)


def _lines(checks: list[PreflightCheck]) -> list[Line]:
    found: dict[tuple[str, ...], Line] = {}
    for check in checks:
        if check.verdict == PreflightCheck.Verdict.PASS:
            continue
        message, remedy = _words(check)
        key = (check.verdict, check.key, message, remedy, check.overridden_by)
        if key not in found:
            found[key] = Line(
                verdict=check.verdict,
                title=title(check.key, gettext),
                message=message,
                remedy=remedy,
                anchor=_ANCHORS.get(check.key, ""),
                check=check,
                accepted_by=check.overridden_by,
                accepted_reason=check.override_reason,
            )
        if check.host:
            found[key].hosts.append(check.host)
    for line in found.values():
        line.hosts.sort(key=natural)
    return list(found.values())


def _passed(checks: list[PreflightCheck]) -> list[Passed]:
    totals: dict[str, list[PreflightCheck]] = {}
    for check in checks:
        totals.setdefault(check.key, []).append(check)
    found = []
    for key, rows in totals.items():
        good = [row for row in rows if row.verdict == PreflightCheck.Verdict.PASS]
        if good:
            message = "" if rows[0].host else _words(good[0])[0]
            found.append(Passed(title(key, gettext), len(good), len(rows), message))
    return found


def _cells(checks: list[PreflightCheck]) -> dict[str, Cell]:
    by_host: dict[str, list[PreflightCheck]] = {}
    for check in checks:
        if check.host:
            by_host.setdefault(check.host, []).append(check)
    return {host: _cell(rows) for host, rows in by_host.items()}


def _cell(rows: list[PreflightCheck]) -> Cell:
    # An accepted warning is no problem of the host any more.
    open_ones = [row for row in rows if row.verdict != PreflightCheck.Verdict.PASS and not row.overridden_by]
    verdict = worst([row.verdict for row in open_ones])
    first = next((row for row in open_ones if row.verdict == verdict), None)
    text = f"{title(first.key, gettext)}: {_words(first)[0]}" if first else ""
    return Cell(verdict, text, len(rows) - len(open_ones), len(rows))
