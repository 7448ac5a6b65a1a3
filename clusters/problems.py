"""What is wrong with a plan, said so that a form, a file import and a program can all use it. Pure.

A Problem names the field by path ("network.pod_cidr", "pools.1.labels"), carries a code for programs, and
two texts: what is wrong and what to do. Texts are marked for translation here and translated by whoever
shows them (`problem.message_in(gettext)`), so that this module needs no Django and an error can be shown in
two languages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

Translate = Callable[[str], str]


def gettext_noop(text: str) -> str:
    """Marks a text for the catalogue; import it as `_` so that makemessages finds it."""
    return text


def _as_it_is(text: str) -> str:
    return text


@dataclass(frozen=True)
class Problem:
    """One thing wrong. `text` and `fix` are templates with %(name)s places that `facts` fills."""

    path: str
    code: str
    text: str
    fix: str = ""
    facts: Mapping[str, str | int] = field(default_factory=dict)

    def message_in(self, translate: Translate) -> str:
        """What is wrong and why, in the language `translate` turns to."""
        return translate(self.text) % self.facts

    def remedy_in(self, translate: Translate) -> str:
        """What to do about it; empty when the message says it already."""
        return translate(self.fix) % self.facts if self.fix else ""

    @property
    def message(self) -> str:
        """What is wrong and why, in English."""
        return self.message_in(_as_it_is)

    @property
    def remedy(self) -> str:
        """What to do about it, in English."""
        return self.remedy_in(_as_it_is)


class PlanInvalid(Exception):
    """A plan is refused; `problems` holds everything found, in the plan's own order. Nothing was saved."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(
            "; ".join(
                f"{each.path or 'plan'}: {each.message} {each.remedy}".strip() for each in self.problems
            )
        )
