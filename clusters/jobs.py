"""Operation kinds of this app are registered here; each step calls one service."""

from collections.abc import Iterable

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clusters.selectors.preflight import KIND as PREFLIGHT_KIND
from clusters.services import (
    applying,
    deployment,
    deployment_steps,
    environment_ends,
    environment_steps,
    environment_watch,
    environments,
    fencing,
    host_facts,
    host_imports,
    preflight,
    quotas,
    request_mails,
    usage,
)
from kcloud_site.operations.kinds import Kind, StepContext, StepDefinition, register
from kcloud_site.operations.models import Operation


def gather(context: StepContext) -> None:
    host_facts.gather_many(names=context.pending_targets, progress=context, by=context.operation.requested_by)


def gather_steps(operation: Operation) -> Iterable[StepDefinition]:
    yield StepDefinition(key="gather", title=_("Gather facts"), run=gather, targets=operation.inputs["hosts"])


def end_loans() -> None:
    """By the clock: borrowed quota returns."""
    quotas.end_due_loans(timezone.now())


def sample_usage() -> None:
    """By the clock: one row an hour of what every tenant may use, has carved out and uses."""
    usage.sample(timezone.now())


def pick_up_requests() -> None:
    """By the clock: requests that were approved by a process that died."""
    applying.pick_up(timezone.now())


def mail_request(request: int, event: str, actor: str) -> None:
    """Woken after a request changed."""
    request_mails.send(request=request, event=event, actor=actor)


register(Kind(key=host_facts.GATHER_KIND, title=_("Gather facts of a host"), steps=gather_steps))
register(Kind(key=host_imports.ENROL_KIND, title=_("Enrol hosts"), steps=gather_steps))
register(Kind(key=fencing.KIND, title=_("Power off a machine"), steps=fencing.steps, finished=fencing.fenced))
register(Kind(key=PREFLIGHT_KIND, title=_("Preflight"), steps=preflight.steps))
register(
    Kind(
        key=deployment.DEPLOY,
        title=_("Deploy cluster"),
        queue="provisioning",
        steps=deployment_steps.deploy_steps,
        finished=deployment.deployed,
        confirm_cancel=True,
    )
)
register(
    Kind(
        key=deployment.RESET,
        title=_("Reset cluster"),
        queue="provisioning",
        steps=deployment_steps.reset_steps,
        finished=deployment.cleared,
        confirm_cancel=True,
    )
)


def look_after_environments(cluster_pk: int) -> None:
    """Periodic work, one row a cluster (environments.keep_looking)."""
    environment_watch.look_after(cluster_pk=cluster_pk)


for key, title, steps in (
    (environments.CREATE, _("Make environment"), environment_steps.create_steps),
    (environments.RESIZE, _("Resize environment"), environment_steps.change_steps),
    (environments.FREEZE, _("Freeze environment"), environment_steps.freeze_steps),
    (environments.THAW, _("Thaw environment"), environment_steps.change_steps),
    (environments.REPAIR, _("Repair environment"), environment_steps.create_steps),
):
    register(Kind(key=key, title=title, steps=steps, finished=environment_ends.changed))
register(
    Kind(
        key=environments.REMOVE,
        title=_("Remove environment"),
        steps=environment_steps.remove_steps,
        finished=environment_ends.removed,
    )
)
