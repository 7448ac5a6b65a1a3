"""A pod's containers, each with what it should be and how it is. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apps.diagnosing.facts import Facts, Object, name_of, number, part, parts, text

RESTART_WINDOW = 600.0


@dataclass(frozen=True)
class Container:
    """One container of one pod: `spec` as asked for, `status` as the node says."""

    pod: Object
    spec: Object
    status: Object

    @property
    def name(self) -> str:
        """Its name in the pod."""
        return text(self.spec, "name")

    @property
    def pod_name(self) -> str:
        """Its pod's name."""
        return name_of(self.pod)

    @property
    def source(self) -> str:
        """How evidence names it."""
        return f"{self.pod_name}/{self.name}"

    @property
    def waiting(self) -> tuple[str, str]:
        """Why it waits, and the message; empty while it runs."""
        found = part(self.status, "state", "waiting")
        return text(found, "reason"), text(found, "message")

    @property
    def ended(self) -> Object:
        """How it ended: now, or the last time; empty when it never did."""
        return part(self.status, "state", "terminated") or part(self.status, "lastState", "terminated")

    @property
    def is_running(self) -> bool:
        """It runs at this moment."""
        return "running" in part(self.status, "state")

    @property
    def is_ready(self) -> bool:
        """It serves."""
        return self.status.get("ready") is True

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return number(self.status, "restartCount")

    def is_failing(self, facts: Facts) -> bool:
        """It ended badly and still matters: it does not run now, or it does again but ended moments ago."""
        ended = self.ended
        if not ended:
            return False
        if text(ended, "reason") == "Completed" and part(self.status, "state", "terminated"):
            return text(self.pod, "spec", "restartPolicy") in ("", "Always")
        if not self.is_running:
            return True
        ago = facts.seconds_since(text(ended, "finishedAt"))
        return self.restarts > 0 and (ago is None or ago < RESTART_WINDOW)


def containers_of(pod: Object) -> Iterator[Container]:
    """All, first those that prepare."""
    for specs, statuses in (
        ("initContainers", "initContainerStatuses"),
        ("containers", "containerStatuses"),
    ):
        states = {text(each, "name"): each for each in parts(pod, "status", statuses)}
        for spec in parts(pod, "spec", specs):
            status = states.get(text(spec, "name"), {})
            done = (
                specs == "initContainers"
                and number(status, "state", "terminated", "exitCode", otherwise=1) == 0
            )
            if not done:
                yield Container(pod, spec, status)
