"""Reads configuration: revisions, what becomes objects, who reads which key, which pods run with which revision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from apps.access import open_secrets
from apps.configuring.comparing import Change, difference
from apps.configuring.entries import FILE, VARIABLE, Entry, read
from apps.configuring.exchange import Source, write
from apps.errors import ConfigurationRefused
from apps.manifests.workload import Settings
from apps.models import App, ConfigRevision, Deployment, SeenPods, Workload
from apps.specs.reading import parse
from apps.specs.spec import Spec
from clusters.models import Environment
from kcloud_site.audit.trail import Subject

State = ConfigRevision.State
OPEN = (State.DRAFT, State.PROPOSED, State.TRIAL)


@dataclass(frozen=True)
class Reader:
    """One container that gets a key: as variable `name`, or as the file at `path`. `hidden`: its release sets a
    variable of that name itself, which wins."""

    container: str
    path: str = ""
    hidden: bool = False


@dataclass(frozen=True)
class Use:
    """One pod and the revision it runs with (0: none, or one that is not known)."""

    pod: str
    node: str
    number: int
    ready: bool


def settings_of(workload: Workload, number: int | None, *, live: bool | None = None) -> Settings | None:
    """The revision as objects are made of it; None for none. Opens its secrets. `live` None: as the application asks.

    Raises ConfigurationRefused when there is no such revision, SecretUnreadable when its secrets do not open."""
    if number is None:
        return None
    revision = ConfigRevision.objects.filter(
        app_id=workload.app_id, environment_id=workload.environment_id, number=number
    ).first()
    if revision is None:
        raise _missing(number)
    secrets = open_secrets(revision)
    parts: dict[tuple[str, bool], dict[str, str]] = {}
    for each in read(revision.entries):
        value = secrets[each.name] if each.secret else each.value or ""
        parts.setdefault((each.kind, each.secret), {})[each.name] = value
    return Settings(
        number,
        parts.get((VARIABLE, False), {}),
        parts.get((VARIABLE, True), {}),
        parts.get((FILE, False), {}),
        parts.get((FILE, True), {}),
        workload.app.reload == App.Reload.HOT if live is None else live,
        revision.variables_since,
    )


def subject_of(revision: ConfigRevision) -> Subject:
    """As audit events name it: "retail-dev/web r7"."""
    name = f"{revision.environment.namespace}/{revision.app.name} r{revision.number}"
    return Subject("apps.configrevision", str(revision.pk), name, revision.tenant_id)


def revisions(app: App, environment: Environment) -> QuerySet[ConfigRevision]:
    """All of them, newest first."""
    rows = ConfigRevision.objects.filter(app=app, environment=environment)
    return rows.select_related("app", "environment", "tenant").order_by("-number")


def revision(app: App, environment: Environment, number: int) -> ConfigRevision:
    """One of them. Raises ConfigurationRefused."""
    found = revisions(app, environment).filter(number=number).first()
    if found is None:
        raise _missing(number)
    return found


def open_revision(app: App, environment: Environment) -> ConfigRevision | None:
    """The draft, or what waits for approval."""
    return revisions(app, environment).filter(state__in=OPEN).first()


def published(app: App, environment: Environment) -> ConfigRevision | None:
    """The newest that was published: what a new draft begins from."""
    return revisions(app, environment).filter(state=State.PUBLISHED).first()


def published_keys(app: App) -> dict[int, set[str]]:
    """The names of keys and files that are published, by the environment's id."""
    rows = ConfigRevision.objects.filter(app=app, state=State.PUBLISHED)
    return {
        each.environment_id: {entry.name for entry in read(each.entries)}
        for each in rows.only("environment_id", "entries")
    }


def workload_in(app: App, environment: Environment) -> Workload | None:
    """The row of the application there, when there is one."""
    rows = Workload.objects.select_related("app", "tenant", "environment__cluster", "release")
    return rows.filter(app=app, environment=environment).first()


def entries_of(found: ConfigRevision | None) -> tuple[Entry, ...]:
    """Without values of secrets; nothing for None."""
    return read(found.entries) if found else ()


def changes(before: ConfigRevision | None, after: ConfigRevision | None) -> tuple[Change, ...]:
    """What differs; between two environments secrets cannot be compared."""
    same = before is None or after is None or before.environment_id == after.environment_id
    return difference(entries_of(before), entries_of(after), same_place=same)


def exported(found: ConfigRevision, form: str) -> str:
    """The revision as a text to take along, without its secrets. `form`: one of apps.configuring.exchange.FORMATS."""
    source = Source(found.app.name, found.environment.name, found.number)
    return write(form, source, entries_of(found))


def readers(workload: Workload | None, entries: Iterable[Entry]) -> dict[str, list[Reader]]:
    """Which containers of the release that runs get each entry, by its name."""
    if workload is None or workload.release is None:
        return {}
    spec = parse(workload.release.spec)
    return {each.name: list(_readers(spec, each)) for each in entries}


def _readers(spec: Spec, entry: Entry) -> Iterable[Reader]:
    how = spec.configuration
    if how is None:
        return
    as_variable = entry.kind == VARIABLE and how.environment
    if not as_variable and not how.path:
        return
    for each in spec.containers:
        if as_variable:
            yield Reader(each.name, "", entry.name in each.environment)
        else:
            yield Reader(each.name, f"{how.path.rstrip('/')}/{entry.name}")


def uses(workload: Workload | None) -> list[Use]:
    """Its pods as the watch saw them last, and the revision each runs with. With files that are changed in place,
    pods have the newest of them."""
    seen = SeenPods.objects.filter(workload=workload).first() if workload else None
    if workload is None or seen is None:
        return []
    now = workload.config_revision or 0
    live = workload.app.reload == App.Reload.HOT
    return [
        Use(
            str(row.get("name", "")),
            str(row.get("node", "")),
            _number(row.get("config")) or (now if live else 0),
            bool(row.get("ready")),
        )
        for row in seen.rows
    ]


def publishing(workload: Workload | None) -> Deployment | None:
    """The change that brings a revision to all pods, while it runs."""
    going_on = (Deployment.State.PENDING, Deployment.State.RUNNING)
    rows = Deployment.objects.filter(action=Deployment.Action.CONFIG, state__in=going_on)
    return rows.filter(workload=workload).order_by("-number").first() if workload else None


def _number(value: Any) -> int:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else 0


def _missing(number: int) -> ConfigurationRefused:
    return ConfigurationRefused(
        _("There is no configuration revision %(number)s.") % {"number": number},
        "",
        _("Choose one of the list."),
    )
