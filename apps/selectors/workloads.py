"""Reads workloads: what they are called, what should run, who may change them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.errors import WorkloadRefused
from apps.manifests.pull_secret import PULL_SECRET
from apps.manifests.workload import Place, Settings, objects
from apps.models import Deployment, Release, Workload
from apps.rollouts.strategy import Strategy, deployment_strategy
from apps.specs.images import BUNDLED_HOST
from apps.specs.reading import parse
from clusters.models import Environment
from kcloud_site.audit.trail import Subject

TYPE = "apps.workload"


def subject_of(workload: Workload) -> Subject:
    """As operations and audit events name it: "retail-dev/web"."""
    name = f"{workload.environment.namespace}/{workload.app.name}"
    return Subject(TYPE, str(workload.pk), name, workload.tenant_id)


def right_to_change(environment: Environment) -> str:
    """The right that deploying, scaling and stopping need there."""
    return "deployment.protected" if environment.protected else "deployment.run"


def full(workload_pk: int | str) -> Workload | None:
    """The row with all that names it, or None."""
    rows = Workload.objects.select_related("app", "tenant", "environment__cluster", "release", "good_release")
    return rows.filter(pk=workload_pk).first()


def place_of(workload: Workload, release: Release, strategy: Strategy | None = None, slot: str = "") -> Place:
    """Where and as what `release` would run."""
    restarted = workload.restarted_at
    return Place(
        namespace=workload.environment.namespace,
        app=workload.app.name,
        tenant=workload.tenant.name,
        environment=workload.environment.name,
        release=release.number,
        replicas=workload.wanted_replicas,
        slot=slot or workload.slot,
        restarted_at=restarted.astimezone(timezone.get_default_timezone()).isoformat() if restarted else "",
        strategy=deployment_strategy(strategy or Strategy()),
        pull_secret=PULL_SECRET if pulls_from_registry(release) else "",
    )


def pulls_from_registry(release: Release) -> bool:
    """Whether an image of the release comes from a registry, so that its pods may have to sign in.

    The release alone decides, not which credentials there are: keeping one more restarts nothing."""
    containers = release.spec.get("containers") or []
    return any(not str(each.get("image", "")).startswith(f"{BUNDLED_HOST}/") for each in containers)


def wanted_objects(
    workload: Workload, settings: Settings | None, strategy: Strategy | None = None, slot: str = ""
) -> list[dict[str, Any]]:
    """Everything that should be on the cluster for it. Raises WorkloadRefused when no release runs there."""
    release = workload.release
    if release is None:
        raise nothing_deployed(workload)
    return objects(parse(release.spec), place_of(workload, release, strategy, slot), settings)


def nothing_deployed(workload: Workload) -> WorkloadRefused:
    """Said where something running is needed."""
    return WorkloadRefused(
        _("%(app)s was never deployed in %(environment)s.")
        % {"app": workload.app.name, "environment": workload.environment.name},
        "",
        _("Deploy a release first."),
    )


def told(workload: Workload) -> dict[str, Any]:
    """What the audit trail says of a workload."""
    return {
        "release": workload.release.version if workload.release else None,
        "config_revision": workload.config_revision,
        "replicas": workload.replicas,
        "stopped": workload.stopped,
    }


def newest_change(workload: Workload) -> Deployment | None:
    """The newest deployment of any action."""
    return Deployment.objects.filter(workload=workload).order_by("-number").first()
