"""Powers off the machine of a lost node, so that what has an identity may move: an operation, by the rule or a person.

Only a node that counts as lost (two witnesses) and that does not answer at this very moment is powered off; it counts
as off once the status command says so, not because the first one ended well. A dry run only asks for the state.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clusters import access
from clusters.adapters import fencing as program
from clusters.adapters.node_probe import Prober, Target
from clusters.errors import ClusterError, NodeRefused
from clusters.healing import fencing
from clusters.models import Cluster, FencingMethod, Host, NodeDecision
from clusters.services import node_decisions
from clusters.services.fencing_methods import commands_of, method_for
from kcloud_site.operations import services as operations
from kcloud_site.operations.errors import StepFailed, SubjectBusy
from kcloud_site.operations.kinds import StepContext, StepDefinition
from kcloud_site.operations.models import Operation, State

KIND = "clusters.fence"
ASK_EVERY = 1.0
# By itself it is tried so often, with so much time between.
TRIES, BETWEEN = 3, timedelta(seconds=60)


def power_off(*, cluster: Cluster, node: str, by: Any) -> Operation:
    """Have a lost node's machine powered off. Raises NodeRefused, SubjectBusy."""
    row = node_decisions.lost_nodes(cluster.pk).get(node)
    host = Host.objects.select_related("region").filter(cluster=cluster, name=node).first()
    if row is None or host is None or method_for(host) is None:
        raise NodeRefused(
            _("Node %(name)s cannot be powered off from here.") % {"name": node},
            _("It does not count as lost.") if row is None else _("Nobody has said how its machine is powered off."),
            _("Say how on the page of its host or region, or look at the machine and confirm that it is off."),
        )  # fmt: skip
    return _request(host, by, decision=row.pk)


def try_method(*, host: Host, by: Any) -> Operation:
    """A dry run: ask the machine's state the way it would be asked, power nothing off. Raises NodeRefused,
    SubjectBusy."""
    if method_for(host) is None:
        raise NodeRefused(_("Nobody has said how this machine is powered off."))
    return _request(host, by, decision=None)


def consider(row: NodeDecision) -> None:
    """By the rule, for a node that counts as lost: power its machine off when something waits for that, and an operator
    let it happen by itself."""
    if row.fenced_at is not None or not row.outcome.get("waiting") or not _is_time(row):
        return
    host = Host.objects.select_related("region").filter(cluster_id=row.cluster_id, name=row.node).first()
    method = method_for(host) if host else None
    if host is None or method is None or method.mode != FencingMethod.Mode.AUTOMATIC:
        return
    tries = int(row.fencing.get("tries", 0)) + 1
    try:
        with transaction.atomic():
            operation = _request(host, node_decisions.RULE, decision=row.pk)
            _note(row.pk, {"tries": tries, "at": timezone.now().isoformat(), "operation": operation.pk})
    except SubjectBusy:
        return


def _is_time(row: NodeDecision) -> bool:
    tries, at = int(row.fencing.get("tries", 0)), str(row.fencing.get("at", ""))
    if tries == 0:
        return True
    return tries < TRIES and timezone.now() - datetime.fromisoformat(at) >= BETWEEN


def _request(host: Host, by: Any, *, decision: int | None) -> Operation:
    inputs = {"host": host.pk, "decision": decision}
    return operations.request_operation(kind=KIND, subject=host, by=by, inputs=inputs)


def _note(pk: int, fencing: dict[str, Any]) -> None:
    NodeDecision.objects.filter(pk=pk).update(fencing=fencing)


# --- steps ---------------------------------------------------------------------------------------


def steps(operation: Operation) -> Iterable[StepDefinition]:
    if operation.inputs["decision"] is None:
        yield StepDefinition("state", gettext_lazy("Ask for the machine's state"), state_step)
        return
    yield StepDefinition("off", gettext_lazy("Power the machine off"), off_step)
    yield StepDefinition("confirm", gettext_lazy("Wait until it is off"), confirm_step)


def state_step(context: StepContext) -> None:
    host, method = _subject(context)
    commands = commands_of(method)
    context.log(
        _("It would be powered off by: %(command)s") % {"command": _line(commands, commands.off, host)}
    )
    said = _run(context, host, method, commands.status)
    is_off = fencing.says_off(commands, said.status, said.text)
    context.remember(off=is_off)
    context.log(_("The machine is off.") if is_off else _("The machine is not off."))


def off_step(context: StepContext) -> None:
    host, method = _subject(context)
    _refuse_living(context, host)
    said = _run(context, host, method, commands_of(method).off)
    if said.status != 0:
        # Some say so of a machine that is off already: what counts is the state, asked for next.
        context.log(_("It ended with status %(status)d.") % {"status": said.status}, level="warning")


def confirm_step(context: StepContext) -> None:
    host, method = _subject(context)
    commands = commands_of(method)
    until = time.monotonic() + commands.seconds
    while True:
        context.check()
        said = _run(context, host, method, commands.status)
        if fencing.says_off(commands, said.status, said.text):
            context.remember(said=said.text)
            return
        if time.monotonic() > until:
            raise StepFailed(
                what=_("%(host)s was not off after %(seconds)d s") % {"host": host.name, "seconds": commands.seconds},
                why=said.text,
                remedy=_("Look at the machine. What has an identity does not move until it is known to be off."),
            )  # fmt: skip
        threading.Event().wait(ASK_EVERY)


def fenced(operation: Operation) -> None:
    """The end: a machine that is off is written down, in the transaction that ends the operation."""
    row = NodeDecision.objects.filter(pk=operation.inputs["decision"]).select_related("cluster").first()
    if row is None:
        return
    method = method_for(Host.objects.get(pk=operation.inputs["host"]))
    if operation.state == State.SUCCEEDED and method is not None:
        by = operation.requested_by or node_decisions.RULE
        node_decisions.confirm_fenced(cluster=row.cluster, node=row.node, by=by, how=method.program)
    _note(
        row.pk,
        {
            **row.fencing,
            "operation": operation.pk,
            "off": operation.state == State.SUCCEEDED,
            "problem": str((operation.failure or {}).get("what", "")),
        },
    )


def _subject(context: StepContext) -> tuple[Host, FencingMethod]:
    host = Host.objects.select_related("region").filter(pk=context.inputs["host"]).first()
    method = method_for(host) if host else None
    if host is None or method is None:
        raise StepFailed(what=_("Nobody has said how this machine is powered off."))
    if fencing.problem(commands_of(method), settings.FENCING_PROGRAMS):
        raise StepFailed(
            what=_("This program is not one that may power machines off."),
            why=method.program,
            remedy=_(
                "Choose another, or have the portal's administrator allow it (KCLOUD_FENCING_PROGRAMS)."
            ),
        )
    return host, method


def _refuse_living(context: StepContext, host: Host) -> None:
    """Nothing that answers is powered off, nor what does not count as lost any more."""
    row = NodeDecision.objects.filter(pk=context.inputs["decision"], ended_at__isnull=True).first()
    prober = Prober()
    try:
        answers = prober.round([Target(host.name, host.address, ssh_port=host.ssh_port)])[host.name]
    finally:
        prober.close()
    if row is None or answers:
        raise StepFailed(
            what=_("%(host)s was not powered off: it is back.") % {"host": host.name},
            why=_("It answers.") if answers else _("It does not count as lost any more."),
            remedy=_("Nothing has to be done."),
        )


def _run(context: StepContext, host: Host, method: FencingMethod, arguments: Iterable[str]) -> program.Said:
    commands = commands_of(method)
    context.log(_("Runs: %(command)s") % {"command": _line(commands, arguments, host)})
    try:
        said = program.run(
            commands.program,
            fencing.filled(list(arguments), host=host.name, address=host.address),
            secret=access.fencing_secret(method),
            seconds=commands.seconds,
        )
    except ClusterError as error:
        raise StepFailed(what=error.what, why=error.why, remedy=error.remedy) from error
    context.log(said.text or "–")
    return said


def _line(commands: fencing.Commands, arguments: Iterable[str], host: Host) -> str:
    return " ".join(
        [commands.program, *fencing.filled(list(arguments), host=host.name, address=host.address)]
    )
