"""What moves by itself on the page of a configuration: a trial, a publication under way, which pod runs what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.models import ConfigRevision, Deployment
from apps.selectors import configurations as reading
from apps.selectors.config_trials import trial_of
from apps.selectors.configurations import Use
from apps.views.config_frame import Place, Shown

PODS_SHOWN = 20


@dataclass(frozen=True)
class Band:
    """`publishing`: the change that brings a revision to all pods, while it runs."""

    open: Shown | None
    in_force: ConfigRevision | None
    publishing: Deployment | None
    uses: list[Use]

    @property
    def on_trial(self) -> bool:
        return self.open is not None and self.open.row.state == ConfigRevision.State.TRIAL

    @property
    def is_moving(self) -> bool:
        """Whether something changes without anybody doing anything."""
        return self.on_trial or self.publishing is not None

    def context(self) -> dict[str, Any]:
        """For the template."""
        number = self.publishing.config_revision if self.publishing else None
        return {
            "open": self.open,
            "in_force": self.in_force,
            "publishing": self.publishing,
            "have_it": sum(each.number == number for each in self.uses),
            "pod_count": len(self.uses),
            "uses": self.uses[:PODS_SHOWN],
            "on_trial": self.on_trial,
            "trial": trial_of(self.open.row) if self.open else None,
            "is_moving": self.is_moving,
        }


def band_of(place: Place) -> Band:
    """As it is now."""
    now = reading.open_revision(place.app, place.environment)
    return Band(
        Shown(now) if now else None,
        reading.published(place.app, place.environment),
        reading.publishing(place.workload),
        reading.uses(place.workload),
    )
