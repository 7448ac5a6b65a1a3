"""Reads a list of hosts from CSV as spreadsheets write it: comma, semicolon or tab, quotes, a header line. Pure.

Lines that are empty or begin with # are left out. Raises NotRows with the line, and nothing else.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from clusters.hosts.file_rows import LineRows, NotRows
from clusters.planning.names import shown
from clusters.problems import Problem
from clusters.problems import gettext_noop as _


def read_csv(text: str, *, most_rows: int, columns: Sequence[str], required: Sequence[str]) -> LineRows:
    """(line, cells) of every host; one more than `most_rows` at the most."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    header: list[str] = []
    rows: LineRows = []
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            values = [cell.strip() for cell in cells]
            if not any(values) or values[0].startswith("#"):
                continue
            if header:
                rows.append((line, _cells(line, header, values)))
            else:
                header = _checked_header(line, [value.lower() for value in values], columns, required)
            if len(rows) > most_rows:
                break
    except csv.Error as error:
        fix = _("Look for a quotation mark without its partner.")
        raise NotRows(start, [Problem("row", "csv", _("This is not CSV."), fix)]) from error
    return rows


def _cells(line: int, header: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    if any(values[len(header) :]):
        problem = Problem(
            "row",
            "cells",
            _("There are more cells than the header has columns: “%(cell)s”."),
            _("Quote cells that contain the separator."),
            {"cell": shown(next(filter(None, values[len(header) :])))},
        )
        raise NotRows(line, [problem])
    return dict(zip(header, values, strict=False))


def _delimiter(text: str) -> str:
    """The separator the header uses most; spreadsheets of some languages write semicolons."""
    lines = (line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#"))
    first = next(lines, "")
    return max((",", ";", "\t"), key=first.count)


def _checked_header(
    line: int, header: list[str], columns: Sequence[str], required: Sequence[str]
) -> list[str]:
    while header and not header[-1]:
        header.pop()
    problems = [_unknown(name, columns) for name in header if name not in columns]
    problems += [
        Problem(name, "column-missing", _("The column is missing."), _("Add it to the first line."))
        for name in required
        if name not in header
    ]
    problems += [
        Problem(name, "column-twice", _("The column is there twice."), _("Keep one."))
        for name in columns
        if header.count(name) > 1
    ]
    if problems:
        raise NotRows(line, problems)
    return header


def _unknown(name: str, columns: Sequence[str]) -> Problem:
    return Problem(
        shown(name) or "row",
        "column",
        _("There is no column “%(column)s”."),
        _("The columns are: %(known)s."),
        {"column": shown(name), "known": ", ".join(columns)},
    )
