"""Changes of workloads: deploy, undo, scale, stop, start, restart, remove to the bin and back. Each is an operation.

A request writes what should be into the workload, a Deployment row with what was before, and asks for the operation
(apps.services.rollout_steps) in one transaction; apps.services.rollout_ends says what its end means. Rights are asked
by whoever calls (selectors.workloads.right_to_change).

Errors: ValueRefused names the field; ReleasePinned; WorkloadRefused; SubjectBusy while an operation is at work on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.errors import ReleasePinned, ReleaseRefused, ValueRefused, WorkloadRefused
from apps.models import App, ConfigRevision, Deployment, Pin, Release, Workload
from apps.rollouts import strategy as strategies
from apps.rollouts.strategy import Strategy
from apps.selectors.way_back import way_back
from apps.selectors.workloads import newest_change, nothing_deployed, subject_of, told
from clusters.models import Environment
from kcloud_site.audit import trail
from kcloud_site.operations import services as operations

ROLLOUT, REMOVE, EMPTY = "apps.rollout", "apps.remove", "apps.empty_bin"
MOST_REPLICAS = 1000
Action = Deployment.Action
# Taken together: one step back restores all of them.
_KEPT = ("release_id", "config_revision", "replicas", "stopped")
_UNDONE = (Action.DEPLOY, Action.UNDO, Action.CONFIG, Action.SCALE, Action.STOP, Action.START, Action.HEAL)


def deploy_release(
    *,
    app: App,
    environment: Environment,
    release: Release,
    by: Any,
    strategy: Strategy | None = None,
    replicas: int | None = None,
    config_revision: int | None = None,
    note: str = "",
    action: str = Action.DEPLOY,
) -> Deployment:
    """Have `release` run there. `replicas` and `config_revision` None: as they are."""
    if release.app_id != app.pk or environment.tenant_id != app.tenant_id:
        raise not_its_own(app, release)
    check_environment(environment)
    fields: dict[str, Any] = {"release_id": release.pk, "stopped": False}
    if replicas is not None:
        fields["replicas"] = checked_replicas(replicas)
    if config_revision is not None:
        fields["config_revision"] = checked_revision(app, environment, config_revision)
    with transaction.atomic():
        workload = workload_of(app, environment)
        if replicas is None and workload.release_id is None:
            fields["replicas"] = first_replicas(release)
        refuse_pinned(workload, release)
        return change(workload, action, by, fields, strategy=strategy, note=note)


def configure_workload(
    *,
    workload: Workload,
    config_revision: int | None,
    by: Any,
    strategy: Strategy | None = None,
    note: str = "",
) -> Deployment:
    """Have it run with another configuration revision."""
    _refuse_idle(workload)
    fields = {"config_revision": config_revision}
    return _changed(workload, Action.CONFIG, by, fields, strategy=strategy, note=note)


def scale_workload(*, workload: Workload, replicas: int, by: Any, note: str = "") -> Deployment:
    """More or fewer pods. On a stopped one it is remembered for the start."""
    _refuse_idle(workload)
    return _changed(workload, Action.SCALE, by, {"replicas": checked_replicas(replicas)}, note=note)


def stop_workload(*, workload: Workload, by: Any, note: str = "") -> Deployment:
    """No pods; everything else stays."""
    _refuse_idle(workload)
    if workload.stopped:
        raise WorkloadRefused(_("It is stopped already."), "", _("Start it when it is to run again."))
    return _changed(workload, Action.STOP, by, {"stopped": True}, note=note)


def start_workload(*, workload: Workload, by: Any, note: str = "") -> Deployment:
    """As many pods as before it was stopped."""
    _refuse_idle(workload)
    if not workload.stopped:
        raise WorkloadRefused(_("It runs already."), "", _("Restart it if its pods are to be made anew."))
    return _changed(workload, Action.START, by, {"stopped": False}, note=note)


def restart_workload(
    *, workload: Workload, by: Any, note: str = "", action: str = Action.RESTART
) -> Deployment:
    """Every pod anew, one after another."""
    _refuse_idle(workload)
    if workload.stopped:
        raise WorkloadRefused(_("It is stopped."), "", _("Start it."))
    return _changed(workload, action, by, {"restarted_at": timezone.now()}, note=note)


def preview_undo(workload: Workload) -> dict[str, Any] | None:
    """What an undo would go back to, {"release", "config_revision", "replicas", "stopped"}; None: nothing to undo."""
    newest = newest_change(workload)
    if newest is None or newest.action not in _UNDONE or newest.state == Deployment.State.RETURNED:
        return None
    before = dict(newest.before)
    if before.get("release_id") is None:
        return None
    return {**before, "release": Release.objects.get(pk=before["release_id"])}


def undo_deployment(*, workload: Workload, by: Any, note: str = "", action: str = Action.UNDO) -> Deployment:
    """Back to what was before the newest change: release, configuration and replicas in one step."""
    _refuse_idle(workload)
    wanted = preview_undo(workload)
    if wanted is None:
        raise WorkloadRefused(
            _("There is nothing to undo."),
            _("The newest change was the first one, or was taken back by itself."),
            _("Deploy the release that is wanted."),
        )
    with transaction.atomic():
        refuse_pinned(workload, wanted["release"])
        fields = {name: wanted[name] for name in _KEPT}
        return change(workload, action, by, fields, note=note)


def return_to_good(*, workload: Workload, by: Any, reason: Mapping[str, str], note: str = "") -> Deployment:
    """Self-healing's way back: what last worked, and the present release kept out."""
    good = way_back(workload)
    if good is None:
        raise WorkloadRefused(
            _("There is no other release that ever was available here."), "", _("Deploy one that works.")
        )
    with transaction.atomic():
        if workload.release is not None and workload.release_id != good.release.pk:
            pin_release(workload, workload.release, reason)
        # Good as well from here on: should it not come up either, nothing leads back to what was just left.
        fields = {
            "release_id": good.release.pk,
            "config_revision": good.config_revision,
            "good_release_id": good.release.pk,
            "good_config_revision": good.config_revision,
        }
        return change(workload, Action.HEAL, by, fields, note=note)


def take_back(*, workload: Workload, before: Mapping[str, Any], by: Any, note: str = "") -> Deployment:
    """As it was before a change that was cancelled."""
    return _changed(workload, Action.UNDO, by, dict(before), note=note)


@transaction.atomic
def lift_pin(*, pin: Pin, by: Any) -> None:
    """Let the release be deployed there again."""
    rows = Pin.objects.filter(pk=pin.pk, lifted_at__isnull=True)
    if rows.update(lifted_at=timezone.now(), lifted_by=trail.Actor.of(by).name):
        after = {"release": pin.release.version}
        trail.record(by=by, action="deployment.unpin", subject=subject_of(pin.workload), after=after)


def pin_release(workload: Workload, release: Release, reason: Mapping[str, str]) -> None:
    """Keep a release out that failed there; once."""
    rows = Pin.objects.filter(workload=workload, release=release, lifted_at__isnull=True)
    if not rows.exists():
        kept = {key: str(reason.get(key, "")) for key in ("what", "why", "remedy")}
        Pin.objects.create(tenant_id=workload.tenant_id, workload=workload, release=release, reason=kept)
        after = {"release": release.version, "why": kept["what"]}
        trail.record(by=None, action="deployment.pin", subject=subject_of(workload), after=after)


def refuse_pinned(workload: Workload, release: Release) -> None:
    """Raise ReleasePinned for one that failed there and was not let in again."""
    found = Pin.objects.filter(workload=workload, release=release, lifted_at__isnull=True).first()
    if found is not None:
        raise ReleasePinned(
            _("Release %(version)s is kept out of this environment.") % {"version": release.version},
            found.reason.get("what") or _("It failed here."),
            _("Publish a release that mends it, or let it in again on the page of deployments."),
        )


def workload_of(app: App, environment: Environment) -> Workload:
    """The row of the application there, made if there is none. Refuses one that waits in the bin."""
    found, _made = Workload.objects.select_related("app", "environment", "tenant").get_or_create(
        app=app, environment=environment, defaults={"tenant_id": app.tenant_id}
    )
    if found.binned_at is not None:
        raise in_bin(found)
    return found


def in_bin(workload: Workload) -> WorkloadRefused:
    return WorkloadRefused(
        _("%(app)s is in the bin.") % {"app": workload.app.name},
        "",
        _("Take it out of the bin first, or empty the bin."),
    )


def check_environment(environment: Environment) -> None:
    """Raise WorkloadRefused for one that takes no changes now."""
    states = (Environment.State.READY, Environment.State.DRIFTED)
    if environment.frozen or environment.state not in states:
        raise WorkloadRefused(
            _("Environment %(name)s is in state “%(state)s”.")
            % {"name": environment.name, "state": environment.get_state_display()},
            _("Nothing can be changed in it now."),
            _("Thaw it first.") if environment.frozen else _("Wait until it is ready, or repair it."),
        )


def checked_replicas(value: object) -> int:
    """A number of pods, or ValueRefused."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_REPLICAS:
        raise ValueRefused(
            "replicas", _("This is no number of pods."), "", _("Give a whole number from 0 to 1000.")
        )
    return value


def checked_revision(app: App, environment: Environment, number: int) -> int:
    """The number of a revision that was published there, or ValueRefused: nothing else may run, for publishing is a
    right of its own, and in protected environments takes two."""
    rows = ConfigRevision.objects.filter(app=app, environment=environment, number=number)
    if rows.filter(published_at__isnull=False).exists():
        return number
    raise ValueRefused(
        "config_revision",
        _("Configuration revision r%(number)s was never published in %(environment)s.")
        % {"number": number, "environment": environment.name},
        "",
        _("Publish it first, or choose one that was."),
    )


def not_its_own(app: App, release: Release) -> ReleaseRefused:
    """Said of a release, or an environment, of another application or tenant."""
    return ReleaseRefused(
        _("Release %(version)s is not one of %(app)s.") % {"version": release.version, "app": app.name},
        "",
        _("Choose one of its own releases."),
    )


def first_replicas(release: Release) -> int:
    """How many pods the first deployment has, by the release's hint."""
    return int(((release.spec or {}).get("scaling") or {}).get("min") or 1)


def _refuse_idle(workload: Workload) -> None:
    check_environment(workload.environment)
    if workload.binned_at is not None:
        raise in_bin(workload)
    if workload.release_id is None:
        raise nothing_deployed(workload)


def _changed(workload: Workload, action: str, by: Any, fields: Mapping[str, Any], **more: Any) -> Deployment:
    with transaction.atomic():
        return change(workload, action, by, fields, **more)


def change(
    workload: Workload,
    action: str,
    by: Any,
    fields: Mapping[str, Any],
    *,
    strategy: Strategy | None = None,
    note: str = "",
    kind: str = ROLLOUT,
) -> Deployment:
    """The row as it should be, the Deployment that says what was before, and the operation that makes it so."""
    now = Workload.objects.select_related("app", "tenant", "environment__cluster", "release").get(
        pk=workload.pk
    )
    before, told_before = {name: getattr(now, name) for name in _KEPT}, told(now)
    chosen = strategy or strategies.Strategy()
    generation = now.generation + 1
    wanted = {**fields, "generation": generation, "state": Workload.State.UPDATING, "state_reason": {}}
    operation = operations.request_operation(
        kind=kind,
        subject=subject_of(now),
        by=by,
        inputs={"generation": generation, "action": action, "before": {**before, "state": now.state}},
        reason=note,
    )
    # After the operation took its place: from here on nobody else writes to this workload.
    number = (Deployment.objects.filter(workload=now).aggregate(last=Max("number"))["last"] or 0) + 1
    Workload.objects.filter(pk=now.pk).update(**wanted, changed_at=timezone.now())
    workload.refresh_from_db()
    made = Deployment.objects.create(
        tenant_id=now.tenant_id,
        workload=now,
        number=number,
        action=action,
        release_id=workload.release_id,
        config_revision=workload.config_revision,
        replicas=workload.replicas,
        before=before,
        strategy=chosen.as_json(),
        note=note[:500],
        operation_id=operation.pk,
        requested_by=trail.Actor.of(by).name,
    )
    trail.record(
        by=by,
        action=f"deployment.{action}",
        subject=subject_of(now),
        before=told_before,
        after=told(workload),
        reason=note,
        operation=operation,
    )
    return made
