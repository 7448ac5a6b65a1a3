"""Just enough of Redis' protocol: one command over one connection. Raises OSError and Refused."""

from __future__ import annotations

import socket
from typing import BinaryIO

TIMEOUT = 1.0
LONGEST = 1024 * 1024


class Refused(Exception):
    """Redis answered with an error, or with something else than we understand."""


def ask(host: str, *words: str, password: str = "", port: int = 6379) -> str | None:
    """The answer to one command; None is Redis' nil."""
    with socket.create_connection((host, port), timeout=TIMEOUT) as line, line.makefile("rb") as answers:
        if password:
            line.sendall(_command("AUTH", password))
            _answer(answers)
        line.sendall(_command(*words))
        return _answer(answers)


def _command(*words: str) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def _answer(answers: BinaryIO) -> str | None:
    line = answers.readline(LONGEST).rstrip(b"\r\n").decode(errors="replace")
    kind, rest = line[:1], line[1:]
    if kind in ("+", ":"):
        return rest
    if kind != "$" or int(rest) > LONGEST:
        raise Refused(rest or "no answer")
    if int(rest) < 0:
        return None
    return answers.read(int(rest) + 2)[:-2].decode(errors="replace")
