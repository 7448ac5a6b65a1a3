"""One step of a deployment on its hosts: runs the playbook's part and writes what became of each host.

Raises StepFailed when Ansible itself could not run, Cancelled and LeaseLost as the context does.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings

from clusters import access
from clusters.adapters import ansible, ssh, ssh_answers
from clusters.deploying import failures, inventory
from clusters.deploying.inventory import Connection, Deployment
from clusters.errors import ClusterError
from clusters.models import Cluster, Host
from kcloud_site.operations import children
from kcloud_site.operations.errors import StepFailed
from kcloud_site.operations.kinds import StepContext

Forgive = Callable[[str, failures.Explained], bool]
SECONDS = 3600


def play(
    context: StepContext,
    cluster: Cluster,
    deployment: Deployment,
    *,
    playbook: str,
    tag: str,
    variables: Mapping[str, Any],
    secrets: Sequence[str] = (),
    forgive: Forgive | None = None,
) -> None:
    """Run one tag of a playbook on the targets that are not done. `forgive(host, why)` may let an unreachable host
    pass."""
    todo = context.pending_targets
    writer = _Writer(context, forgive)
    with contextlib.ExitStack() as stack:
        connections, passwords = _connect(todo, stack, writer)
        reachable = [name for name in todo if name in connections]
        told = {
            "kcloud": inventory.variables(deployment),
            "kcloud_fence": _fence(context, cluster),
            **variables,
        }
        try:
            ansible.run_playbook(
                playbook,
                inventory=inventory.ansible_inventory(deployment, connections),
                variables=told,
                hosts=reachable,
                tags=[tag],
                on_event=writer.on_event,
                cancelled=lambda: context.cancelled,
                environment=children.environment(context),
                secrets=[*secrets, *passwords],
                sockets=f"op-{context.operation.pk}",
                timeout=SECONDS,
            )
        except ClusterError as error:
            raise StepFailed(what=error.what, why=error.why, remedy=error.remedy) from error
    context.check()


def _connect(
    names: Sequence[str], stack: contextlib.ExitStack, writer: _Writer
) -> tuple[dict[str, Connection], list[str]]:
    """Key files that live as long as the stack; a host we may not sign in to fails here, alone."""
    connections: dict[str, Connection] = {}
    passwords: list[str] = []
    for host in Host.objects.filter(name__in=names).select_related("credential"):
        target = access.ssh_for(host)
        writer.targets[host.name] = target
        try:
            lent = stack.enter_context(ssh.identity(target))
        except ClusterError as error:
            writer.fail(host.name, failures.Explained(error.what, error.why, error.remedy))
            continue
        connections[host.name] = Connection(
            username=target.username,
            key_file=str(lent.key_file or ""),
            password=target.password,
            ssh_arguments=" ".join(lent.options),
        )
        passwords += [target.password] if target.password else []
    return connections, passwords


def _fence(context: StepContext, cluster: Cluster) -> dict[str, Any]:
    """Numbers that only this portal's runs on this cluster are compared by."""
    owner = f"{settings.SECRET_KEY}:{cluster.pk}:{cluster.created_at.isoformat()}"
    return {
        "owner": hashlib.sha256(owner.encode()).hexdigest()[:24],
        "operation": context.operation.pk,
        "fencing": context.fencing,
    }


class _Writer:
    """Turns events into target rows and log lines."""

    def __init__(self, context: StepContext, forgive: Forgive | None) -> None:
        self._context = context
        self._forgive = forgive
        self.targets: dict[str, ssh.SshTarget] = {}

    def on_event(self, event: ansible.Event) -> None:
        if event.kind == "started":
            self._context.target_started(event.host)
        elif event.kind == "done":
            lines = event.changes or ("nothing to change",)
            self._context.log("\n".join(lines), target=event.host)
            self._context.target_succeeded(event.host, {"changed": len(event.changes), **event.data})
        else:
            self._failed(event)

    def _failed(self, event: ansible.Event) -> None:
        evidence = event.failure.get("evidence", "")
        if evidence:
            self._context.log(f"{event.task}\n{evidence}", target=event.host, level="error")
        if failures.is_connection(event.failure):
            self.fail(event.host, self._connection(event))
        else:
            explained = failures.explain(event.host, event.failure)
            self._context.target_failed(event.host, **explained._asdict())

    def _connection(self, event: ansible.Event) -> failures.Explained:
        target = self.targets[event.host]
        error = ssh_answers.error_for(
            label=target.label,
            username=target.username,
            status=ssh_answers.SSH_FAILED if event.kind == "unreachable" else 1,
            stderr=event.failure.get("evidence", ""),
            recorded=ssh.fingerprint(target.host_key),
        )
        return failures.Explained(error.what, error.why, error.remedy)

    def fail(self, host: str, explained: failures.Explained) -> None:
        """A host that could not be reached or signed in to."""
        if self._forgive and self._forgive(host, explained):
            self._context.target_succeeded(host, {"changed": 0, "given_up": explained.what})
            return
        self._context.target_failed(host, **explained._asdict())
