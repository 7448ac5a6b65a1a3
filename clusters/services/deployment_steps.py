"""The steps of a deployment and of a reset, in order, as definitions the operation runner carries out.

The paper's nine, then network, DNS, log shipper and verification. Everything comes from the operation's frozen inputs,
but where lines are shipped to: that is a setting. A step's hash also counts the recipe (clusters/ansible), so after a
repair of the portal the steps are looked at again on resume, and change only what differs.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clusters.adapters import ansible
from clusters.bundle.manifest import Manifest, read_manifest
from clusters.bundle.roles import Role, files_for
from clusters.deploying import inventory, node_files, pki
from clusters.deploying.inventory import Deployment
from clusters.models import Bundle, Cluster, Host
from clusters.selectors import plans
from clusters.services import (
    bundles,
    cluster_secrets,
    deployment,
    deployment_addons,
    log_shipping,
    node_registries,
)
from clusters.services.deployment_hosts import play
from kcloud_site.operations.errors import StepFailed
from kcloud_site.operations.kinds import StepContext, StepDefinition
from kcloud_site.operations.models import Operation

RUNTIME_PACKAGES = ("containerd", "runc", "containernetworking-plugins", "iptables", "nftables")
ROLES: tuple[Role, ...] = ("master", "worker")
_ON_HOSTS = (
    ("distribute", gettext_lazy("Distribute configuration"), "all"),
    ("runtime", gettext_lazy("Container runtime"), "workers"),
    ("store", gettext_lazy("Store"), "masters"),
    ("control", gettext_lazy("Control service"), "masters"),
    ("api", gettext_lazy("API service"), "masters"),
    ("scheduler", gettext_lazy("Scheduler"), "masters"),
    ("agent", gettext_lazy("Agent"), "workers"),
    ("balancer", gettext_lazy("Load balancer"), "workers"),
    ("network", gettext_lazy("Network"), "all"),
)


def deploy_steps(operation: Operation) -> Iterable[StepDefinition]:
    """From bare hosts to a verified cluster."""
    plan = deployment.frozen_deployment(operation)
    frozen = inventory.input_hash(operation.inputs, recipe())
    yield StepDefinition("collect", gettext_lazy("Collect the plan"), collect, input_hash=frozen)
    for key, title, group in _ON_HOSTS:
        act = network if key == "network" else _on_hosts(key)
        yield StepDefinition(key, title, act, targets=_group(plan, group), input_hash=frozen)
    yield StepDefinition("dns", gettext_lazy("DNS"), dns, input_hash=frozen)
    workers = _group(plan, "workers")
    yield StepDefinition("logs", gettext_lazy("Log shipper"), logs, targets=workers, input_hash=frozen)
    yield StepDefinition("verify", gettext_lazy("Verification"), verify, targets=workers, input_hash=frozen)


def reset_steps(operation: Operation) -> Iterable[StepDefinition]:
    """Back to bare hosts."""
    yield StepDefinition("reset", gettext_lazy("Clear the hosts"), reset, targets=operation.inputs["hosts"])


@functools.cache
def recipe() -> str:
    """One number for everything that is run on hosts."""
    total = hashlib.sha256()
    for path in sorted(ansible.ROOT.rglob("*")):
        if path.is_file() and path.suffix in {".py", ".yml", ".j2", ".cfg"}:
            total.update(str(path.relative_to(ansible.ROOT)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def collect(context: StepContext) -> None:
    """Check the bundle, make the keys that are missing, keep them sealed."""
    cluster, plan = _subject(context), deployment.frozen_deployment(context.operation)
    context.log(_("Plan revision %(number)s: %(masters)s masters, %(workers)s workers") % {
        "number": context.inputs["revision"], "masters": len(plan.masters), "workers": len(plan.workers)
    })  # fmt: skip
    bundle = _bundle(plan.spec.version)
    context.log(_("Release bundle %(version)s is verified") % {"version": bundle.version})
    made = pki.complete(cluster_secrets.everything(cluster), node_files.layout(plan), now=timezone.now())
    cluster_secrets.put_all(cluster, made)
    Cluster.objects.filter(pk=cluster.pk).update(endpoints=plan.endpoints)
    context.log(_("%(count)s keys and certificates made, %(kept)s kept") % {
        "count": len(made), "kept": len(cluster_secrets.names(cluster)) - len(made)
    })  # fmt: skip
    context.remember(changed=len(made))


def network(context: StepContext) -> None:
    """Routes on every host; on workers the agent of network policies, whose rights must be there before it starts."""
    cluster = _subject(context)
    context.remember(changed=deployment_addons.apply_policy_rights(context, cluster))
    _on_hosts("network")(context)


def dns(context: StepContext) -> None:
    """Labels and taints of the nodes, and the cluster's DNS."""
    cluster, plan = _subject(context), deployment.frozen_deployment(context.operation)
    manifest = _manifest(_bundle(plan.spec.version))
    context.remember(changed=deployment_addons.apply_all(context, cluster, plan, manifest))


def logs(context: StepContext) -> None:
    """What the pods write, on its way to the store when there is one."""
    cluster, plan = _subject(context), deployment.frozen_deployment(context.operation)
    log_shipping.converge(context, cluster, plan, _manifest(_bundle(plan.spec.version)))


def verify(context: StepContext) -> None:
    """A real pod on every worker, reached through a Service from every other node."""
    cluster, plan = _subject(context), deployment.frozen_deployment(context.operation)
    with deployment_addons.verification_probes(context, cluster, plan) as probes:
        play(context, cluster, plan, playbook="deploy", tag="verify", variables={"kcloud_probes": probes})
    context.log(deployment_addons.summary(context))


def reset(context: StepContext) -> None:
    """Everything the deployment brought goes from every host."""
    cluster = _subject(context)
    plan = _whatever_is_there(cluster)

    def give_up(host: str, explained: Any) -> bool:
        if not context.inputs.get("force"):
            return False
        context.log(_("Given up: %(why)s. What runs on the host stays there.") % {"why": explained.what},
                    target=host, level="warning")  # fmt: skip
        Host.objects.filter(name=host).update(state=Host.State.UNREACHABLE, state_reason=explained.what)
        return True

    play(context, cluster, plan, playbook="reset", tag="reset", variables={}, forgive=give_up)


def _on_hosts(key: str) -> Callable[[StepContext], None]:
    def run(context: StepContext) -> None:
        cluster, plan = _subject(context), deployment.frozen_deployment(context.operation)
        secrets = cluster_secrets.everything(cluster)
        wanted = set(context.pending_targets)
        registries = node_registries.all_registries()
        files = {
            m.name: node_files.files(key, plan, m, secrets, registries)
            for m in plan.members
            if m.name in wanted
        }
        bundle = _bundle(plan.spec.version)
        variables = {"kcloud_files": files, **_release(key, plan, bundle)}
        hidden = [data.decode() for name, data in secrets.items() if not name.endswith((".crt", ".pub"))]
        play(context, cluster, plan, playbook="deploy", tag=key, variables=variables, secrets=hidden)

    return run


def _release(key: str, plan: Deployment, bundle: Bundle) -> dict[str, Any]:
    """What a step needs to know of the release bundle."""
    manifest = _manifest(bundle)
    index = next(file.path for file in manifest.files if file.kind == "package-index")
    told: dict[str, Any] = {
        "kcloud_packages": {"directory": index.rpartition("/")[0], "names": list(RUNTIME_PACKAGES)},
        "kcloud_images": [file.path for file in manifest.files if file.kind == "image"],
    }
    if key == "distribute":
        rows = {file.path: file for file in manifest.files}
        files = {
            role: [
                {
                    "path": path,
                    "size": rows[path].size,
                    "sha256": rows[path].sha256,
                    "mode": "0755" if rows[path].kind == "binary" else "0644",
                }
                for path in files_for(manifest, role)
            ]
            for role in ROLES
        }
        told["kcloud_bundle"] = {
            "source": bundle.path,
            "files": {m.name: files[m.role] for m in plan.members},
        }
    return told


def _manifest(bundle: Bundle) -> Manifest:
    return read_manifest(Path(bundle.path))


def _bundle(version: str) -> Bundle:
    bundle = bundles.refresh_bundle(version=version)
    if bundle is None or bundle.state != Bundle.State.VERIFIED:
        raise StepFailed(
            what=_("The release bundle of Kubernetes %(version)s cannot be used") % {"version": version},
            why=bundle.state_reason if bundle else _("It is not on the portal."),
            remedy=_("Build it (manage.py bundle build), then resume."),
        )
    return bundle


def _subject(context: StepContext) -> Cluster:
    """The cluster; a resumed operation brings it back to work."""
    cluster = Cluster.objects.get(pk=context.operation.subject_id)
    working = (
        Cluster.State.RESETTING if context.operation.kind == deployment.RESET else Cluster.State.DEPLOYING
    )
    if cluster.state != working:
        Cluster.objects.filter(pk=cluster.pk).update(state=working)
        cluster.state = working
    return cluster


def _whatever_is_there(cluster: Cluster) -> Deployment:
    """The members as they are, whatever the plan says by now."""
    _revision, spec = plans.current_plan(cluster)
    members = tuple(
        inventory.Member(
            name=row.host.name,
            address=row.host.address,
            port=row.host.ssh_port,
            role="master" if row.role == "master" else "worker",
            pool=row.pool,
            pod_cidr=row.pod_cidr,
        )
        for row in cluster.memberships.select_related("host")
    )
    return Deployment(spec=spec, members=members)


def _group(plan: Deployment, group: str) -> list[str]:
    members = {"all": plan.members, "masters": plan.masters, "workers": plan.workers}[group]
    return [member.name for member in members]
