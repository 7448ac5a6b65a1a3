"""Configuration of an application in an environment: draft, propose, publish, withdraw, roll back, copy.

One draft is open at a time. Publishing makes it what should run: a change of the workload (apps.services.deployments)
when a release runs there, else it waits for the first deployment. In protected environments nobody publishes what they
wrote in. Values of secrets go into the row sealed and never come out but into objects on the cluster.

Errors: ConfigurationInvalid (all problems, nothing saved), ConfigurationChanged (somebody else was first),
ConfigurationRefused, FourEyes; of deployments: WorkloadRefused, SubjectBusy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.access import open_secrets, seal_secrets
from apps.configuring.entries import Entry, parse, read, stored, variables_of, without_secrets
from apps.errors import ConfigurationChanged, ConfigurationRefused, FourEyes
from apps.models import App, ConfigRevision, Deployment, Workload
from apps.selectors import configurations as reading
from apps.selectors.configurations import OPEN, State, subject_of
from apps.services import deployments
from clusters.models import Environment
from kcloud_site.audit import trail


def save_draft(
    *,
    app: App,
    environment: Environment,
    entries: object,
    by: Any,
    note: str = "",
    expected: str = "",
) -> ConfigRevision:
    """A new draft on top of what is published, or the next edition of the open one.

    `expected` is the etag the editor read: of the open draft, or of the published revision; empty: there was none.
    A secret without a value stays as it is."""
    now = reading.open_revision(app, environment)
    base = now or reading.published(app, environment)
    if expected != (base.etag if base else ""):
        raise _changed(base)
    if now is not None:
        _refuse_on_trial(now)
    before = reading.entries_of(base)
    wanted = parse(entries, [each.name for each in before if each.secret])
    try:
        with transaction.atomic():
            if now is None:
                row = _begin(app, environment, by, base.number if base else 0)
            else:
                row = claim(now, (State.DRAFT, State.PROPOSED), state=State.DRAFT, proposed_by="")
            secrets = open_secrets(base) if base else {}
            _write(row, wanted, secrets, by, note)
    except IntegrityError as error:  # somebody began one between our reading and our writing
        raise _changed(reading.open_revision(app, environment)) from error
    return row


def propose(*, revision: ConfigRevision, by: Any, note: str = "") -> ConfigRevision:
    """Hand the draft to whoever may publish it."""
    _refuse_closed(revision)
    with transaction.atomic():
        row = claim(
            revision,
            (State.DRAFT,),
            state=State.PROPOSED,
            proposed_by=trail.Actor.of(by).name,
            proposed_at=timezone.now(),
        )
        trail.record(by=by, action="configuration.propose", subject=subject_of(row), reason=note)
    return row


def withdraw(
    *, revision: ConfigRevision, by: Any, note: str = "", reason: Mapping[str, str] | None = None
) -> None:
    """It will not be published. `reason`: why the portal did it by itself."""
    _refuse_closed(revision)
    if reason is None:
        _refuse_on_trial(revision)
    with transaction.atomic():
        row = claim(revision, OPEN, state=State.WITHDRAWN, reason=dict(reason or {}))
        trail.record(
            by=by,
            action="configuration.withdraw",
            subject=subject_of(row),
            reason=note or str((reason or {}).get("what", "")),
        )


def publish(*, revision: ConfigRevision, by: Any, note: str = "", expected: str = "") -> Deployment | None:
    """Make it what runs there. Answers the change of the workload; None: nothing runs there yet."""
    refuse_unpublishable(revision, by)
    if expected and expected != revision.etag:
        raise _changed(revision)
    workload = reading.workload_in(revision.app, revision.environment)
    with transaction.atomic():
        mark_published(revision, by, note)
        if workload is not None and workload.release_id is not None and workload.binned_at is None:
            return deployments.configure_workload(
                workload=workload, config_revision=revision.number, by=by, note=note or revision.note
            )
        deployments.check_environment(revision.environment)
        workload = deployments.workload_of(revision.app, revision.environment)
        Workload.objects.filter(pk=workload.pk).update(config_revision=revision.number)
    return None


def roll_back(*, revision: ConfigRevision, by: Any, note: str = "") -> ConfigRevision:
    """A draft equal to an older revision, secrets included."""
    return _draft_of(
        revision.app,
        revision.environment,
        read(revision.entries),
        open_secrets(revision),
        by,
        note or _("Back to r%(number)s") % {"number": revision.number},
        variables_since=revision.variables_since,
    )


def copy_from(
    *, app: App, environment: Environment, source: Environment, by: Any, note: str = ""
) -> ConfigRevision:
    """A draft equal to what is published in another environment, but for secrets: those of here stay."""
    other = reading.published(app, source)
    if other is None:
        raise ConfigurationRefused(
            _("There is no published configuration in %(name)s.") % {"name": source.name},
            "",
            _("Choose another environment."),
        )
    here = reading.published(app, environment)
    plain = without_secrets(read(other.entries))
    names = {each.name for each in plain}
    kept = [each for each in reading.entries_of(here) if each.secret and each.name not in names]
    text = note or _("From %(name)s, r%(number)s") % {"name": source.name, "number": other.number}
    return _draft_of(app, environment, (*plain, *kept), open_secrets(here) if here else {}, by, text)


def refuse_unpublishable(revision: ConfigRevision, by: Any) -> None:
    """Raise when it cannot be published by this person now."""
    _refuse_closed(revision)
    _refuse_on_trial(revision)
    newest = reading.published(revision.app, revision.environment)
    if (newest.number if newest else 0) != revision.base:
        raise _changed(newest)
    if not revision.environment.protected:
        return
    person = getattr(by, "pk", None)
    if person is None or person in revision.editors:
        raise FourEyes(
            _("You wrote in this revision, so you cannot publish it."),
            _("In a protected environment a second person looks at every change."),
            _("Propose it, and ask somebody else who may publish."),
        )
    if revision.state != State.PROPOSED:
        raise ConfigurationRefused(
            _("The draft has not been proposed."),
            _("Its author may still be at work on it."),
            _("Propose it first."),
        )


def mark_published(revision: ConfigRevision, by: Any, note: str, *, proposed: bool | None = None) -> None:
    """The row and the trail; the caller's transaction makes it run."""
    name = trail.Actor.of(by).name
    before = reading.published(revision.app, revision.environment)
    if before is not None:
        ConfigRevision.objects.filter(pk=before.pk).update(state=State.SUPERSEDED)
    was_proposed = revision.state == State.PROPOSED if proposed is None else proposed
    approved = name if was_proposed else ""
    row = claim(
        revision,
        OPEN,
        state=State.PUBLISHED,
        published_by=name,
        approved_by=approved,
        published_at=timezone.now(),
    )
    trail.record(
        by=by,
        action="configuration.publish",
        subject=subject_of(row),
        before={"revision": before.number if before else None},
        after={"revision": row.number, "changes": _told(before, row)},
        reason=note,
    )


def _draft_of(
    app: App,
    environment: Environment,
    entries: tuple[Entry, ...],
    secrets: dict[str, str],
    by: Any,
    note: str,
    variables_since: int | None = None,
) -> ConfigRevision:
    if (open_one := reading.open_revision(app, environment)) is not None:
        raise ConfigurationRefused(
            _("Revision r%(number)s is still open.") % {"number": open_one.number},
            _("There is one draft at a time."),
            _("Publish or withdraw it first."),
        )
    base = reading.published(app, environment)
    try:
        with transaction.atomic():
            row = _begin(app, environment, by, base.number if base else 0)
            _write(row, entries, secrets, by, note, variables_since=variables_since)
    except IntegrityError as error:
        raise _changed(reading.open_revision(app, environment)) from error
    return row


def _begin(app: App, environment: Environment, by: Any, base: int) -> ConfigRevision:
    rows = ConfigRevision.objects.filter(app=app, environment=environment)
    return ConfigRevision.objects.create(
        tenant_id=app.tenant_id,
        app=app,
        environment=environment,
        number=(rows.aggregate(last=Max("number"))["last"] or 0) + 1,
        base=base,
        edition=0,
        created_by=trail.Actor.of(by).name,
    )


def claim(revision: ConfigRevision, states: tuple[str, ...], **fields: Any) -> ConfigRevision:
    """Write to the row as it was read, or not at all: locks it until commit."""
    rows = ConfigRevision.objects.filter(pk=revision.pk, state__in=states, edition=revision.edition)
    if not rows.update(**fields, edition=revision.edition + 1, changed_at=timezone.now()):
        raise _changed(ConfigRevision.objects.filter(pk=revision.pk).first())
    revision.refresh_from_db()
    return revision


def _write(
    row: ConfigRevision,
    entries: tuple[Entry, ...],
    secrets: Mapping[str, str],
    by: Any,
    note: str,
    *,
    variables_since: int | None = None,
) -> None:
    """The content of a draft that is ours (made, or claimed, in this transaction)."""
    base = _base_of(row)
    # A secret that is given anew counts as changed in this revision; nobody can look whether it is the same.
    kept = tuple(
        replace(each, since=row.number) if each.value is not None and each.secret else each
        for each in entries
    )
    known = {each.name: each.since for each in reading.entries_of(row if row.entries else base)}
    kept = tuple(
        replace(each, since=each.since or known.get(each.name, row.number)) if each.secret else each
        for each in kept
    )
    values = {
        each.name: secrets[each.name] if each.value is None else each.value for each in kept if each.secret
    }
    hidden = tuple(replace(each, value=None) if each.secret else each for each in kept)
    if variables_since is None:
        same = base is not None and variables_of(hidden) == variables_of(read(base.entries))
        variables_since = base.variables_since if same and base else row.number
    row.entries = [stored(each) for each in hidden]
    row.variables_since = variables_since
    row.note = note[:500]
    row.edition += row.edition == 0
    person = getattr(by, "pk", None)
    row.editors = sorted({*row.editors, *([person] if person else [])})
    row.save(update_fields=["entries", "variables_since", "note", "edition", "editors", "changed_at"])
    seal_secrets(row, values)
    trail.record(
        by=by,
        action="configuration.draft",
        subject=subject_of(row),
        after={"revision": row.number, "changes": _told(base, row)},
        reason=note,
    )


def _base_of(row: ConfigRevision) -> ConfigRevision | None:
    rows = ConfigRevision.objects.filter(
        app_id=row.app_id, environment_id=row.environment_id, number=row.base
    )
    return rows.first()


def _told(before: ConfigRevision | None, after: ConfigRevision) -> dict[str, str]:
    """Names and what became of them; values are in the revisions."""
    return {each.name: each.what for each in reading.changes(before, after)[:200]}


def _refuse_closed(revision: ConfigRevision) -> None:
    if not revision.is_open:
        raise ConfigurationRefused(
            _("Revision r%(number)s is in state “%(state)s”.")
            % {"number": revision.number, "state": revision.get_state_display()},
            "",
            _("Begin a new draft."),
        )


def _refuse_on_trial(revision: ConfigRevision) -> None:
    if revision.state == State.TRIAL:
        raise ConfigurationRefused(
            _("Revision r%(number)s is on trial.") % {"number": revision.number},
            "",
            _("Wait until the trial has ended, or cancel it."),
        )


def _changed(now: ConfigRevision | None) -> ConfigurationChanged:
    return ConfigurationChanged(
        _("Somebody else changed the configuration meanwhile."),
        _("It is at r%(number)s now, in state “%(state)s”.")
        % {"number": now.number, "state": now.get_state_display()}
        if now
        else _("There is no draft any more."),
        _("Look at what changed, then make your change again."),
    )
