"""Single commands in containers: bounded; the audit trail says who, where, what and how it ended, not the output.

The rights are asked by whoever calls: `command.run`, and in a protected environment that to change it, too.
Raises ValueRefused for a command that cannot be, WorkloadRefused for a pod of something else, ClusterError's kinds.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.utils.translation import gettext as _

from apps.errors import ValueRefused, WorkloadRefused
from apps.loglines.lines import clean
from apps.models import Workload
from apps.selectors.kubernetes_logs import streams_of
from apps.selectors.workloads import subject_of
from apps.services import command_ends
from apps.services.command_ends import UNABLE
from clusters import access
from clusters.errors import ClusterError, ResourceNotFound
from clusters.manifests.workload_labels import APP_LABEL
from kcloud_site.audit import trail

if TYPE_CHECKING:
    from clusters.adapters.execution import Execution

USUAL_SECONDS, MOST_SECONDS = 10, 60
MOST_OUTPUT = 64 * 1024
MOST_WORDS, LONGEST_COMMAND = 64, 4000
SHELL = ("/bin/sh", "-c")


@dataclass(frozen=True)
class Outcome:
    """How a command went. `ended`: exited, time, size, or broken; `exit_code` only when it exited. `rest`: what became
    of one that did not end by itself: ended, left (it may go on), or unable (its image has no shell to end it with)."""

    command: Sequence[str]
    output: str
    ended: str
    exit_code: int | None
    why: str = ""
    rest: str = ""

    @property
    def shown(self) -> str:
        """The command as a shell would take it."""
        return shlex.join(self.command)


def read_command(text: str, *, shell: bool = False) -> list[str]:
    """A line as a list of arguments, quotes understood; with `shell` the line goes to a shell as it is."""
    if not text.strip() or len(text) > LONGEST_COMMAND or "\0" in text:
        raise _refused(
            _("The command is empty or too long."), _("Write 1 to %d characters.") % LONGEST_COMMAND
        )
    if shell:
        return [*SHELL, text]
    try:
        return checked(shlex.split(text))
    except ValueError as error:
        raise _refused(
            _("The command's quotes do not match."), _("Close every quote, or choose the shell.")
        ) from error


def checked(command: Sequence[str]) -> list[str]:
    """The list itself, when it can be run. Raises ValueRefused."""
    words = list(command)
    too_long = sum(map(len, words)) > LONGEST_COMMAND or len(words) > MOST_WORDS
    if not words or not words[0] or too_long or any("\0" in word for word in words):
        raise _refused(
            _("The command is empty or too long."),
            _("Give 1 to %(most)d arguments.") % {"most": MOST_WORDS},
        )
    return words


def run_command(
    *,
    workload: Workload,
    pod: str,
    container: str,
    command: Sequence[str],
    by: Any,
    seconds: int = USUAL_SECONDS,
    reason: str = "",
) -> Outcome:
    """Run it in that container, its input closed, and answer what it said. At a bound it is ended there."""
    words = checked(command)
    if not 1 <= seconds <= MOST_SECONDS:
        raise ValueRefused(
            "seconds", _("The time limit is out of bounds."), "", _("Give 1 to %d seconds.") % MOST_SECONDS
        )
    path = _pod_path(workload, pod, container)
    after = {"pod": pod, "container": container, "command": words, "seconds": seconds}
    client = access.kubernetes_for(workload.environment)
    try:
        done, mark = _executed(client, path, words, container, seconds)
    except ClusterError as error:
        _record(workload, by, {**after, "ended": "refused", "exit_code": None, "why": error.what}, reason)
        raise
    rest = "" if done.ended == "exited" or done.why else UNABLE
    if rest and mark:
        rest = command_ends.end(client, path, container, mark)
    told = {"ended": done.ended, "exit_code": done.exit_code, **({"rest": rest} if rest else {})}
    _record(workload, by, {**after, **told}, reason)
    output = done.output.decode("utf-8", "replace")
    return Outcome(
        words,
        "\n".join(clean(line) for line in output.split("\n")),
        done.ended,
        done.exit_code,
        clean(done.why),
        rest,
    )


def _executed(
    client: Any, path: str, words: list[str], container: str, seconds: int
) -> tuple[Execution, str]:
    """How it went, and the mark its processes bear; "" when the image has no shell that could start it with one."""
    bounds: dict[str, Any] = {"container": container, "seconds": seconds, "max_output": MOST_OUTPUT}
    # A word that begins with a hyphen would be an option of the shell's own `exec`.
    if not words[0].startswith("-"):
        mark = command_ends.new_mark()
        done = client.execute(path, command_ends.marked(words, mark), **bounds)
        if not command_ends.has_no_shell(done):
            return done, mark
    return client.execute(path, words, **bounds), ""


def _pod_path(workload: Workload, pod: str, container: str) -> str:
    """The pod's path, once it is known to be this workload's: an environment's account reaches all of its pods."""
    path = f"/api/v1/namespaces/{workload.environment.namespace}/pods/{quote(pod, safe='')}"
    try:
        found = access.kubernetes_for(workload.environment).get(path)
    except ResourceNotFound:
        found = {}
    labels = (found.get("metadata") or {}).get("labels") or {}
    containers = [each.container for each in streams_of([found]) if not each.kind]
    if labels.get(APP_LABEL) != workload.app.name or container not in containers:
        raise WorkloadRefused(
            _("%(app)s has no container %(container)s in a pod %(pod)s.")
            % {"app": workload.app.name, "container": container, "pod": pod},
            _("Pods come and go: it may have been replaced."),
            _("Choose one of those that are there."),
        )
    return path


def _record(workload: Workload, by: Any, after: dict[str, Any], reason: str) -> None:
    trail.record(by=by, action="command.run", subject=subject_of(workload), after=after, reason=reason)


def _refused(what: str, remedy: str) -> ValueRefused:
    return ValueRefused("command", what, "", remedy)
