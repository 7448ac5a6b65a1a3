"""Reads deployments that were asked for: those of a tenant or of one place, and which a person could decide on."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from apps.models import App, DeploymentRequest
from apps.selectors.workloads import right_to_change
from clusters.models import Environment
from kcloud_site.audit.trail import Subject
from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import Tenant

State = DeploymentRequest.State
WAITING = (State.OPEN, State.SCHEDULED)


def subject_of(request: DeploymentRequest) -> Subject:
    """As audit events name it: "retail-prod/web 1.2"."""
    return Subject("apps.deploymentrequest", str(request.pk), str(request), request.tenant_id)


def requests_of(tenant: Tenant) -> QuerySet[DeploymentRequest]:
    """All of a tenant, newest first."""
    rows = DeploymentRequest.objects.filter(tenant=tenant)
    return rows.select_related("app", "environment", "tenant", "release", "deployment").order_by("-id")


def requests_in(app: App, environment: Environment) -> QuerySet[DeploymentRequest]:
    """Those of an application in one environment."""
    return requests_of(app.tenant).filter(app=app, environment=environment)


def waiting_for(user: Any) -> QuerySet[DeploymentRequest]:
    """Open ones the person may decide on: not their own, and where they may deploy."""
    rows = DeploymentRequest.objects.filter(state=State.OPEN).exclude(requested_by_id=user.pk)
    plain = permissions.visible(rows.filter(environment__protected=False), user, "deployment.run")
    kept = permissions.visible(rows.filter(environment__protected=True), user, "deployment.protected")
    both = rows.filter(Q(pk__in=plain.values("pk")) | Q(pk__in=kept.values("pk")))
    return both.select_related("app", "environment", "tenant", "release").order_by("id")


def may_decide(user: Any, request: DeploymentRequest) -> bool:
    """Whether the person may deploy there and did not ask for it."""
    is_own = request.requested_by_id == user.pk
    return not is_own and permissions.may(user, right_to_change(request.environment), request.environment)
