"""The deployment's step for log lines: a shipper on every worker when there is a store, none when there is none.

A cluster without a store that never shipped costs no visit to its hosts.
"""

from __future__ import annotations

import time

from django.utils.translation import gettext as _

from clusters import access
from clusters.bundle.manifest import Manifest
from clusters.deploying import node_files
from clusters.deploying.inventory import Deployment
from clusters.deploying.log_store import LogStoreAddress
from clusters.errors import ResourceNotFound
from clusters.manifests import log_shipping as rights
from clusters.models import Cluster, ClusterSecret
from clusters.selectors import log_shipping
from clusters.services import cluster_secrets, deployment_addons
from clusters.services.deployment_hosts import play
from kcloud_site.operations.errors import StepFailed
from kcloud_site.operations.kinds import StepContext

# What a shipper says goes through two programs before it can be found.
PATIENCE, LOOK = 20.0, 0.5
PROGRAM = "bin/kcloud-log-shipper"


def converge(context: StepContext, cluster: Cluster, plan: Deployment, manifest: Manifest) -> None:
    """Bring the shippers about, or take them away."""
    store = log_shipping.address()
    if store is None and not log_shipping.ships(cluster):
        for name in context.pending_targets:
            context.target_succeeded(name, {"changed": 0})
        context.log(_("No log store is set up: lines stay on the nodes."))
        return
    if store is not None:
        _refuse_old(manifest)
        cluster_secrets.put(cluster, log_shipping.SECRET, store.password.encode())
    context.remember(changed=_rights(context, cluster, wanted=store is not None))
    secrets = cluster_secrets.everything(cluster)
    files = node_files.log_shipper_files(plan, secrets, store) if store else []
    variables = {
        "kcloud_files": {name: files for name in context.pending_targets},
        "kcloud_log_store": node_files.log_shipper_variables(store),
    }
    hidden = [secrets["log-shipper.key"].decode(), *([store.password] if store and store.password else [])]
    play(context, cluster, plan, playbook="deploy", tag="logs", variables=variables, secrets=hidden)
    if context.pending_targets:
        # A host failed, and the step with it: what is on it stays known.
        return
    if store is None:
        ClusterSecret.objects.filter(cluster=cluster, name=log_shipping.SECRET).delete()
    else:
        _listen(context, cluster, plan, store)


def _refuse_old(manifest: Manifest) -> None:
    if not any(file.path == PROGRAM for file in manifest.files):
        raise StepFailed(
            what=_("The release bundle of Kubernetes %(version)s has no log shipper")
            % {"version": manifest.kubernetes_version},
            why=_("It was built before there was one."),
            remedy=_("Build it again (manage.py bundle build), then resume."),
        )


def _rights(context: StepContext, cluster: Cluster, *, wanted: bool) -> int:
    if wanted:
        return deployment_addons.apply_objects(context, cluster, rights.objects())
    client, removed = access.kubernetes_for(cluster), 0
    with deployment_addons.explained(context):
        for path in rights.paths():
            try:
                client.get(path)
            except ResourceNotFound:
                continue
            client.delete(path)
            removed += 1
    return removed


def _listen(context: StepContext, cluster: Cluster, plan: Deployment, store: LogStoreAddress) -> None:
    """Wait until each shipper was heard of in the store. A store that is away does not stop a deployment: what could
    not be sent waits on the nodes."""
    names, until = [worker.name for worker in plan.workers], time.monotonic() + PATIENCE
    while True:
        context.check()
        missing = log_shipping.silent(cluster.name, names)
        if missing == ():
            context.log(_("Lines of %(count)d nodes arrive in the store.") % {"count": len(names)})
            return
        if time.monotonic() > until:
            break
        time.sleep(LOOK)
    if missing is None:
        said = _("The log store does not answer the portal. Lines wait on the nodes meanwhile.")
        context.log(said, level="warning")
    for name in missing or ():
        said = _("Nothing of this node has arrived in the store yet: look whether it reaches %(url)s.")
        context.log(said % {"url": store.url}, target=name, level="warning")
