"""One of each thing that an address can be about, all of the tenant under test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.models import (
    App,
    ConfigRevision,
    Deployment,
    DeploymentRequest,
    HealingDecision,
    Pin,
    RegistryCredential,
    Release,
    Workload,
)
from clusters.models import Cluster, Environment, TenantRequest
from kcloud_site.audit import trail
from kcloud_site.operations.models import Operation, State
from kcloud_site.tenants.models import Grant, Invitation, Loan, Membership, User
from kcloud_site.webhooks.models import Delivery, Webhook

# Values of parameters where nothing belongs to a tenant: names that nothing has, so that only rights are asked.
OWN: dict[str, Any] = {
    "name": "nothing",
    "node": "nothing",
    "pk": 999_999,
    "version": "9.9.9",
    "provider_id": "nothing",
    "uidb36": "nobody",
    "key": "0-0",
    "token": "unknown",
}

WEB = {"kind": "Deployment", "containers": [{"name": "web", "image": "web:1"}]}


def make_things(tenant: Any, operator: Any) -> dict[str, dict[str, Any]]:
    """Parameters of each thing's addresses, by the name that expectations call it by."""
    operation = Operation.objects.create(
        kind="clusters.deploy",
        subject_type="clusters.environment",
        subject_id="1",
        subject_name="retail-dev",
        requested_by_name="operator",
        state=State.FAILED,
        tenant=tenant,
    )
    cluster = Cluster.objects.create(name="somewhere", state=Cluster.State.READY)
    environment = Environment.objects.create(
        tenant=tenant,
        cluster=cluster,
        name="dev",
        namespace="retail-dev",
        state="ready",
        ready_at=timezone.now(),
    )
    loan = Loan.objects.create(
        tenant=tenant, cpu=1000, reason="x", lent_by="operator", ends_at=timezone.now() + timedelta(days=9)
    )
    wanted = {"amount": {"cpu": "1"}}
    request = TenantRequest.objects.create(tenant=tenant, kind="quota", wanted=wanted, reason="x")
    app = App.objects.create(tenant=tenant, name="web")
    release = Release.objects.create(tenant=tenant, app=app, number=1, version="1.0", spec=WEB)
    workload = Workload.objects.create(tenant=tenant, app=app, environment=environment, release=release)
    named = {"tenant": tenant.name, "app": app.name}
    healing = HealingDecision.objects.create(
        tenant=tenant,
        workload=workload,
        rung="restart",
        state="open",
        why="crash-loop",
        mode="approve",
        release=release,
        first_at=timezone.now(),
        last_at=timezone.now(),
    )
    ConfigRevision.objects.create(tenant=tenant, app=app, environment=environment, number=1)
    revision = {**named, "environment": environment.name, "number": 1}
    return {
        "apps": {"tenant": tenant.name},
        "app": named,
        "app_by_name": {"tenant": tenant.name, "name": app.name},
        "environment_apps": {"tenant": tenant.name, "environment": environment.name},
        "release": {**named, "number": release.number},
        "config_revision": revision,
        "config_action": {**revision, "action": "withdraw"},
        "config_order": {**revision, "order": "hold"},
        "workload": {**named, "environment": environment.name},
        "healing": {**named, "environment": environment.name, "pk": healing.pk},
        "registry": {"tenant": tenant.name, "pk": _registry(tenant).pk},
        "image": {"tenant": tenant.name, "repository": "shop"},
        "image_tag": {"tenant": tenant.name, "repository": "shop", "tag": "1"},
        "image_content": {
            "tenant": tenant.name,
            "repository": "shop",
            "digest": "sha256:" + "0" * 64,
        },
        **_about_workload(workload, {**named, "environment": environment.name}),
        "loan": {"tenant": tenant.name, "pk": loan.pk},
        "request": {"tenant": tenant.name, "pk": request.pk},
        "request_kind": {"tenant": tenant.name, "kind": "quota"},
        "operation": {"pk": operation.pk},
        "audited": {"label": "operations.operation", "identity": operation.pk},
        "environments": {"tenant": tenant.name},
        "namespace": {"name": environment.namespace},
        "environment": {"tenant": tenant.name, "name": environment.name},
        "audit_event": {"pk": _audited(tenant, operator).pk},
        "webhook": _webhook(tenant),
        **_about_members(tenant),
    }


def _about_workload(workload: Workload, named: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A deployment, a release that is kept out, a pod, and a second workload that waits in the bin."""
    tenant, now = workload.tenant, timezone.now()
    Deployment.objects.create(tenant=tenant, workload=workload, number=1, action="deploy")
    pin = Pin.objects.create(tenant=tenant, workload=workload, release=workload.release)
    asked = DeploymentRequest.objects.create(
        tenant=tenant, app=workload.app, environment=workload.environment, release=workload.release
    )
    other = App.objects.create(tenant=tenant, name="old")
    binned = Workload.objects.create(
        tenant=tenant, app=other, environment=workload.environment, binned_at=now, purge_at=now
    )
    return {
        "deployment": {**named, "number": 1},
        "pin": {**named, "pk": pin.pk},
        "approval": {**named, "pk": asked.pk},
        "approval_action": {**named, "pk": asked.pk, "action": "withdraw"},
        "pod": {**named, "pod": "web-1"},
        "binned": {"tenant": tenant.name, "pk": binned.pk},
    }


def _registry(tenant: Any) -> RegistryCredential:
    return RegistryCredential.objects.create(tenant=tenant, host="ghcr.io", username="robot")


def _webhook(tenant: Any) -> dict[str, Any]:
    """A webhook and a message that was sent to it."""
    hook = Webhook.objects.create(tenant=tenant, name="ci", url="https://ci.example.com/", events=["x"])
    sent = Delivery.objects.create(webhook=hook, source="audit:1", event="x", payload={}, state="delivered")
    return {"name": tenant.name, "pk": hook.pk, "delivery": sent.pk}


def _audited(tenant: Any, operator: Any) -> Any:
    subject = trail.Subject("clusters.environment", "1", "retail-dev", tenant.pk)
    return trail.record(by=operator, action="environment.freeze", subject=subject)


def _about_members(tenant: Any) -> dict[str, dict[str, Any]]:
    """The tenant itself, a member, an invitation and an exception of it."""
    user = User.objects.create_user("colleague")
    member = Membership.objects.create(tenant=tenant, user=user, role="viewer", added_by="operator")
    week = timezone.now() + timedelta(days=7)
    invitation = Invitation.objects.create(
        tenant=tenant, email="new@example.com", role="viewer", token_hash="0" * 64, expires_at=week
    )
    grant = Grant.objects.create(
        tenant=tenant,
        user=user,
        permission="environment.freeze",
        object_type="clusters.environment",
        object_id="1",
        object_name="dev",
        reason="r",
        granted_by="operator",
        expires_at=week,
    )
    rows = {"membership": member, "invitation": invitation, "grant": grant}
    found = {kind: {"name": tenant.name, "tenant": tenant.name, "pk": row.pk} for kind, row in rows.items()}
    return {"tenant": {"name": tenant.name}, **found}
