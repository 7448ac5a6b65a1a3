"""What our modules say and run: changes, failures with a code, programs with a time-out.

A `Failure` carries a code the portal turns into words ("disk-full", "package-install", "unit-start", …); what the host
said is evidence, not a message.
"""

import errno
import os
import subprocess

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "DEBIAN_FRONTEND": "noninteractive",
}
EVIDENCE = 2000


class Failure(Exception):
    """`code` names the kind, `subject` what it is about, `evidence` the last of what was said."""

    def __init__(self, code, subject="", evidence=""):
        super().__init__("%s: %s" % (code, subject))
        self.code, self.subject, self.evidence = code, subject, evidence[-EVIDENCE:]

    def as_result(self):
        return {"code": self.code, "subject": self.subject, "evidence": self.evidence}


def run(arguments, code, subject="", timeout=120, check=True):
    """Standard output; Failure(code) when it ends badly, Failure("time-out") when it does not end."""
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            env=ENVIRONMENT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"").decode("utf-8", "replace")
        raise Failure("time-out", subject or " ".join(arguments), said) from None
    except OSError as error:
        raise Failure(code, subject or arguments[0], str(error)) from None
    said = done.stdout.decode("utf-8", "replace")
    if check and done.returncode != 0:
        full = "No space left on device" in said or "not enough free space" in said.lower()
        raise Failure("disk-full" if full else code, subject or " ".join(arguments), said)
    return said


def from_os_error(error, subject=""):
    """An OSError in our words."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    code = "disk-full" if full else "read-only" if error.errno == errno.EROFS else "file"
    return Failure(code, subject or str(error.filename or ""), str(error))


def journal(unit, lines=15):
    """The last lines a unit wrote."""
    said = run(
        ["journalctl", "-u", unit, "-n", str(lines), "--no-pager", "-o", "cat"], "journal", check=False
    )
    return said.strip()


def make_parent(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
