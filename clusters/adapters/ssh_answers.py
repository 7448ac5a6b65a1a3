"""What ssh and sudo said on stderr, turned into our errors. Decides only; `ssh.py` runs.

ssh exits with 255 for its own troubles and with the command's status otherwise, so words are looked for only
under the status they can come with: a script's own "Permission denied" is not taken for ssh's.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.utils.translation import gettext as _

from clusters.errors import (
    HostError,
    HostKeyChanged,
    HostUnreachable,
    ScriptFailed,
    SignInRefused,
    SudoRefused,
)

SSH_FAILED = 255
COMMAND_NOT_FOUND = 127
STOPPED_BY_TIMEOUT = 124
_LONGEST = 2000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SEEN = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_KEY_WORDS = (
    "REMOTE HOST IDENTIFICATION HAS CHANGED",
    "Host key verification failed",
    "host key is known for",
)
_REFUSED_WORDS = ("Permission denied", "Too many authentication failures", "no more authentication methods")
_BAD_KEY_WORDS = ("error in libcrypto", "invalid format", "bad permissions")
_SUDO_WORDS = re.compile(r"^sudo: |sudo: command not found|sudo: not found", re.MULTILINE)


def readable(raw: bytes) -> str:
    """Text a person may see: valid, no control or direction characters, cut to its end, where causes are."""
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", raw.decode("utf-8", "replace").replace("\r\n", "\n"))
    return text.strip()[-_LONGEST:]


def error_for(*, label: str, username: str, status: int, stderr: str, recorded: str) -> HostError:
    """The error for a run that ended with `status` (not 0)."""
    if status == SSH_FAILED:
        return _of_ssh(label, username, stderr, recorded)
    if _SUDO_WORDS.search(stderr):
        return _sudo(label, username, stderr)
    if status == COMMAND_NOT_FOUND:
        return ScriptFailed(
            _("%(host)s cannot run the script.") % {"host": label},
            why=_last_line(stderr),
            remedy=_("Install Python 3.6 or newer on the host (package python3)."),
            status=status,
        )
    if status == STOPPED_BY_TIMEOUT:
        return ScriptFailed(
            _("The script on %(host)s took too long and was stopped.") % {"host": label},
            remedy=_("Look at the host's load and disks, then try again."),
            status=None,
        )
    return ScriptFailed(
        _("The script on %(host)s ended with status %(status)d.") % {"host": label, "status": status},
        why=_last_line(stderr),
        remedy=_("Look at the host, then try again."),
        status=status,
    )


def _of_ssh(label: str, username: str, stderr: str, recorded: str) -> HostError:
    rules: tuple[tuple[tuple[str, ...], Callable[[], HostError]], ...] = (
        (_KEY_WORDS, lambda: key_changed(label, recorded=recorded, seen=_seen(stderr, recorded))),
        (_BAD_KEY_WORDS, lambda: _key_unusable(label, stderr)),
        (_REFUSED_WORDS, lambda: _refused(label, username, stderr)),
    )
    for words, build in rules:
        if any(word in stderr for word in words):
            return build()
    return unreachable(label, _last_line(stderr) or _("ssh ended without a word"))


def unreachable(label: str, why: str) -> HostUnreachable:
    return HostUnreachable(
        _("%(host)s cannot be reached over SSH.") % {"host": label},
        why=why,
        remedy=_(
            "Check the address, the port and the firewall, and that sshd runs on the host; then try again."
        ),
    )


def not_ssh(label: str) -> HostUnreachable:
    return HostUnreachable(
        _("%(host)s cannot be reached over SSH.") % {"host": label},
        why=_("The port is open, but no SSH server showed a key."),
        remedy=_("Check the port, and that sshd on the host has an ed25519, ECDSA or RSA key."),
    )


def key_changed(label: str, *, recorded: str, seen: str) -> HostKeyChanged:
    return HostKeyChanged(
        _("%(host)s shows another host key than the recorded one.") % {"host": label},
        why=_(
            "Recorded %(recorded)s, shown %(seen)s. Either the host was installed anew,"
            " or another machine answers."
        )
        % {"recorded": recorded or "–", "seen": seen or "–"},
        remedy=_(
            "Compare with the host's console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub)."
            " Accept the new key on the host's page only if they agree."
        ),
        recorded=recorded,
        seen=seen,
    )


def too_slow(label: str, timeout: float, stderr: bytes) -> HostError:
    said = _last_line(readable(stderr))
    return ScriptFailed(
        _("%(host)s did not finish within %(seconds)d s and was cut off.")
        % {"host": label, "seconds": timeout},
        why=said,
        remedy=_("Look at the host's load and disks, then try again."),
    )


def too_much(label: str, limit: int) -> ScriptFailed:
    return ScriptFailed(
        _("%(host)s answered more than %(limit)d bytes and was cut off.") % {"host": label, "limit": limit},
        remedy=_("Something on the host is not what it should be: sign in and look."),
    )


def _key_unusable(label: str, stderr: str) -> SignInRefused:
    return SignInRefused(
        _("The private key for %(host)s cannot be used.") % {"host": label},
        why=_last_line(stderr),
        remedy=_("Replace the key of the host's credential."),
    )


def _refused(label: str, username: str, stderr: str) -> SignInRefused:
    return SignInRefused(
        _("%(host)s does not let %(user)s sign in.") % {"host": label, "user": username},
        why=_last_line(stderr),
        remedy=_(
            "Put the credential's public key into the user's authorized_keys on the host,"
            " or choose another credential."
        ),
    )


def _sudo(label: str, username: str, stderr: str) -> SudoRefused:
    return SudoRefused(
        _("%(user)s may not become root on %(host)s.") % {"host": label, "user": username},
        why=_last_line(stderr),
        remedy=_(
            "Allow it without a password: '%(user)s ALL=(ALL) NOPASSWD: ALL' in /etc/sudoers.d/,"
            " or sign in as root."
        )
        % {"user": username},
    )


def _seen(stderr: str, recorded: str) -> str:
    return next((found for found in _SEEN.findall(stderr) if found != recorded), "")


def _last_line(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1][-300:] if lines else ""
