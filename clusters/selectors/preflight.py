"""What preflight says about a cluster's newest plan, ready to be asked "may this be deployed?".

A verdict belongs to a revision and to the hosts it was made for: after an edit, or when the spare hosts it
counted on are others now, it is stale. `preflight_verdict` is what the deployment asks; the pages show the
same object.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from clusters.models import Cluster, PlanRevision, PreflightCheck
from clusters.planning.placement import natural, place
from clusters.planning.plan import PlanSpec
from clusters.preflight.checks import HOST_CHECKS, PLAN_CHECKS, SEVERITY
from clusters.selectors import plans
from kcloud_site.operations.models import ACTIVE, Operation, State

KIND = "clusters.preflight"
_ORDER = ("bundle", "hosts", *HOST_CHECKS, *(key for key in PLAN_CHECKS if key not in ("bundle", "hosts")))
VerdictState = Literal["never", "stale", "running", "failed", "blocked", "warnings", "passed"]


@dataclass(frozen=True)
class PreflightVerdict:
    """The preflight of a plan's newest revision. Only `passed` may be deployed: every check passed, or is a
    warning that somebody accepted. `checks` are rows of the newest run, worst first.
    """

    state: VerdictState
    revision: int
    checks: list[PreflightCheck] = field(default_factory=list)
    operation: Operation | None = None
    # Hosts a finished or running preflight was made for.
    hosts: tuple[str, ...] = ()

    @property
    def blocked(self) -> bool:
        """Whether anything blocks (not: whether it may be deployed)."""
        return self.state == "blocked"

    @property
    def may_deploy(self) -> bool:
        """Whether the newest revision may be deployed now."""
        return self.state == "passed"

    @property
    def blocks(self) -> list[PreflightCheck]:
        """Checks that block."""
        return [check for check in self.checks if check.verdict == PreflightCheck.Verdict.BLOCK]

    @property
    def warnings(self) -> list[PreflightCheck]:
        """All warnings, accepted or not."""
        return [check for check in self.checks if check.verdict == PreflightCheck.Verdict.WARN]

    @property
    def open_warnings(self) -> list[PreflightCheck]:
        """Warnings nobody has accepted."""
        return [check for check in self.warnings if not check.overridden_by]

    @property
    def passed(self) -> int:
        """How many checks passed."""
        return sum(1 for check in self.checks if check.verdict == PreflightCheck.Verdict.PASS)

    @property
    def total(self) -> int:
        """How many checks there are so far."""
        return len(self.checks)

    @property
    def checked_at(self) -> datetime | None:
        """When the run ended."""
        return self.operation.finished_at if self.operation else None


def preflight_verdict(cluster: Cluster) -> PreflightVerdict:
    """The verdict on the newest revision. PlanRevision.DoesNotExist for a cluster without a plan."""
    revision, spec = plans.current_plan(cluster)
    runs = Operation.objects.filter(
        kind=KIND, subject_type="clusters.cluster", subject_id=str(cluster.pk)
    ).order_by("-id")
    newest = runs.first()
    if newest is None:
        return PreflightVerdict("never", revision.number)
    if newest.inputs.get("revision") != revision.number:
        return PreflightVerdict("stale", revision.number, operation=newest)
    hosts = tuple(newest.inputs.get("hosts", ()))
    checks = _checks(revision, newest)
    state = _state(newest, checks, stale=_hosts_differ(cluster, spec, newest))
    return PreflightVerdict(state, revision.number, checks, newest, hosts)


def _checks(revision: PlanRevision, operation: Operation) -> list[PreflightCheck]:
    rows = list(revision.checks.filter(operation_id=operation.pk))
    rows.sort(key=_place)
    return rows


def _place(row: PreflightCheck) -> tuple[int, bool, int, list[tuple[int, str]]]:
    """Worst first, then in the order of the checks, then by host."""
    order = _ORDER.index(row.key) if row.key in _ORDER else len(_ORDER)
    return (SEVERITY.index(row.verdict), bool(row.overridden_by), order, natural(row.host))


def _state(operation: Operation, checks: list[PreflightCheck], *, stale: bool) -> VerdictState:
    verdicts = {check.verdict for check in checks}
    if operation.state in ACTIVE:
        return "running"
    if operation.state != State.SUCCEEDED:
        return "failed"
    if stale:
        return "stale"
    if PreflightCheck.Verdict.BLOCK in verdicts:
        return "blocked"
    if any(check.verdict == PreflightCheck.Verdict.WARN and not check.overridden_by for check in checks):
        return "warnings"
    return "passed"


def _hosts_differ(cluster: Cluster, spec: PlanSpec, operation: Operation) -> bool:
    """Whether the plan would get other hosts now than those that were checked."""
    if not any(pool.count for pool in spec.pools):
        return False
    now = place(spec, plans.spare_hosts(spec.region), plans.pool_places(cluster))
    return (now.workers, now.missing) != (operation.inputs.get("workers"), operation.inputs.get("missing", 0))
