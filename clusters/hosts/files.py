"""Lists of hosts as CSV or YAML files, as people make them. Pure: no Django, no I/O.

`parse(data, format, known)` answers every row checked against the file itself and against what is enrolled, or raises
HostFileInvalid with every problem found, each with its line and field: all or nothing. Cells are text and stay text;
a cell that begins like a spreadsheet formula is a bad name and no more.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from clusters.hosts import rules as host_rules
from clusters.hosts.file_csv import read_csv
from clusters.hosts.file_rows import LineRows, NotRows
from clusters.hosts.file_yaml import read_yaml
from clusters.planning.names import shown
from clusters.problems import Problem, Translate
from clusters.problems import gettext_noop as _

MAX_BYTES = 1024 * 1024
MAX_ROWS = 1000
MAX_PROBLEMS = 100
COLUMNS = ("name", "address", "ssh_port", "region", "credential")
REQUIRED = ("name", "address")
Format = Literal["csv", "yaml"]


@dataclass(frozen=True)
class Row:
    """One host to be; `line` is where it stands in the file (from 1)."""

    line: int
    name: str
    address: str
    ssh_port: int
    region: str
    credential: str


@dataclass(frozen=True)
class RowProblem:
    """One thing wrong. `line` 0: the file as a whole."""

    line: int
    problem: Problem

    @property
    def field(self) -> str:
        return self.problem.path

    def text_in(self, translate: Translate) -> str:
        where = f"{translate(_('Line'))} {self.line}, {self.field}: " if self.line else ""
        return f"{where}{self.problem.message_in(translate)} {self.problem.remedy_in(translate)}".strip()


class HostFileInvalid(Exception):
    """The file is refused and nothing of it is taken; `problems` holds the first hundred, `more` counts the rest."""

    def __init__(self, problems: Iterable[RowProblem]) -> None:
        found = sorted(problems, key=lambda problem: problem.line)
        self.problems, self.more = found[:MAX_PROBLEMS], max(0, len(found) - MAX_PROBLEMS)
        super().__init__("; ".join(problem.text_in(str) for problem in self.problems))


@dataclass(frozen=True)
class Known:
    """What the portal has already. A row without region or credential takes the default ("": must be given)."""

    names: frozenset[str] = frozenset()
    addresses: frozenset[tuple[str, int]] = frozenset()
    regions: frozenset[str] = frozenset()
    credentials: frozenset[str] = frozenset()
    default_region: str = ""
    default_credential: str = ""


@dataclass
class _Seen:
    """Where names and addresses of this file stood first."""

    names: dict[str, int] = field(default_factory=dict)
    addresses: dict[tuple[str, int], int] = field(default_factory=dict)


def parse(data: bytes, format: Format, known: Known) -> tuple[Row, ...]:
    """Every row of the file. Raises HostFileInvalid."""
    text = _decoded(data)
    raw = _read(text, format)
    if not raw:
        raise _whole("empty", _("There is no host in the file."), _("Give at least one row."))
    if len(raw) > MAX_ROWS:
        raise _whole(
            "too-many",
            _("The file has more than %(most)d hosts."),
            _("Split it into several files."),
            most=MAX_ROWS,
        )
    seen, rows, problems = _Seen(), [], []
    for line, cells in raw:
        found = list(_problems(line, cells, known, seen))
        problems += [RowProblem(line, problem) for problem in found]
        if not found:
            rows.append(_row(line, cells, known))
    if problems:
        raise HostFileInvalid(problems)
    return tuple(rows)


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _whole("too-big", _("The file is larger than 1 MiB."), _("Split it into several files."))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _whole(
            "encoding",
            _("The file is not UTF-8 text."),
            _("Save it as UTF-8 (in spreadsheets: “CSV UTF-8”)."),
        ) from error
    if "\x00" in text:
        raise _whole("binary", _("The file holds binary data."), _("Give a text file: CSV or YAML."))
    return text


def _read(text: str, format: Format) -> LineRows:
    read = read_csv if format == "csv" else read_yaml
    try:
        return read(text, most_rows=MAX_ROWS, columns=COLUMNS, required=REQUIRED)
    except NotRows as error:
        raise HostFileInvalid(RowProblem(error.line, problem) for problem in error.problems) from error


def _problems(line: int, cells: Mapping[str, str], known: Known, seen: _Seen) -> Iterator[Problem]:
    name, address = cells.get("name", ""), cells.get("address", "")
    port = cells.get("ssh_port", "") or str(host_rules.SSH_PORT)
    named = (
        host_rules.name_problem(name),
        host_rules.address_problem(address),
        host_rules.port_problem(port),
    )
    yield from (problem for problem in named if problem)
    if not named[0]:
        yield from _taken_name(line, name, known, seen)
    if not named[1] and not named[2]:
        yield from _taken_address(line, (address, int(port)), known, seen)
    for column, given, there in (
        ("region", cells.get("region", "") or known.default_region, known.regions),
        ("credential", cells.get("credential", "") or known.default_credential, known.credentials),
    ):
        if given not in there:
            yield _unknown(column, given)


def _taken_name(line: int, name: str, known: Known, seen: _Seen) -> Iterator[Problem]:
    first = seen.names.setdefault(name, line)
    if first != line:
        yield _twice("name", name, first)
    if name in known.names:
        yield Problem(
            "name", "enrolled", _("%(value)s is enrolled already."), _("Take the row out."), {"value": name}
        )


def _taken_address(line: int, address: tuple[str, int], known: Known, seen: _Seen) -> Iterator[Problem]:
    said = f"{address[0]}:{address[1]}"
    first = seen.addresses.setdefault(address, line)
    if first != line:
        yield _twice("address", said, first)
    if address in known.addresses:
        yield Problem(
            "address",
            "enrolled",
            _("A host at %(value)s is enrolled already."),
            _("Take the row out, or correct the address."),
            {"value": said},
        )


def _twice(column: str, value: str, first: int) -> Problem:
    return Problem(
        column,
        "twice",
        _("%(value)s is in line %(first)d already."),
        _("Keep one of the two rows."),
        {"value": value, "first": first},
    )


def _unknown(column: str, given: str) -> Problem:
    if not given:
        return Problem(
            column, "missing", _("It is not given."), _("Fill the column, or choose one for the whole file.")
        )
    return Problem(
        column,
        "unknown",
        _("The portal does not know “%(value)s”."),
        _("Use a name of the list, or create it first."),
        {"value": shown(given)},
    )


def _row(line: int, cells: Mapping[str, str], known: Known) -> Row:
    return Row(
        line=line,
        name=cells["name"],
        address=cells["address"],
        ssh_port=int(cells.get("ssh_port", "") or host_rules.SSH_PORT),
        region=cells.get("region", "") or known.default_region,
        credential=cells.get("credential", "") or known.default_credential,
    )


def _whole(code: str, text: str, fix: str, **facts: int) -> HostFileInvalid:
    return HostFileInvalid([RowProblem(0, Problem("file", code, text, fix, facts))])


def guess_format(data: bytes, file_name: str = "") -> Format:
    """By the file's name, else by how the first line that says something begins."""
    if file_name.lower().endswith((".yaml", ".yml", ".json")):
        return "yaml"
    if file_name.lower().endswith((".csv", ".tsv")):
        return "csv"
    lines = (line.strip() for line in data[:4096].removeprefix(b"\xef\xbb\xbf").splitlines())
    first = next((line for line in lines if line and not line.startswith(b"#")), b"")
    return "yaml" if first.startswith((b"-", b"hosts:", b"[", b"{", b"%")) else "csv"


def as_csv(rows: Iterable[Row]) -> str:
    """The same hosts as a file with every column filled in."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((row.name, row.address, row.ssh_port, row.region, row.credential) for row in rows)
    return out.getvalue()
