"""The door to hosts: the OpenSSH client as a child process, no shell, none of the user's own set-up.

Contract
- `run_script(target, script)` sends a script to an interpreter on the host and answers its stdout as text.
- `scan_host_key(address, port)` asks a host for its key, `fingerprint(key)` says how people read it.
- `identity(target)` lends files for other users of OpenSSH (Ansible): key file, known_hosts, options.
- The host must show the key recorded for it (StrictHostKeyChecking=yes with a known_hosts of our own); no
  agent, no ~/.ssh, no forwarding. A private key is a file only while it is used, in a 0700 directory on
  tmpfs. A password is never written: ssh asks `askpass.sh`, which answers from the child's environment.
- What a host says is hostile text: size-bounded here, decoded with replacement, interpreted by the caller.
Errors (clusters.errors, each with its remedy): HostUnreachable, HostKeyMissing, HostKeyChanged,
SignInRefused, SudoRefused, ScriptFailed.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import hashlib
import math
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.utils.translation import gettext as _

from clusters.adapters import bounded_process, ssh_answers
from clusters.errors import HostKeyMissing, HostUnreachable, ScriptFailed

CONNECT_TIMEOUT = 8
OUTPUT_LIMIT = 4 * 1024 * 1024
_ASKPASS = Path(__file__).with_name("askpass.sh")
_PREFIX = "kcloud-ssh-"
_ABANDONED_AFTER = 60
# Best first; what ssh-keyscan is asked for and what a recorded key may be.
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


@dataclass(frozen=True, kw_only=True)
class SshTarget:
    """A host to talk to, and how: `private_key` (OpenSSH PEM text) or `password`. `name` is for messages."""

    address: str
    port: int = 22
    username: str
    private_key: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    host_key: str = ""
    name: str = ""

    @property
    def label(self) -> str:
        where = f"{self.address}:{self.port}"
        return f"{self.name} ({where})" if self.name else where


@dataclass(frozen=True)
class Identity:
    """Files that exist while `identity` is open. `key_file` is None for a target with a password: who runs
    ssh then hands the password over in its own way (`environment` does it for plain ssh)."""

    key_file: Path | None
    known_hosts: Path
    options: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)


def run_script(
    target: SshTarget, script: str, *, interpreter: str = "", timeout: float = 60, limit: int = OUTPUT_LIMIT
) -> str:
    """Stdout of `script`, run on the host by root's python3 unless `interpreter` names another command.

    `timeout` (seconds) bounds both sides: the default interpreter also ends on the host. Raises those above.
    """
    command = interpreter or default_interpreter(target, timeout)
    with identity(target) as lent:
        try:
            finished = bounded_process.run(
                [
                    "ssh",
                    "-T",
                    *lent.options,
                    "-l",
                    target.username,
                    "-p",
                    str(target.port),
                    "--",
                    target.address,
                    command,
                ],
                stdin=script.encode(),
                timeout=timeout,
                limit=limit,
                environment=lent.environment,
            )
        except bounded_process.ProcessTimedOut as error:
            raise ssh_answers.too_slow(target.label, timeout, error.stderr) from error
        except bounded_process.OutputTooLarge as error:
            raise ssh_answers.too_much(target.label, limit) from error
        except FileNotFoundError as error:
            raise _client_missing(target.label) from error
    if finished.status != 0:
        raise ssh_answers.error_for(
            label=target.label,
            username=target.username,
            status=finished.status,
            stderr=ssh_answers.readable(finished.stderr),
            recorded=fingerprint(target.host_key),
        )
    return finished.stdout.decode("utf-8", "replace")


def default_interpreter(target: SshTarget, timeout: float) -> str:
    """Python on stdin as root, ended by the host itself should the connection be cut in the middle."""
    bounded = f"timeout -k 5 {math.ceil(timeout)} python3 -"
    return bounded if target.username == "root" else f"sudo -n {bounded}"


@contextlib.contextmanager
def identity(target: SshTarget) -> Iterator[Identity]:
    """Key and known_hosts as files in a private directory, gone afterwards. Raises HostKeyMissing.

    Ansible: `ansible_ssh_private_key_file=key_file`, `ansible_ssh_common_args=" ".join(options)` (the options
    hold no blanks inside); StrictHostKeyChecking stays on.
    """
    if not target.host_key:
        raise HostKeyMissing(
            _("%(host)s has no recorded host key.") % {"host": target.label},
            why=_("Without it nobody can tell whether the right machine answers."),
            remedy=_("Gather the host's facts: that records the key and shows it."),
        )
    with _private_directory() as directory:
        known_hosts = directory / "known_hosts"
        known_hosts.write_text(known_hosts_line(target.address, target.port, target.host_key) + "\n")
        key_file = None
        if target.private_key:
            key_file = directory / "key"
            descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w") as file:
                file.write(target.private_key.rstrip("\r\n") + "\n")
        yield Identity(key_file, known_hosts, _options(key_file, known_hosts), _environment(target))


def known_hosts_line(address: str, port: int, host_key: str) -> str:
    """The line of a known_hosts file, in the form ssh looks up for this port."""
    return f"{address if port == 22 else f'[{address}]:{port}'} {host_key}"


def scan_host_key(address: str, port: int = 22, *, timeout: int = CONNECT_TIMEOUT) -> str:
    """The host's key, "ssh-ed25519 AAAA…", the best type it has. Raises HostUnreachable with the cause."""
    label = f"{address}:{port}"
    _connect(address, port, timeout)
    types = "ed25519,ecdsa,rsa"
    try:
        scan = bounded_process.run(
            ["ssh-keyscan", "-T", str(timeout), "-t", types, "-p", str(port), "--", address],
            timeout=timeout * 2 + 2,
            limit=65536,
            environment=_plain_environment(),
        )
    except bounded_process.ProcessTimedOut as error:
        raise ssh_answers.not_ssh(label) from error
    except bounded_process.OutputTooLarge as error:
        raise ssh_answers.not_ssh(label) from error
    except FileNotFoundError as error:
        raise _client_missing(label) from error
    key = best_key(scan.stdout.decode("ascii", "replace"))
    if not key:
        raise ssh_answers.not_ssh(label)
    return key


def best_key(scanned: str) -> str:
    """The best of ssh-keyscan's lines, as "type base64"; empty when there is none we know."""
    found: dict[str, str] = {}
    for line in scanned.splitlines():
        words = line.split()
        if not line.startswith("#") and len(words) >= 3 and is_host_key(f"{words[1]} {words[2]}"):
            found.setdefault(words[1], words[2])
    return next((f"{kind} {found[kind]}" for kind in KEY_TYPES if kind in found), "")


def is_host_key(text: str) -> bool:
    """Whether the text is "type base64" of a type we know, the type inside the blob being the same."""
    kind, _blank, encoded = text.partition(" ")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    name = kind.encode()
    return kind in KEY_TYPES and blob.startswith(len(name).to_bytes(4, "big") + name)


def fingerprint(host_key: str) -> str:
    """SHA256:… as `ssh-keygen -l` shows it; empty for text that is no key."""
    if not is_host_key(host_key):
        return ""
    digest = hashlib.sha256(base64.b64decode(host_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _options(key_file: Path | None, known_hosts: Path) -> tuple[str, ...]:
    settings = {
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "ForwardAgent": "no",
        "ClearAllForwardings": "yes",
        "PermitLocalCommand": "no",
        "GSSAPIAuthentication": "no",
        "ConnectTimeout": str(CONNECT_TIMEOUT),
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "4",
        "LogLevel": "ERROR",
    }
    if key_file:
        settings |= {
            "IdentityFile": str(key_file),
            "BatchMode": "yes",
            "PreferredAuthentications": "publickey",
        }
    else:
        settings |= {
            "PubkeyAuthentication": "no",
            "NumberOfPasswordPrompts": "1",
            "PreferredAuthentications": "password,keyboard-interactive",
        }
    return (
        "-F",
        "/dev/null",
        *(part for key, value in settings.items() for part in ("-o", f"{key}={value}")),
    )


def _plain_environment() -> dict[str, str]:
    # LC_ALL: the causes are read from ssh's English words.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": "/nonexistent"}


def _environment(target: SshTarget) -> dict[str, str]:
    environment = _plain_environment()
    if not target.private_key:
        environment |= {
            "SSH_ASKPASS": str(_ASKPASS),
            "SSH_ASKPASS_REQUIRE": "force",
            "KCLOUD_SSH_PASSWORD": target.password,
        }
    return environment


def _connect(address: str, port: int, timeout: float) -> None:
    """ssh-keyscan does not say why it found nothing; a plain connection does."""
    try:
        socket.create_connection((address, port), timeout=timeout).close()
    except OSError as error:
        why = (
            _("no answer for %(seconds)d s") % {"seconds": timeout}
            if isinstance(error, TimeoutError)
            else str(error.strerror or error)
        )
        raise ssh_answers.unreachable(f"{address}:{port}", why) from error


def _client_missing(label: str) -> ScriptFailed:
    return ScriptFailed(
        _("%(host)s could not be asked.") % {"host": label},
        why=_("The portal's machine has no OpenSSH client."),
        remedy=_("Install it there: apt-get install openssh-client."),
    )


@contextlib.contextmanager
def _private_directory() -> Iterator[Path]:
    parent = _memory_directory()
    _remove_abandoned(parent)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        # Held while the directory is in use: a directory whose lock is free has lost its owner (killed).
        with open(directory / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _memory_directory() -> Path:
    memory = Path("/dev/shm")  # noqa: S108  # mkdtemp makes the unguessable, private part
    return memory if memory.is_dir() and os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


def _remove_abandoned(parent: Path) -> None:
    """Take away what a killed process left: its keys must not outlive it."""
    for directory in parent.glob(_PREFIX + "*"):
        with contextlib.suppress(OSError):
            about = directory.lstat()
            if about.st_uid != os.getuid() or time.time() - about.st_mtime < _ABANDONED_AFTER:
                continue
            with open(directory / "lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)


__all__ = [
    "CONNECT_TIMEOUT",
    "HostUnreachable",
    "Identity",
    "SshTarget",
    "best_key",
    "default_interpreter",
    "fingerprint",
    "identity",
    "is_host_key",
    "known_hosts_line",
    "run_script",
    "scan_host_key",
]
