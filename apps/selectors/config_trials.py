"""How far a trial of a configuration revision is: its stages, which are done, what is watched for how long."""

from __future__ import annotations

from dataclasses import dataclass

from apps.models import ConfigRevision
from kcloud_site.operations.models import Step


@dataclass(frozen=True)
class StageSeen:
    """`state`: done, now or next. `watched`: seconds of `seconds` that are over; `ready`: its pods were ready."""

    number: int
    share: int
    pods: int
    seconds: int
    state: str
    watched: int
    ready: bool


@dataclass(frozen=True)
class TrialSeen:
    """`kind`: of the workload. `operation`: carries it out."""

    stages: tuple[StageSeen, ...]
    held: bool
    patience: int
    kind: str
    operation: int

    @property
    def now(self) -> StageSeen | None:
        """None before the first one has begun."""
        return next((each for each in self.stages if each.state == "now"), None)

    @property
    def following(self) -> StageSeen | None:
        return next((each for each in self.stages if each.state == "next"), None)


def trial_of(revision: ConfigRevision) -> TrialSeen | None:
    """Of a revision that is on trial; None for others."""
    if revision.state != ConfigRevision.State.TRIAL or "stages" not in revision.trial:
        return None
    facts = revision.trial
    rows = Step.objects.filter(operation=facts["operation"]).values_list("key", "outcome")
    outcomes = {key: outcome or {} for key, outcome in rows}
    at = revision.trial_stage
    stages = tuple(
        StageSeen(
            number,
            each["share"],
            each["pods"],
            each["seconds"],
            "now" if number == at else "done" if number < at else "next",
            int(outcomes.get(f"stage-{number}", {}).get("watched", 0)),
            bool(outcomes.get(f"stage-{number}", {}).get("ready")),
        )
        for number, each in enumerate(facts["stages"], 1)
    )
    return TrialSeen(stages, revision.trial_held, facts["patience"], facts["kind"], facts["operation"])
