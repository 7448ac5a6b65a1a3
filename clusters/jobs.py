"""Operation kinds of this app are registered here; each step calls one service."""

from collections.abc import Iterable

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clusters.selectors.preflight import KIND as PREFLIGHT_KIND
from clusters.services import deployment, deployment_steps, host_facts, host_imports, preflight, quotas
from kcloud_site.operations.kinds import Kind, StepContext, StepDefinition, register
from kcloud_site.operations.models import Operation


def gather(context: StepContext) -> None:
    host_facts.gather_many(names=context.pending_targets, progress=context, by=context.operation.requested_by)


def gather_steps(operation: Operation) -> Iterable[StepDefinition]:
    yield StepDefinition(key="gather", title=_("Gather facts"), run=gather, targets=operation.inputs["hosts"])


def end_loans() -> None:
    """By the clock: borrowed quota returns."""
    quotas.end_due_loans(timezone.now())


register(Kind(key=host_facts.GATHER_KIND, title=_("Gather facts of a host"), steps=gather_steps))
register(Kind(key=host_imports.ENROL_KIND, title=_("Enrol hosts"), steps=gather_steps))
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
