"""Decisions of self-healing as rows, the consents they rest on, and what a person says to those that wait.

Every decision is written, also "not now, because"; the same again is counted. What is carried out goes through the same
services as a person's own changes, with the rule as the actor. Errors: HealingRefused, and those of the services.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.errors import HealingRefused
from apps.healing import ladder
from apps.models import Deployment, HealingConsent, HealingDecision, Release, Workload
from apps.selectors.workloads import subject_of
from apps.services import deployments, releases
from kcloud_site.audit import trail
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations.models import Operation

RULE = trail.Actor(AuditEvent.ActorKind.RULE, "self-healing")
# The same decision to do nothing within this time is one with a higher count.
SAME_WITHIN = timedelta(hours=1)
State = HealingDecision.State
_FOLDED = (State.HELD, State.ALERT, State.OPEN)


def consents_of(workload: Workload) -> dict[ladder.Rung, ladder.Mode]:
    """The mode of every rung: chosen, or the default of that environment."""
    found = ladder.defaults(protected=workload.environment.protected)
    chosen = HealingConsent.objects.filter(workload=workload).values_list("rung", "mode")
    found.update({rung: mode for rung, mode in chosen if rung in found})  # type: ignore[misc]
    return found


@transaction.atomic
def set_consents(*, workload: Workload, modes: Mapping[str, str], by: Any) -> None:
    """Choose modes of rungs; those not named stay."""
    before: dict[str, str] = {str(rung): mode for rung, mode in consents_of(workload).items()}
    changed = {rung: mode for rung, mode in modes.items() if rung in before and before[rung] != mode}
    for rung, mode in changed.items():
        HealingConsent.objects.update_or_create(
            workload=workload, rung=rung, defaults={"mode": mode, "tenant_id": workload.tenant_id}
        )
    if changed:
        trail.record(
            by=by,
            action="healing.consent",
            subject=subject_of(workload),
            before={rung: before[rung] for rung in changed},
            after=changed,
        )


@transaction.atomic
def record(
    *,
    workload: Workload,
    rung: str,
    state: str,
    why: str,
    mode: str = HealingConsent.Mode.AUTOMATIC,
    seen: Mapping[str, Any] | None = None,
    outcome: str = "",
    operation_id: int | None = None,
    release_id: int | None = None,
) -> HealingDecision:
    """A new row, told to the audit trail; or the same as the newest about this rung, counted once more. `release_id`:
    what it is about, when another one runs by now."""
    now = timezone.now()
    about = workload.release_id if release_id is None else release_id
    newest = newest_of(workload, rung)
    same = newest is not None and (newest.state, newest.why, newest.release_id) == (
        state,
        why,
        about,
    )
    if newest is not None and same and state in _FOLDED and now - newest.last_at <= SAME_WITHIN:
        newest.count += 1
        newest.last_at = now
        newest.seen = dict(seen or {})
        newest.save(update_fields=["count", "last_at", "seen"])
        return newest
    row = HealingDecision.objects.create(
        tenant_id=workload.tenant_id,
        workload=workload,
        rung=rung,
        state=state,
        why=why,
        mode=mode,
        release_id=about,
        seen=dict(seen or {}),
        outcome=outcome,
        operation_id=operation_id,
        first_at=now,
        last_at=now,
    )
    after = {"rung": rung, "why": why, **dict(seen or {})}
    trail.record(
        by=RULE,
        action=f"healing.{state}",
        subject=subject_of(workload),
        after=after,
        reason=outcome,
        operation=Operation.objects.filter(pk=operation_id).first() if operation_id else None,
    )
    return row


def newest_of(workload: Workload, rung: str) -> HealingDecision | None:
    """The newest decision about one rung."""
    return HealingDecision.objects.filter(workload=workload, rung=rung).first()


def is_agreed(newest: HealingDecision | None, items: Iterable[str]) -> bool:
    """Whether a person has said yes to this, and nothing was done about it since: what is done is a row of its own."""
    if newest is None or newest.state != State.DONE or not newest.decided_by:
        return False
    return set(items) <= set(newest.seen.get("items") or ())


def ask(
    *,
    workload: Workload,
    rung: str,
    why: str,
    mode: str,
    seen: Mapping[str, Any],
    newest: HealingDecision | None,
) -> None:
    """Put it to a person, unless the same was declined."""
    if newest is None or newest.state != State.DECLINED or newest.seen.get("items") != seen.get("items"):
        record(workload=workload, rung=rung, state=State.OPEN, why=why, mode=mode, seen=seen)


def approve(*, decision: HealingDecision, by: Any) -> HealingDecision:
    """Carry out what was suggested. Raises HealingRefused when it was decided, or something else runs by now."""
    workload = Workload.objects.select_related(
        "app", "tenant", "environment__cluster", "release", "good_release"
    ).get(pk=decision.workload_id)
    if decision.release_id != workload.release_id:
        raise HealingRefused(
            _("Another release runs by now."),
            _("The suggestion was about what ran before."),
            _("Look at the newest decisions."),
        )
    _decide(decision, State.DONE, by)
    try:
        done = _carry_out(workload, decision, by)
    except Exception:
        HealingDecision.objects.filter(pk=decision.pk).update(
            state=State.OPEN, decided_by="", decided_at=None
        )
        raise
    HealingDecision.objects.filter(pk=decision.pk).update(operation_id=done.operation_id if done else None)
    decision.refresh_from_db()
    return decision


@transaction.atomic
def decline(*, decision: HealingDecision, by: Any) -> HealingDecision:
    """Do not do it; it is not suggested again for this release."""
    _decide(decision, State.DECLINED, by)
    return decision


def _decide(decision: HealingDecision, state: str, by: Any) -> None:
    rows = HealingDecision.objects.filter(pk=decision.pk, state=State.OPEN)
    with transaction.atomic():
        if not rows.update(state=state, decided_by=trail.Actor.of(by).name, decided_at=timezone.now()):
            raise HealingRefused(_("This was decided already."), "", _("Look at the newest decisions."))
        decision.refresh_from_db()
        action = "healing.approve" if state == State.DONE else "healing.decline"
        trail.record(
            by=by, action=action, subject=subject_of(decision.workload), after={"rung": decision.rung}
        )


def _carry_out(workload: Workload, decision: HealingDecision, by: Any) -> Deployment | None:
    if decision.rung == "memory":
        return deploy_with_memory(workload=workload, memory=int(decision.seen.get("memory") or 0), by=by)
    if decision.rung in ("restart", "return"):
        return climb(workload=workload, rung=decision.rung, why=str(decision.seen.get("evidence", "")), by=by)
    # Lost nodes, changed objects and stuck pods are looked at again and again: the next look finds the approval.
    return None


def climb(*, workload: Workload, rung: str, why: str, by: Any) -> Deployment:
    """Restart, or return to what last worked."""
    note = _("Self-healing: %(why)s") % {"why": why}
    if rung == "restart":
        return deployments.restart_workload(workload=workload, by=by, note=note)
    reason = {"what": _("Its containers kept ending."), "why": why, "remedy": _("Publish one that works.")}
    return deployments.return_to_good(workload=workload, by=by, reason=reason, note=note)


def deploy_with_memory(*, workload: Workload, memory: int, by: Any) -> Deployment:
    """Publish the release that runs once more with more memory, and deploy it."""
    release = workload.release
    if release is None or memory <= 0:
        raise HealingRefused(_("There is no figure for the memory."), "", _("Publish a release with more."))
    text, spec = f"{memory // 1024**2}Mi", copy.deepcopy(release.spec)
    for container in spec["containers"]:
        resources = container.get("resources") or {}
        limits = dict(resources.get("limits") or {})
        if "memory" in limits:
            container["resources"] = {**resources, "limits": {**limits, "memory": text}}
    version = f"{release.version[:48]}-memory-{text.lower()}"
    made = workload.app.releases.filter(version=version).first() or releases.publish_release(
        app=workload.app,
        version=version,
        spec=spec,
        by=by,
        notes=_("Release %(version)s with more memory (%(memory)s), after it ran out.")
        % {"version": release.version, "memory": text},
        source=Release.Source.FORM,
    )
    return deployments.deploy_release(app=workload.app, environment=workload.environment, release=made, by=by)
