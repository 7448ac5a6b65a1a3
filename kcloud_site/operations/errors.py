"""What can go wrong with an operation, each with its remedy."""

from dataclasses import dataclass, field
from typing import Any


class SubjectBusy(Exception):
    """Another operation is at work on the same subject. Remedy: wait for it, or cancel it. Answers 409 with a link."""

    def __init__(self, operation_id: int, text: str) -> None:
        super().__init__(text)
        self.operation_id = operation_id


class OperationNotResumable(Exception):
    """Resume asked for something that runs, has succeeded, or whose subject is busy."""


class LeaseLost(Exception):
    """The worker's fencing number is old: somebody else has taken the operation over. The worker stops silently."""


class Cancelled(Exception):
    """Somebody asked to cancel; raised inside a step by `StepContext.check()`."""


@dataclass(eq=False)
class StepFailed(Exception):
    """A step ends badly, explained. `what` happened, `why`, and the `remedy`; `target` names the host, if one.
    `where` is filled in by the runner: the step's key and the number of the log line."""

    what: str
    why: str = ""
    remedy: str = ""
    target: str = ""
    where: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return ". ".join(part.rstrip(".") for part in (self.what, self.why, self.remedy) if part) + "."
