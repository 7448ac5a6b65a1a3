"""Containers that do not start or do not stay: bad configuration, command, memory, user, crashes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from apps.diagnosing import log_lines
from apps.diagnosing.containers import Container
from apps.diagnosing.diagnosis import DOWN, LOG, Diagnosis, Evidence, Word, Wording
from apps.diagnosing.facts import Facts, first, number, part, text, texts
from clusters.problems import gettext_noop as _

CRASHING = Wording(
    "crash_loop",
    DOWN,
    _("The program ends again and again"),
    _("Container %(container)s ended with code %(code)s (%(meaning)s), %(restarts)s restarts so far."),
    _("Read its last lines. If it worked before, undo the last change."),
    "logs",
)
ENDED = Wording(
    "program_ended",
    DOWN,
    _("The program ends by itself"),
    _(
        "Container %(container)s ended with code 0 and is started again, %(restarts)s restarts so far; it has to stay."
    ),
    _("Start the program in the foreground, or give the release a command that does not end."),
    "logs",
)
MEMORY = Wording(
    "out_of_memory",
    DOWN,
    _("Killed for memory"),
    _(
        "Container %(container)s needed more memory than its limit of %(limit)s and was killed (%(restarts)s restarts)."
    ),
    _("Publish a release with a higher memory limit, or let the program use less."),
    "releases",
)
COMMAND_MISSING = Wording(
    "command_not_found",
    DOWN,
    _("Command not found"),
    _("Container %(container)s cannot start: its image has no program %(command)s."),
    _("Correct the command of the release; paths are those inside the image."),
    "releases",
)
COMMAND_FORBIDDEN = Wording(
    "command_not_allowed",
    DOWN,
    _("Command may not be run"),
    _("Container %(container)s cannot start: %(command)s is not a program its user may run."),
    _("Make the file executable in the image, or correct the command of the release."),
    "releases",
)
NOT_STARTED = Wording(
    "start_failed",
    DOWN,
    _("The container cannot be started"),
    _("The node could not start container %(container)s."),
    _("Read what the node said below; if it names nothing of the release, ask the platform's operators."),
    "events",
)
KEY_MISSING = Wording(
    "config_key_missing",
    DOWN,
    _("Configuration key is missing"),
    _("Container %(container)s reads key %(key)s, which %(object)s does not have."),
    _("Add the key to the configuration and publish it, or correct the release. Similar keys: %(similar)s."),
    "config",
)
OBJECT_MISSING = Wording(
    "config_missing",
    DOWN,
    _("Configuration is missing"),
    _("Container %(container)s needs %(object)s, which is not there."),
    _("Publish a configuration for this environment and deploy again."),
    "config",
)
ROOT = Wording(
    "root_refused",
    DOWN,
    _("The program would run as root"),
    _("Container %(container)s may not start: its image runs as root, and environments do not allow that."),
    _("Give the release a user number other than 0, or an image that names such a user."),
    "releases",
)
CONFIG_OTHER = Wording(
    "config_invalid",
    DOWN,
    _("The container's settings are not valid"),
    _("The node cannot make container %(container)s from what the release and its configuration say."),
    _("Correct what the node names below, and publish again."),
    "config",
)
EVICTED = Wording(
    "evicted",
    DOWN,
    _("Pod was put off its node"),
    _("The node ran short of something and ended the pod: %(why)s"),
    _("Give the release requests and limits that fit what it uses; a new pod is made by itself."),
    "releases",
)

_KEY = re.compile(r"couldn't find key (?P<key>\S+) in (?P<kind>ConfigMap|Secret) [^/\s]+/(?P<name>[\w.-]+)")
_FILE_KEY = re.compile(r"references non-existent (?:config|secret) key: (?P<key>\S+)")
_OBJECT = re.compile(r"(?P<kind>configmap|secret) \"(?P<name>[\w.-]+)\" not found", re.I)
_ROOT = re.compile(
    r"runAsNonRoot and (?:image will run as root|image has non-numeric user)|runAsUser breaks non-root", re.I
)
_COMMAND = re.compile(r"exec: \\?\"(?P<command>[^\"\\]+)\\?\"|exec (?P<second>/\S+?):")
_MISSING = re.compile(r"no such file or directory|executable file not found", re.I)
_FORBIDDEN = re.compile(r"permission denied|exec format error|is a directory", re.I)
_START = frozenset({"StartError", "ContainerCannotRun", "RunContainerError", "CreateContainerError"})
_MEANINGS = {
    1: _("an error of the program"),
    2: _("wrong use of the program"),
    126: _("the command may not be run"),
    127: _("the command was not found"),
    132: _("illegal instruction"),
    134: _("the program gave up"),
    137: _("killed"),
    139: _("a memory fault of the program"),
    143: _("told to end"),
}
_OTHER = _("its own code")
SHOWN_LINES = 8


def problems(facts: Facts, container: Container) -> Iterator[Diagnosis]:
    """Why one container does not start or does not stay: the one cause that says most."""
    reason, message = container.waiting
    if reason == "CreateContainerConfigError":
        yield config_problem(facts, container, message)
    elif reason in _START or text(container.ended, "reason") in _START:
        yield _not_started(container, message)
    elif container.is_failing(facts):
        yield from _ended(facts, container)
    elif not container.status or reason == "ContainerCreating":
        yield from _mounts(facts, container)


def config_problem(facts: Facts, container: Container, message: str, kind: str = "state") -> Diagnosis:
    """What a node's complaint about settings means."""
    evidence = (Evidence.of(kind, container.source, message),)
    given: dict[str, str | int] = {"container": container.name}
    wording, about = CONFIG_OTHER, container.name
    if match := _KEY.search(message) or _FILE_KEY.search(message):
        found = match.groupdict()
        near = (
            get_close_matches(found["key"], [each for each in facts.keys if isinstance(each, str)], 3, 0.6)
            if (isinstance(facts.keys, list | tuple))
            else []
        )
        named = f"{found.get('kind') or ''} {found.get('name') or ''}".strip() or "the configuration"
        given |= {"key": found["key"], "object": named, "similar": ", ".join(near) or "–"}
        wording, about = KEY_MISSING, f"{named} {found['key']}"
    elif match := _OBJECT.search(message):
        named = ("Secret " if match["kind"].lower() == "secret" else "ConfigMap ") + match["name"]
        given["object"] = named
        wording, about = OBJECT_MISSING, named
    elif _ROOT.search(message):
        wording = ROOT
    return Diagnosis(wording, about, given, evidence, (container.pod_name,))


def evicted(pod_name: str, pod: object) -> Iterator[Diagnosis]:
    """A pod its node gave up."""
    if text(pod, "status", "reason") == "Evicted":
        why = text(pod, "status", "message")
        yield Diagnosis(
            EVICTED, "", {"why": why}, (Evidence.of("state", pod_name, f"Evicted: {why}"),), (pod_name,)
        )


def _mounts(facts: Facts, container: Container) -> Iterator[Diagnosis]:
    """Configuration mounted as files is missed before there is a container."""
    for event in facts.events_of(container.pod, "FailedMount"):
        message = text(event, "message")
        if _OBJECT.search(message) or _FILE_KEY.search(message):
            yield config_problem(facts, container, message, "event")
            return


def _not_started(container: Container, message: str) -> Diagnosis:
    message = text(container.ended, "message") or message
    match = _COMMAND.search(message)
    command = next((each for each in match.groups() if each), "") if match else ""
    command = command or next(iter(texts(container.spec, "command")), "")
    wording = NOT_STARTED
    if _ROOT.search(message):
        wording = ROOT
    elif "oom" in message.lower() or "memory" in message.lower():
        wording = MEMORY
    elif match and _MISSING.search(message):
        wording = COMMAND_MISSING
    elif match and _FORBIDDEN.search(message):
        wording = COMMAND_FORBIDDEN
    given = {**_counted(container), "command": command}
    evidence = (Evidence.of("state", container.source, message),)
    return Diagnosis(wording, container.name, given, evidence, (container.pod_name,))


def _counted(container: Container) -> dict[str, str | int]:
    limit = text(container.spec, "resources", "limits", "memory")
    return {"container": container.name, "restarts": container.restarts, "limit": limit or "–"}


def _ended(facts: Facts, container: Container) -> Iterator[Diagnosis]:
    ended, given = container.ended, _counted(container)
    code = number(ended, "exitCode")
    state = Evidence.of(
        "state", container.source, f"{text(ended, 'reason') or 'Terminated'}, exit code {code}"
    )
    if text(ended, "reason") == "OOMKilled":
        yield Diagnosis(
            MEMORY, container.name, given, (state, *_lines(facts, container)), (container.pod_name,)
        )
        return
    if list(log_lines.problems(facts, container)) or _was_told(facts, container):
        return
    wording = ENDED if code == 0 else CRASHING
    given |= {"code": code, "meaning": Word(_MEANINGS.get(code, _OTHER))}
    yield Diagnosis(wording, container.name, given, (state, *_lines(facts, container)), (container.pod_name,))


def _was_told(facts: Facts, container: Container) -> bool:
    """A probe had the node end it: then the probe is the cause."""
    wanted = f"Container {container.name} failed"
    return (
        first(
            re.compile(re.escape(wanted)),
            *(text(each, "message") for each in facts.events_of(container.pod, "Killing")),
        )
        is not None
    )


def _lines(facts: Facts, container: Container) -> Iterator[Evidence]:
    lines = facts.log_of(container.pod_name, container.name)[-SHOWN_LINES:]
    said = text(part(container.ended), "message")
    if shown := "\n".join(lines) or said:
        yield Evidence.of(LOG, container.source, shown)
