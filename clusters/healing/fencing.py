"""The commands that power a machine off, as data: which programs, which arguments, filled for one host. Pure.

A program is named by its whole path and must be one the portal's own administrator allowed. There is no shell: each
argument is one text, in which `{host}` and `{address}` stand for the host's name and address and nothing else is
replaced. `problem` answers the first thing wrong as (field, code), None when all is well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_ARGUMENTS, LONGEST_ARGUMENT = 30, 200
LEAST_SECONDS, MOST_SECONDS = 5, 120
_NAMES = re.compile(r"\{([^{}]*)\}")
_KNOWN = frozenset({"host", "address"})


@dataclass(frozen=True)
class Commands:
    """How to power off, and how to ask whether it is: `off_text` is part of the answer then."""

    program: str
    off: tuple[str, ...]
    status: tuple[str, ...]
    off_text: str
    seconds: int = 30


def problem(commands: Commands, allowed: Iterable[str]) -> tuple[str, str] | None:
    """Fields: program, off_arguments, status_arguments, off_text, seconds."""
    if commands.program not in set(allowed) or not commands.program.startswith("/"):
        return "program", "not-allowed"
    for field, arguments in (("off_arguments", commands.off), ("status_arguments", commands.status)):
        if code := _wrong(arguments):
            return field, code
    if not commands.off_text.strip():
        return "off_text", "missing"
    if not LEAST_SECONDS <= commands.seconds <= MOST_SECONDS:
        return "seconds", "range"
    return None


def filled(arguments: Sequence[str], *, host: str, address: str) -> list[str]:
    """The arguments for one host."""
    values = {"host": host, "address": address}
    return [_NAMES.sub(lambda found: values.get(found[1], found[0]), each) for each in arguments]


def says_off(commands: Commands, status: int, said: str) -> bool:
    """Whether the answer of the status command means that the machine is off: it ended well, and said so."""
    return status == 0 and commands.off_text.strip().casefold() in said.casefold()


def _wrong(arguments: Sequence[str]) -> str:
    if not arguments:
        return "missing"
    if len(arguments) > MOST_ARGUMENTS or any(len(each) > LONGEST_ARGUMENT for each in arguments):
        return "too-long"
    if any(ord(letter) < 32 or ord(letter) == 127 for each in arguments for letter in each):
        return "control"
    if any(name not in _KNOWN for each in arguments for name in _NAMES.findall(each)):
        return "unknown-name"
    return ""
