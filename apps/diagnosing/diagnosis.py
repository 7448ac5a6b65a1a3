"""What the doctor answers: diagnoses with their evidence, merged over pods and sorted, and the report of them. Pure.

Texts are templates marked for translation, as clusters.problems has them; whoever shows them translates. Words that
come from a cluster or a program only fill places or stand in evidence, as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from clusters.problems import gettext_noop as _

Translate = Callable[[str], str]

DOWN, DEGRADED, NOTICE = "down", "degraded", "notice"
SEVERITIES = (DOWN, DEGRADED, NOTICE)
MOST_EVIDENCE = 8
LONGEST = 600
LOG = "log"


def as_it_is(text: str) -> str:
    """No translation."""
    return text


class Word(str):
    """A fact that is a word of ours, translated with the text it stands in; marked where it is written."""

    __slots__ = ()


@dataclass(frozen=True)
class Evidence:
    """The very words a cause was read from: `kind` is event, state, field or log; `source` names the object."""

    kind: str
    source: str
    text: str

    @classmethod
    def of(cls, kind: str, source: str, text: str) -> Evidence:
        """Shortened to what fits a page."""
        plain = "".join(each for each in text.strip() if each.isprintable() or each in "\n\t")
        return cls(kind, source[:253], plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…")


@dataclass(frozen=True)
class Wording:
    """One kind of diagnosis: `title`, `cause` and `remedy` are templates; `action` is the key of the next click."""

    code: str
    severity: str
    title: str
    cause: str
    remedy: str
    action: str


@dataclass(frozen=True)
class Diagnosis:
    """One cause. `about` tells two of the same code apart (a container, a claim); equal ones are one cause."""

    wording: Wording
    about: str = ""
    facts: Mapping[str, str | int] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    pods: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """For programs."""
        return self.wording.code

    @property
    def severity(self) -> str:
        """down, degraded or notice."""
        return self.wording.severity

    @property
    def action(self) -> str:
        """The key of the next click."""
        return self.wording.action

    def title_in(self, translate: Translate) -> str:
        """What is wrong, in a few words."""
        return self._filled(self.wording.title, translate)

    def cause_in(self, translate: Translate) -> str:
        """Why, in a sentence."""
        return self._filled(self.wording.cause, translate)

    def remedy_in(self, translate: Translate) -> str:
        """What to do about it."""
        return self._filled(self.wording.remedy, translate)

    def _filled(self, template: str, translate: Translate) -> str:
        words = {
            name: translate(str(each)) if isinstance(each, Word) else each
            for name, each in self.facts.items()
        }
        return translate(template) % words

    def merged(self, other: Diagnosis) -> Diagnosis:
        """The same cause at further pods."""
        texts = {each.text for each in self.evidence}
        more = [each for each in other.evidence if each.text not in texts]
        pods = tuple(dict.fromkeys([*self.pods, *other.pods]))
        return replace(self, evidence=(*self.evidence, *more)[:MOST_EVIDENCE], pods=pods)


@dataclass(frozen=True)
class Report:
    """All causes, worst first. `seen` is false when the cluster could not be asked."""

    diagnoses: tuple[Diagnosis, ...] = ()
    pods: int = 0
    seen: bool = True

    @property
    def is_well(self) -> bool:
        """Nothing wrong was found, and it was looked."""
        return self.seen and not any(each.severity != NOTICE for each in self.diagnoses)

    @property
    def worst(self) -> Diagnosis | None:
        """The one to begin with; None when nothing is wrong."""
        return next((each for each in self.diagnoses if each.severity != NOTICE), None)

    def without_logs(self) -> Report:
        """For people who may not read logs."""
        return replace(
            self,
            diagnoses=tuple(
                replace(each, evidence=tuple(one for one in each.evidence if one.kind != LOG))
                for each in self.diagnoses
            ),
        )


def merge(found: Iterable[Diagnosis]) -> tuple[Diagnosis, ...]:
    """One of each cause, over all its pods; worst first, then what concerns most pods."""
    kept: dict[tuple[str, str], Diagnosis] = {}
    for each in found:
        key = (each.code, each.about)
        kept[key] = kept[key].merged(each) if key in kept else each
    return tuple(sorted(kept.values(), key=lambda each: (SEVERITIES.index(each.severity), -len(each.pods))))


def reason_of(report: Report, translate: Translate = as_it_is) -> dict[str, str] | None:
    """The worst cause as what, why and remedy: why a workload is not well, why a rollout is stuck. None: nothing is
    wrong."""
    worst = report.worst
    if worst is None:
        return None
    return {
        "what": worst.title_in(translate),
        "why": worst.cause_in(translate),
        "remedy": worst.remedy_in(translate),
    }


def per_pod(report: Report) -> dict[str, tuple[Diagnosis, ...]]:
    """The causes at each pod, worst first. Pods without trouble are not in it."""
    found: dict[str, list[Diagnosis]] = {}
    for each in report.diagnoses:
        for pod in each.pods:
            found.setdefault(pod, []).append(each)
    return {pod: tuple(causes) for pod, causes in found.items()}


NOTHING_WRONG = _("Nothing wrong was found.")
NOT_SEEN = _("The cluster could not be asked, so nothing is known.")
