"""Writes a preflight's findings as rows, and says them in the operation's log. Raises what `context.check` raises."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from clusters.models import PlanRevision, PreflightCheck
from clusters.preflight.checks import Finding, describe, title
from kcloud_site.operations.kinds import StepContext

_LEVELS = {"pass": "info", "warn": "warning", "block": "error"}


def write(context: StepContext, revision: PlanRevision, host: str, found: Sequence[Finding]) -> None:
    """Rows of one host's findings. A warning somebody accepted stays accepted while it says the same."""
    context.check()
    now = timezone.now()
    with transaction.atomic():
        before = {row.key: row for row in revision.checks.filter(host=host, key__in=[f.key for f in found])}
        rows = [_row(context, revision, finding, host, before.get(finding.key)) for finding in found]
        for row in rows:
            row.checked_at = now
        PreflightCheck.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["revision", "key", "host"],
            update_fields=[
                "operation_id",
                "verdict",
                "facts",
                "overridden_by",
                "override_reason",
                "checked_at",
            ],
        )
    for finding in found:
        message, remedy = describe(finding.key, finding.verdict, finding.facts)
        text = f"{title(finding.key)}: {message}" + (f". {remedy}" if remedy else "")
        context.log(text, target=host, level=_LEVELS[finding.verdict])


def _row(
    context: StepContext,
    revision: PlanRevision,
    finding: Finding,
    host: str,
    before: PreflightCheck | None,
) -> PreflightCheck:
    row = PreflightCheck(
        revision=revision,
        operation_id=context.operation.pk,
        key=finding.key,
        host=host,
        verdict=finding.verdict,
        facts=dict(finding.facts),
    )
    same = before is not None and (before.verdict, before.facts.get("code")) == (
        finding.verdict,
        finding.code,
    )
    if before is not None and same:
        row.overridden_by, row.override_reason = before.overridden_by, before.override_reason
    return row
