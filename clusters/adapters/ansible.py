"""The door to Ansible: one playbook run on some hosts, told as plain events. The only import of ansible_runner.

Contract
- `run_playbook` runs a playbook of clusters/ansible as a child process that dies with this one, and answers what became
  of each host. A failing host does not stop the others.
- The run has a private directory on a tmpfs (0700), an environment of its own, and nothing of the user's set-up. Keys
  exist as files only while it runs; known hosts are those recorded.
- Variables travel as JSON with every string marked unsafe (never a template). A key that begins with `ansible_`, or is
  no plain name, is refused (VariableRefused): it would steer Ansible instead of describing a host.
- What hosts answer is hostile text, passed on as text; private keys and the given secrets are blacked out.
Errors: VariableRefused; AnsibleBroken when Ansible itself could not run. An exception of `on_event` or `cancelled`
stops the run and is raised again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
from django.utils.translation import gettext as _

from clusters.adapters.ansible_variables import VariableRefused, redact, refuse_keys, unsafe
from clusters.errors import ClusterError
from kcloud_site.operations import children

ROOT = Path(__file__).resolve().parent.parent / "ansible"
_POLL_SECONDS = 1
_WITH_PID = ["/bin/sh", "-c", 'echo $$ >"$0"; exec "$@"']


class AnsibleBroken(ClusterError):
    """Ansible itself failed, not a host: a broken installation or playbook."""


@dataclass(frozen=True)
class Event:
    """Something happened on a host. `kind`: started, done, failed, unreachable. `changes` in the modules' words;
    `failure` is {"code", "subject", "evidence"} of our modules, or the code "task" with what Ansible said."""

    kind: str
    host: str
    task: str
    changed: bool = False
    changes: tuple[str, ...] = ()
    failure: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """How a run ended: hosts by outcome. `cancelled`: it was stopped because the caller asked for it."""

    succeeded: tuple[str, ...]
    failed: tuple[str, ...]
    cancelled: bool = False


def run_playbook(
    playbook: str,
    *,
    inventory: Mapping[str, Any],
    variables: Mapping[str, Any],
    hosts: Sequence[str],
    tags: Sequence[str] = (),
    on_event: Callable[[Event], None],
    cancelled: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
    sockets: str = "shared",
    timeout: int = 3600,
) -> Result:
    """Run `playbook` (a name such as "deploy") on `hosts`. `environment` marks the child (children.environment);
    `sockets` names the SSH connections that later runs may go on using. `timeout` in seconds for the whole run."""
    refuse_keys(variables)
    if not hosts:
        return Result((), ())
    with _private_directory() as directory:
        _write(directory / "inventory.json", inventory)
        _write(directory / "variables.json", unsafe(variables))
        _write(directory / "env" / "settings", {"pexpect_timeout": _POLL_SECONDS})
        run = _Run(directory, on_event, cancelled, secrets, time.monotonic() + timeout)
        return run.carry_out(
            playbook, hosts, tags, {**_environment(directory, sockets), **(environment or {})}
        )


class _Run:
    """One run of ansible-playbook."""

    def __init__(
        self,
        directory: Path,
        on_event: Callable[[Event], None],
        cancelled: Callable[[], bool],
        secrets: Sequence[str],
        until: float,
    ) -> None:
        self._directory = directory
        self._on_event = on_event
        self._cancelled = cancelled
        self._secrets = [secret for secret in secrets if len(secret) > 7]
        self._until = until
        self._outcome: dict[str, str] = {}
        self._stopped = False
        self._error: Exception | None = None

    def carry_out(
        self, playbook: str, hosts: Sequence[str], tags: Sequence[str], environment: Mapping[str, str]
    ) -> Result:
        runner = ansible_runner.interface.init_runner(
            private_data_dir=str(self._directory),
            playbook=str(ROOT / "playbooks" / f"{playbook}.yml"),
            inventory=str(self._directory / "inventory.json"),
            limit=",".join(hosts),
            tags=",".join(tags) or None,
            forks=min(max(len(hosts), 1), 50),
            cmdline=f"-e @{self._directory}/variables.json",
            envvars=dict(environment),
            event_handler=self._handle,
            cancel_callback=self._ask,
            quiet=True,
            ignore_logging=True,
        )
        # The runner copies this process's environment, which holds the portal's own keys.
        runner.config.env = _only_needed(runner.config.env, environment)
        launched = children.command(runner.config.command)
        runner.config.command = [*_WITH_PID, str(self._directory / "pid"), *launched]
        status, _code = runner.run()
        if self._error is not None:
            raise self._error
        return self._result(status)

    def _result(self, status: str) -> Result:
        ended = {kind: tuple(h for h, k in self._outcome.items() if k == kind) for kind in ("done", "failed")}
        broken = status != "successful" and not ended["failed"] and not self._stopped
        if broken:
            raise AnsibleBroken(
                _("Ansible could not run this step."),
                self._last_words(),
                _("Look at the log; Resume tries again."),
            )
        return Result(ended["done"], ended["failed"], self._stopped)

    def _last_words(self) -> str:
        texts = []
        for path in sorted(self._directory.glob("artifacts/*/std*")):
            texts += path.read_text(errors="replace").strip().splitlines()[-8:]
        return redact(" ".join(texts), self._secrets)[-1500:]

    def _ask(self) -> bool:
        """Asked about once a second. The runner's own way to stop leaves children behind; the launcher's does not."""
        if not self._stopped and self._error is None:
            try:
                self._stopped = self._cancelled()
            except Exception as error:
                self._error = error
            if time.monotonic() > self._until:
                self._error = _too_long()
        if self._stopped or self._error is not None:
            self._kill()
        return False

    def _kill(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self._directory / "pid").read_text()), signal.SIGUSR2)

    def _handle(self, raw: Mapping[str, Any]) -> bool:
        event = _event(raw)
        if event is None or self._error is not None:
            return False
        if event.kind != "started":
            kind = "failed" if event.kind == "unreachable" else event.kind
            if self._outcome.get(event.host) != "failed":
                self._outcome[event.host] = kind
        try:
            self._on_event(self._clean(event))
        except Exception as error:
            self._error = error
            self._kill()
        return False  # nothing is kept on disk

    def _clean(self, event: Event) -> Event:
        return Event(
            kind=event.kind,
            host=event.host,
            task=redact(event.task, self._secrets),
            changed=event.changed,
            changes=tuple(redact(text, self._secrets) for text in event.changes),
            failure={key: redact(text, self._secrets) for key, text in event.failure.items()},
            data=event.data,
        )


def _too_long() -> AnsibleBroken:
    return AnsibleBroken(
        _("The step took too long and was stopped."),
        remedy=_("Look at the load of the portal and of the hosts that had not ended, then resume."),
    )


_KINDS = {
    "runner_on_start": "started",
    "runner_on_ok": "done",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
}


def _event(raw: Mapping[str, Any]) -> Event | None:
    kind = _KINDS.get(str(raw.get("event")))
    data = raw.get("event_data")
    if kind is None or not isinstance(data, Mapping):
        return None
    found = data.get("res")
    result: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    changes = result.get("changes")
    return Event(
        kind=kind,
        host=str(data.get("host", "")),
        task=str(data.get("task", "")),
        changed=bool(result.get("changed")),
        changes=tuple(str(text) for text in changes) if isinstance(changes, list) else (),
        failure=_failure(kind, result) if kind in ("failed", "unreachable") else {},
        data={key: result[key] for key in ("answers",) if key in result},
    )


def _failure(kind: str, result: Mapping[str, Any]) -> dict[str, str]:
    told = result.get("kcloud")
    if isinstance(told, Mapping):
        return {key: str(told.get(key, "")) for key in ("code", "subject", "evidence")}
    said = [str(result.get(key, "")) for key in ("msg", "module_stderr", "module_stdout", "exception")]
    evidence = "\n".join(dict.fromkeys(text.strip() for text in said if text.strip()))
    return {
        "code": "unreachable" if kind == "unreachable" else "task",
        "subject": "",
        "evidence": evidence[-3000:],
    }


def _environment(directory: Path, sockets: str) -> dict[str, str]:
    return {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_HOME": str(directory / "home"),
        "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"),
        "ANSIBLE_SSH_CONTROL_PATH": f"{_socket_directory(sockets)}/%%C",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "HOME": str(directory),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
    }


def _only_needed(environment: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    kept = {
        k: v for k, v in environment.items() if k.startswith(("ANSIBLE_", "AWX_")) and k not in os.environ
    }
    return {**kept, **ours}


def _socket_directory(name: str) -> Path:
    """Short, since a socket's path has at most 107 characters; private, since a socket is a signed-in connection."""
    directory = _memory() / f"kcloud-mux-{os.getuid()}" / name
    for path in (directory.parent, directory):
        path.mkdir(mode=0o700, exist_ok=True)
        if path.stat().st_uid != os.getuid() or path.is_symlink():
            raise AnsibleBroken(_("%(path)s belongs to somebody else.") % {"path": path})
        path.chmod(0o700)
    return directory


@contextlib.contextmanager
def _private_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="kcloud-ansible-", dir=_memory()))
    try:
        (directory / "env").mkdir()
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _memory() -> Path:
    memory = Path("/dev/shm")  # noqa: S108  # only as the parent of private directories
    return memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


def _write(path: Path, data: Any) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(data, file)


__all__ = [
    "AnsibleBroken",
    "Event",
    "Result",
    "VariableRefused",
    "redact",
    "refuse_keys",
    "run_playbook",
    "unsafe",
]
