"""The steps of operations on environments. Each is idempotent and brings the cluster to what the row says.

A step refuses to work for a row that has changed since its operation was requested (`generation`), and never takes over
or deletes a namespace that was not made for this very environment.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clusters import access
from clusters.adapters.answers import path_of
from clusters.adapters.kubernetes import KubernetesClient
from clusters.errors import ClusterRefused, ClusterUnreachable, ResourceConflict, ResourceNotFound
from clusters.manifests import environment as manifest
from clusters.models import Environment
from clusters.observing.environments import is_as_wanted, running_pods, why_not_gone
from clusters.selectors.environments import spec_of
from clusters.services import environment_account
from clusters.services.deployment_addons import explained
from clusters.services.environments import CREATE, REMOVE
from kcloud_site.operations.errors import StepFailed
from kcloud_site.operations.kinds import StepContext, StepDefinition
from kcloud_site.operations.models import Operation

# How long an account may take to be known to every API server, and a namespace to go.
ACCOUNT_PATIENCE, REMOVAL_PATIENCE = 15.0, 300.0
_LOOK = 2.0
_NAMESPACES = "/api/v1/namespaces"


def create_steps(operation: Operation) -> Iterable[StepDefinition]:
    yield StepDefinition("namespace", gettext_lazy("Make the namespace"), make_namespace)
    yield StepDefinition("objects", gettext_lazy("Limits, walls and rights"), apply_objects)
    yield StepDefinition("account", gettext_lazy("The portal's account"), take_account)


def change_steps(operation: Operation) -> Iterable[StepDefinition]:
    yield StepDefinition("objects", gettext_lazy("Limits, walls and rights"), apply_objects)


def freeze_steps(operation: Operation) -> Iterable[StepDefinition]:
    yield StepDefinition("count", gettext_lazy("Count what runs"), count_pods)
    yield from change_steps(operation)


def remove_steps(operation: Operation) -> Iterable[StepDefinition]:
    yield StepDefinition("delete", gettext_lazy("Delete the namespace"), delete_namespace)
    yield StepDefinition("gone", gettext_lazy("Wait until it is gone"), wait_until_gone)


def make_namespace(context: StepContext) -> None:
    """The namespace, made now or by an earlier run. One that is there and not ours is left alone."""
    environment = _subject(context)
    client, wanted = access.kubernetes_for(environment.cluster), manifest.namespace(spec_of(environment))
    with explained(context):
        try:
            kept = client.create(_NAMESPACES, wanted)
            context.log(_("made namespace %(name)s") % {"name": environment.namespace})
        except ResourceConflict:
            kept = client.get(_path(environment))
            _refuse_foreign(environment, kept)
    uid = str(kept["metadata"].get("uid", ""))
    Environment.objects.filter(pk=environment.pk).update(namespace_uid=uid)


def apply_objects(context: StepContext) -> None:
    """Everything as the row says; what is so already is not touched."""
    environment = _subject(context)
    spec, client = spec_of(environment), access.kubernetes_for(environment.cluster)
    with explained(context):
        _refuse_foreign(environment, client.get(_path(environment)))
        changed = [_bring(context, client, wanted) for wanted in manifest.objects(spec)]
    if not any(changed):
        context.log(_("nothing to change"))
    context.remember(changed=sum(changed))


def take_account(context: StepContext) -> None:
    """A token for the portal's account, tried in its namespace before the environment is called ready."""
    environment = _subject(context)
    with explained(context):
        if environment_account.is_due(environment):
            environment_account.renew_token(environment, access.kubernetes_for(environment.cluster))
            context.log(_("The portal's account has a new token."))
        until = time.monotonic() + ACCOUNT_PATIENCE
        while True:
            context.check()
            try:
                access.kubernetes_for(environment).get(f"{_path(environment)}/pods", limit=1)
                return
            except ClusterRefused:
                # A role that has only just been bound is not known to every API server yet.
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)


def count_pods(context: StepContext) -> None:
    """How many pods there are: so many may stay, and be replaced, while it is frozen."""
    environment = _subject(context)
    with explained(context):
        client = access.kubernetes_for(environment.cluster)
        found = running_pods(client.list(f"{_path(environment)}/pods"))
    Environment.objects.filter(pk=environment.pk).update(frozen_pods=found)
    context.log(_("%(count)s pods run; they stay, and no more start") % {"count": found})


def delete_namespace(context: StepContext) -> None:
    """Ask the cluster to delete it: only the very one that was made for this environment."""
    environment = _subject(context)
    with explained(context):
        try:
            found = access.kubernetes_for(environment.cluster).get(_path(environment))
        except ResourceNotFound:
            context.log(_("The namespace is not there."))
            return
        except ClusterUnreachable as error:
            _give_up(context, environment, error)
            return
        if not _is_ours(environment, found):
            context.log(_left_alone(environment), level="warning")
            return
        access.kubernetes_for(environment.cluster).delete(_path(environment), found["metadata"]["uid"])
        context.remember(uid=found["metadata"]["uid"])
        context.log(_("asked the cluster to delete namespace %(name)s") % {"name": environment.namespace})


def wait_until_gone(context: StepContext) -> None:
    """Until the namespace is gone; the cluster says what holds it."""
    environment, uid = _subject(context), context.recall("delete").get("uid", "")
    if not uid:
        return
    until, said = time.monotonic() + REMOVAL_PATIENCE, ""
    with explained(context):
        while found := _still_there(environment, uid):
            context.check()
            why = why_not_gone(found)
            if why and why != said:
                context.log(why, level="warning")
                said = why
            if time.monotonic() > until:
                raise _stuck(environment, why)
            time.sleep(_LOOK if said else 0.3)
    context.log(_("The namespace is gone."))


def _subject(context: StepContext) -> Environment:
    """The environment as it should be. A resumed operation brings it back to work."""
    rows = Environment.objects.select_related("tenant", "cluster")
    found = rows.filter(pk=context.operation.subject_id).first()
    if found is None or found.generation != context.inputs["generation"]:
        raise StepFailed(
            what=_("The environment is not as it was when this was asked for"),
            why=_("It was removed.") if found is None else _("Something else was asked for since."),
            remedy=_("Look at the environment, and ask for it anew if it is still wanted."),
        )
    kinds = {CREATE: Environment.State.CREATING, REMOVE: Environment.State.REMOVING}
    working = kinds.get(context.operation.kind, Environment.State.UPDATING)
    if found.state != working or found.state_reason:
        Environment.objects.filter(pk=found.pk).update(state=working, state_reason={})
        found.state, found.state_reason = working, {}
    return found


def _bring(context: StepContext, client: KubernetesClient, wanted: dict[str, Any]) -> int:
    """One object as it should be; 1 when it was not. What applying cannot mend is made anew, never the namespace."""
    path, name = path_of(wanted), f"{wanted['kind']} {wanted['metadata']['name']}"
    try:
        if is_as_wanted(wanted, client.get(path)):
            return 0
    except ResourceNotFound:
        pass
    try:
        mended = is_as_wanted(wanted, client.apply(wanted))
    except ClusterRefused as refused:
        # 422: a field that can only be set when the object is made (a binding's role).
        if refused.status != 422 or wanted["kind"] == "Namespace":
            raise
        mended = False
    if not mended and wanted["kind"] != "Namespace":
        client.delete(path)
        client.apply(wanted)
    context.log(_("applied %(name)s") % {"name": name})
    return 1


def _refuse_foreign(environment: Environment, found: dict[str, Any]) -> None:
    """Stop at a namespace that is somebody else's, or on its way out."""
    if not _is_ours(environment, found):
        raise StepFailed(
            what=_left_alone(environment),
            why=_("It has no mark of this environment, so the portal neither takes it over nor deletes it."),
            remedy=_(
                "Remove this environment and make it under another name, or have the namespace's owner delete it."
            ),
        )
    if found["metadata"].get("deletionTimestamp"):
        raise StepFailed(
            what=_("Namespace %(name)s is being deleted") % {"name": environment.namespace},
            why=why_not_gone(found) or _("An earlier one of that name is on its way out."),
            remedy=_("Wait until it is gone, then resume."),
        )


def _is_ours(environment: Environment, found: dict[str, Any]) -> bool:
    uid = environment.namespace_uid
    return manifest.is_ours(found, spec_of(environment)) or bool(uid and found["metadata"].get("uid") == uid)


def _left_alone(environment: Environment) -> str:
    return _("Namespace %(name)s on cluster %(cluster)s belongs to somebody else") % {
        "name": environment.namespace,
        "cluster": environment.cluster.name,
    }


def _give_up(context: StepContext, environment: Environment, error: ClusterUnreachable) -> None:
    if not context.inputs.get("give_up"):
        raise error
    context.log(_("Given up: %(why)s What is on the cluster stays there.") % {"why": error}, level="warning")


def _still_there(environment: Environment, uid: str) -> dict[str, Any] | None:
    try:
        found = access.kubernetes_for(environment.cluster).get(_path(environment))
    except ResourceNotFound:
        return None
    return found if found["metadata"].get("uid") == uid else None


def _stuck(environment: Environment, why: str) -> StepFailed:
    return StepFailed(
        what=_("Namespace %(name)s does not go") % {"name": environment.namespace},
        why=why or _("The cluster does not say what holds it."),
        remedy=_("Have whoever owns what holds it finish or remove its finalizers, then resume."),
    )


def _path(environment: Environment) -> str:
    return f"{_NAMESPACES}/{environment.namespace}"
