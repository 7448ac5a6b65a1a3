"""Preflight as an operation: ask for it, accept what it warns of. clusters.services.preflight_run does the
looking.

Raises PlanLocked (an imported cluster has no plan), SubjectBusy (something is at work on the cluster) and
OverrideRefused (a block, an old check, no reason).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clusters.errors import OverrideRefused, PlanLocked
from clusters.models import Cluster, PlanRevision, PreflightCheck
from clusters.planning.placement import place
from clusters.selectors import plans
from clusters.selectors.preflight import KIND
from clusters.services import preflight_run
from kcloud_site.audit import trail
from kcloud_site.operations import services as operations
from kcloud_site.operations.kinds import StepDefinition
from kcloud_site.operations.models import Operation

REASON_LIMIT = 500


def start_preflight(*, cluster: Cluster, by: Any) -> Operation:
    """Check the newest revision on all its hosts. Nothing on them is changed."""
    try:
        revision, spec = plans.current_plan(cluster)
    except PlanRevision.DoesNotExist as error:
        raise PlanLocked(
            gettext("%(name)s was imported, so it has no plan to check.") % {"name": cluster.name},
            "",
            gettext("Look at its nodes instead."),
        ) from error
    placement = place(spec, plans.spare_hosts(spec.region), plans.pool_places(cluster))
    return operations.request_operation(
        kind=KIND,
        subject=cluster,
        by=by,
        inputs={
            "revision": revision.number,
            # A list, for the database need not keep the order of a mapping.
            "hosts": [*spec.masters, *placement.workers],
            "masters": list(spec.masters),
            "workers": placement.workers,
            "missing": placement.missing,
        },
    )


def steps(operation: Operation) -> list[StepDefinition]:
    """The line of a preflight: the bundle, then every host at once, then what concerns all of them."""
    hosts = operation.inputs["hosts"]
    return [
        StepDefinition("bundle", _("Verify the release bundle"), preflight_run.check_bundle),
        StepDefinition("hosts", _("Check the hosts"), preflight_run.check_hosts, targets=hosts),
        StepDefinition("plan", _("Check the plan as a whole"), preflight_run.check_plan),
    ]


def override_warning(*, check: PreflightCheck, by: Any, reason: str) -> PreflightCheck:
    """Let one warning pass, with a reason that stays. The next edit of the plan asks again."""
    override_warnings(checks=[check], by=by, reason=reason)
    check.refresh_from_db()
    return check


def override_warnings(*, checks: Iterable[PreflightCheck], by: Any, reason: str) -> int:
    """Let several warnings pass for one reason: all of them or none; each with an audit row of its own."""
    why = " ".join(reason.split())
    if not why or len(why) > REASON_LIMIT:
        raise OverrideRefused(
            gettext("A warning is accepted with a reason of 1 to %(limit)d characters.")
            % {"limit": REASON_LIMIT},
            gettext("Whoever looks for the cause of a fault will read it."),
            gettext("Say why the warning does no harm here."),
        )
    rows = list(checks)
    with transaction.atomic():
        for check in rows:
            _override(check, by, why)
    return len(rows)


def _override(check: PreflightCheck, by: Any, reason: str) -> None:
    cluster = check.revision.cluster
    newest = plans.current_plan(cluster)[0]
    if check.verdict != PreflightCheck.Verdict.WARN:
        raise OverrideRefused(
            gettext("Only a warning can be accepted."),
            gettext("This check blocks, or has passed."),
            gettext("Remove what blocks, then check again."),
        )
    changed = PreflightCheck.objects.filter(
        pk=check.pk,
        revision=newest,
        operation_id=check.operation_id,
        verdict=PreflightCheck.Verdict.WARN,
    ).update(overridden_by=by.get_username(), override_reason=reason)
    if not changed:
        raise OverrideRefused(
            gettext("This warning is not of the newest check."),
            gettext("The plan was edited, or checked again meanwhile."),
            gettext("Look at the present checks and accept what still stands."),
        )
    trail.record(
        by=by,
        action="preflight.accept",
        subject=cluster,
        after={"check": check.key, "host": check.host, "revision": newest.number, "facts": check.facts},
        reason=reason,
    )
