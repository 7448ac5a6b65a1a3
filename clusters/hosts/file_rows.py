"""What the readers of CSV and YAML lists agree on. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from clusters.problems import Problem

# (line from 1, column -> text) of every host.
LineRows = list[tuple[int, dict[str, str]]]


class NotRows(Exception):
    """The text is no list of hosts; `line` and `problems` (at least one) say where and why."""

    def __init__(self, line: int, problems: Iterable[Problem]) -> None:
        self.line, self.problems = line, list(problems)
        super().__init__("; ".join(problem.message for problem in self.problems))
