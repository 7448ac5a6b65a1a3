"""Reading environments: how the audit trail and operations call one, what it should be on its cluster, lists for pages.

Nothing here talks to a cluster. The number of queries does not grow with the number of environments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, IntegerField, QuerySet, Value, When
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clusters.errors import sentence
from clusters.manifests import environment as manifest
from clusters.manifests.environment import EnvironmentSpec
from clusters.models import Cluster, Environment
from clusters.observing.environments import MISSING
from clusters.selectors.resource_texts import WORDS, amount
from kcloud_site.audit.trail import Subject
from kcloud_site.operations import portal
from kcloud_site.operations.models import Operation
from kcloud_site.operations.progress import title_of
from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.resources import PARTS, Resources
from kcloud_site.webhooks.places import Place, Thing

TYPE = "clusters.environment"
# Worst first.
STATES = ("failed", "drifted", "removing", "updating", "creating", "frozen", "ready")
# What each object is for, by kind and name; the namespace has the environment's own name.
_PURPOSES: dict[tuple[str, str], Any] = {
    ("ResourceQuota", manifest.QUOTA): gettext_lazy("The share: no more than this"),
    ("LimitRange", manifest.LIMITS): gettext_lazy("What a container gets that asks for nothing"),
    ("NetworkPolicy", manifest.DENY): gettext_lazy("Nothing in, nothing out"),
    ("NetworkPolicy", manifest.OPENINGS): gettext_lazy(
        "But: its own traffic, DNS, and what comes by a gateway"
    ),
    ("ServiceAccount", manifest.ACCOUNT): gettext_lazy("The account the portal acts with here"),
    ("ServiceAccount", "default"): gettext_lazy("Gives no access to pods by itself"),
    ("Role", manifest.ACCOUNT): gettext_lazy("What that account may do"),
    ("RoleBinding", manifest.ACCOUNT): gettext_lazy("Gives it that role, here alone"),
}


def subject_of(environment: Environment) -> Subject:
    """As operations and audit events name it: by its namespace, which says whose it is."""
    return Subject(TYPE, str(environment.pk), environment.namespace, environment.tenant_id)


def places_of(things: list[Thing]) -> dict[str, Place]:
    """For messages of webhooks: by the namespace, so that one that is gone is placed as well."""
    named = {thing.id: (thing.tenant, thing.name.removeprefix(f"{thing.tenant}-")) for thing in things}
    return {
        identity: Place("", name, ("clusters:environment", tenant, name))
        for identity, (tenant, name) in named.items()
    }


def told(environment: Environment) -> dict[str, Any]:
    """What the audit trail says of an environment."""
    return {
        "cluster": environment.cluster.name,
        "stage": environment.stage,
        "protected": environment.protected,
        "frozen": environment.frozen,
        **environment.resources.to_json(),
    }


def spec_of(environment: Environment) -> EnvironmentSpec:
    """What should be on the cluster. Two queries, unless tenant came with the row."""
    return EnvironmentSpec(
        id=environment.pk,
        portal=portal.identity(),
        tenant=environment.tenant.name,
        name=environment.name,
        stage=environment.stage,
        namespace=environment.namespace,
        share=environment.resources,
        frozen_pods=environment.frozen_pods if environment.frozen else None,
    )


@dataclass(frozen=True)
class Filter:
    """Of a list: part of a name, a stage, a state. Empty: any."""

    text: str = ""
    stage: str = ""
    state: str = ""


def environments_for(
    user: Any, *, tenant: Tenant | None = None, cluster: Cluster | None = None, wanted: Filter | None = None
) -> QuerySet[Environment]:
    """Those the person may see, worst first, then by name."""
    found = permissions.visible(Environment.objects.all(), user, "environment.view")
    if tenant is not None:
        found = found.filter(tenant=tenant)
    if cluster is not None:
        found = found.filter(cluster=cluster)
    if wanted is not None and wanted.text:
        found = found.filter(namespace__icontains=wanted.text)
    if wanted is not None and wanted.stage:
        found = found.filter(stage=wanted.stage)
    if wanted is not None and wanted.state:
        found = found.filter(state=wanted.state)
    rank = Case(
        *(When(state=state, then=Value(place)) for place, state in enumerate(STATES)),
        default=Value(len(STATES)),
        output_field=IntegerField(),
    )
    rows = found.select_related("tenant", "cluster").defer("sealed_token").annotate(rank=rank)
    return rows.order_by("rank", "tenant__name", "name")


def counts(rows: QuerySet[Environment]) -> list[tuple[str, int]]:
    """How many in each state, worst first; one query."""
    found = dict(rows.order_by().values_list("state").annotate(count=Count("id")))
    return [(state, found.get(state, 0)) for state in STATES]


@dataclass(frozen=True)
class Use:
    """One resource: its word, how much of the share is used, both as text. `used` is None when not seen yet."""

    part: str
    word: Any
    used: int | None
    share: int
    used_text: str
    share_text: str


def uses(environment: Environment) -> list[Use]:
    """Share and use, resource by resource; GPUs only where there are some."""
    share, seen = environment.resources, environment.used
    found = []
    for part in PARTS:
        of = getattr(share, part)
        used = None if seen is None else int(seen.get(part, 0))
        if of or used or part != "gpus":
            text = "–" if used is None else amount(part, used)
            found.append(Use(part, WORDS[part], used, of, text, amount(part, of)))
    return found


@dataclass(frozen=True)
class ObjectRow:
    """One object of an environment: kind, name, what for, and what differs ({} when nothing does)."""

    kind: str
    name: str
    purpose: Any
    difference: dict[str, str]

    @property
    def key(self) -> str:
        """Of the status vocabulary."""
        if not self.difference:
            return "healthy"
        return "down" if self.difference["what"] == MISSING else "drifted"


def object_rows(environment: Environment) -> list[ObjectRow]:
    """What should be there, and how the last look found it."""
    differing = {(each["kind"], each["name"]): each for each in environment.drift}
    rows = []
    for wanted in manifest.objects(spec_of(environment)):
        kind, name = str(wanted["kind"]), str(wanted["metadata"]["name"])
        purpose = _PURPOSES.get((kind, name), _("The namespace, with Pod Security “restricted”"))
        rows.append(ObjectRow(kind, name, purpose, differing.get((kind, name), {})))
    return rows


@dataclass(frozen=True)
class Situation:
    """State, why, what next: the band on top of the page. `calm`: all is well, nothing waits."""

    key: str
    word: str
    why: str
    following: str
    since: datetime | None
    calm: bool = False


def recent_operations(environment: Environment, count: int = 5) -> list[Operation]:
    """The newest operations about this environment."""
    mine = Operation.objects.filter(subject_type=TYPE, subject_id=str(environment.pk))
    found = list(mine.defer("inputs").order_by("-id")[:count])
    for operation in found:
        operation.title = title_of(operation.kind)  # type: ignore[attr-defined]
    return found


def situation(environment: Environment, operations: Sequence[Operation]) -> Situation:
    """Why it is in its state, and what happens next. `operations`: its newest first."""
    state, word = environment.state, str(environment.get_state_display())
    newest = operations[0] if operations else None
    since = newest.created_at if newest else environment.changed_at
    if state == Environment.State.READY:
        return Situation(state, word, "", "", since, calm=True)
    if environment.state_reason:
        return _stuck(environment, word, newest)
    if state == Environment.State.FROZEN:
        why = _("Somebody froze it: nothing new starts, and nobody changes anything through the portal.")
        return Situation(state, word, why, _("What runs goes on. Thaw it to go on working in it."), since)
    if state == Environment.State.DRIFTED:
        return Situation(state, word, _drift_in_words(environment), _next_repair(environment), since)
    whys = {
        Environment.State.CREATING: _("The namespace, its limits and its walls are being made."),
        Environment.State.UPDATING: _("An operation is changing it; what runs goes on."),
        Environment.State.REMOVING: _("The namespace is being deleted with everything in it."),
    }
    return Situation(
        state,
        word,
        whys[Environment.State(state)],
        _("The operation shows each step. This page follows by itself."),
        since,
    )


def why(environment: Environment) -> str:
    """One line for a list: why it is not simply ready."""
    if environment.state_reason:
        return str(environment.state_reason.get("what", ""))
    return _drift_in_words(environment) if environment.drift else ""


def _stuck(environment: Environment, word: str, newest: Operation | None) -> Situation:
    reason = environment.state_reason
    why = " ".join(sentence(text) for text in (reason.get("what"), reason.get("why")) if text)
    key = "failed" if environment.state == Environment.State.FAILED else environment.state
    ended = newest.finished_at if newest else None
    return Situation(key, word, why, str(reason.get("remedy", "")), ended)


def _drift_in_words(environment: Environment) -> str:
    names = ", ".join(f"{each['kind']} {each['name']}" for each in environment.drift)
    return _("Somebody changed on the cluster what the portal keeps: %(names)s.") % {"names": names}


def _next_repair(environment: Environment) -> str:
    if environment.repair == Environment.Repair.BY_HAND:
        return _("It is repaired by hand: look at what differs, then repair it.")
    return _(
        "The portal repairs it by itself. If it was repaired several times in a short while, it waits for you."
    )


def volumes_in_words(claims: Iterable[dict[str, Any]]) -> list[str]:
    """Volume claims of the namespace as "name (size)", for whoever is about to remove them."""
    found = []
    for claim in claims:
        size = ((claim.get("status") or {}).get("capacity") or {}).get("storage") or "?"
        found.append(f"{(claim.get('metadata') or {}).get('name', '?')} ({size})")
    return sorted(found)


def total_used(rows: Iterable[Environment]) -> Resources:
    """What several environments use by the last look; those not seen yet count nothing."""
    return sum((Resources(**(row.used or {})) for row in rows), Resources())
