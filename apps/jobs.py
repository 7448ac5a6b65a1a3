"""Operation kinds of this app are registered here; each step calls one service."""

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.services import (
    adopting,
    approvals,
    config_stage_steps,
    config_stages,
    deployments,
    healing_rounds,
    pull_secrets,
    rollout_ends,
    rollout_steps,
)
from apps.services import bin as bins
from kcloud_site.operations.kinds import Kind, register


def heal() -> None:
    """By the clock: applications that are not well climb the ladder, changed objects are put back."""
    healing_rounds.look_after()


def look_at_adopted() -> None:
    """By the clock: how the workloads are that were there before."""
    adopting.look_at_all()


def start_due_deployments() -> None:
    """By the clock: deployments whose hour has come."""
    approvals.start_due(timezone.now())


def empty_bin() -> None:
    """By the clock: removed applications whose time in the bin is up."""
    bins.empty_due(timezone.now())


def renew_pull_secrets(tenant: int | None = None) -> None:
    """By the clock: what environments pull images with, long before it ends; of one tenant once its logins changed."""
    pull_secrets.renew_pull_secrets(timezone.now(), tenant)


register(
    Kind(
        key=deployments.ROLLOUT,
        title=_("Change application"),
        steps=rollout_steps.rollout_steps,
        finished=rollout_ends.rolled_out,
    )
)
register(
    Kind(
        key=deployments.REMOVE,
        title=_("Remove application from environment"),
        steps=rollout_steps.remove_steps,
        finished=rollout_ends.removed,
    )
)
register(
    Kind(
        key=deployments.EMPTY,
        title=_("Empty the bin"),
        steps=rollout_steps.empty_steps,
        finished=rollout_ends.emptied,
    )
)
register(
    Kind(
        key=config_stages.STAGE,
        title=_("Publish configuration by stages"),
        steps=config_stage_steps.stage_steps,
        # A stage may be watched for an hour.
        queue="provisioning",
        finished=config_stages.staged,
    )
)
