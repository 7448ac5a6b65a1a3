"""Runs the program that powers machines off, on the portal's side.

Contract: no shell, an environment of our own (PATH, and the secret as IPMI_PASSWORD and FENCING_SECRET), an end to its
time and its output; the whole process group ends with it. What it says is text for people, with the secret taken out.
Raises FencingFailed when it cannot be run, does not end in time or says too much.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from clusters.adapters import bounded_process
from clusters.errors import FencingFailed

LIMIT = 64 * 1024
SHOWN = 500


@dataclass(frozen=True)
class Said:
    """Exit status (negative: the signal that ended it), and what it said in a line."""

    status: int
    text: str


def run(program: str, arguments: Sequence[str], *, secret: str = "", seconds: float) -> Said:
    """To the end. Whether `program` is allowed is for the caller to know."""
    _check_program(program)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}
    if secret:
        environment |= {"IPMI_PASSWORD": secret, "FENCING_SECRET": secret}
    try:
        done = bounded_process.run(
            [program, *arguments], timeout=seconds, limit=LIMIT, environment=environment
        )
    except bounded_process.ProcessTimedOut as error:
        raise FencingFailed(
            _("%(program)s did not end within %(seconds)d s.") % {"program": program, "seconds": seconds},
            _plain(error.stderr, secret),
            _("See that the machine's management address answers."),
        ) from error
    except (bounded_process.OutputTooLarge, OSError) as error:
        raise FencingFailed(
            _("%(program)s could not be run.") % {"program": program},
            str(error),
            _("See that it is installed on the machine of the portal's worker."),
        ) from error
    return Said(done.status, _plain(done.stdout + b"\n" + done.stderr, secret))


def _check_program(program: str) -> None:
    """One that anybody may change is nobody's to trust."""
    try:
        mode = os.stat(program).st_mode
    except OSError as error:
        raise FencingFailed(
            _("%(program)s could not be run.") % {"program": program},
            error.strerror or "",
            _("Install it on the machine of the portal's worker."),
        ) from error
    if not stat.S_ISREG(mode) or mode & stat.S_IWOTH:
        raise FencingFailed(
            _("%(program)s could not be run.") % {"program": program},
            _("Anybody may write to it, or it is no file."),
            _("Take the right to write away from others."),
        )


def _plain(said: bytes, secret: str) -> str:
    text = said.decode(errors="replace")
    if secret:
        text = text.replace(secret, "…")
    return " ".join(text.split())[:SHOWN]
