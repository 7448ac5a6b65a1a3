"""One of everything that the platform operators' admin lists."""

from datetime import timedelta

from django.utils import timezone

from apps.models import App, Deployment, Release, Workload
from clusters.models import (
    Bundle,
    Cluster,
    Credential,
    Environment,
    FencingMethod,
    Host,
    Region,
    TenantRequest,
)
from kcloud_site.operations.models import Operation, State
from kcloud_site.tenants import encryption
from kcloud_site.tenants.models import ApiToken, Grant, Invitation, Loan, Quota, User
from kcloud_site.tenants.services import members, tenants

MARKER = "planted-secret-5a1e"
NOW = timezone.now()


def make(number, operator):
    """One of everything; the numbers keep names apart."""
    n = str(number)
    tenant = tenants.create_tenant(name=f"t{n}", title=f"Tenant {n}", by=operator)
    person = User.objects.create_user(f"u{n}", f"u{n}@example.com", MARKER)
    members.add_member(tenant=tenant, user=person, role="viewer", by=operator)
    region = Region.objects.create(name=f"r{n}")
    key = Credential.objects.create(name=f"k{n}", username="root")
    key.sealed_secret = encryption.seal(MARKER.encode(), identity=f"clusters.Credential:k{n}:secret")
    key.save()
    power = FencingMethod(region=region, program="/usr/bin/ipmitool", off_text="off")
    power.sealed_secret = encryption.seal(MARKER.encode(), identity=f"clusters.FencingMethod:region r{n}")
    power.save()
    cluster = Cluster.objects.create(name=f"c{n}", region=region, state="ready", health="degraded")
    Host.objects.create(name=f"h{n}", region=region, address=f"10.0.0.{n}", credential=key, cluster=cluster)
    Bundle.objects.create(
        version=f"1.{n}", path="/x", manifest_sha256="0" * 64, state="verified", verified_at=NOW
    )
    environment = Environment.objects.create(
        tenant=tenant, cluster=cluster, name="dev", namespace=f"t{n}-dev"
    )
    app = App.objects.create(tenant=tenant, name=f"app{n}")
    release = Release.objects.create(tenant=tenant, app=app, number=1, version=f"1.{n}", spec={})
    workload = Workload.objects.create(tenant=tenant, app=app, environment=environment, release=release)
    Deployment.objects.create(
        tenant=tenant, workload=workload, number=1, action="deploy", release=release, requested_by=f"u{n}"
    )
    Quota.objects.create(tenant=tenant, cpu=1000)
    Loan.objects.create(tenant=tenant, cpu=1, reason="x", lent_by="operator", ends_at=NOW + timedelta(days=1))
    Grant.objects.create(
        tenant=tenant,
        user=person,
        permission="environment.freeze",
        object_type="clusters.environment",
        object_id=n,
        object_name="dev",
        reason="x",
        granted_by="operator",
        expires_at=NOW + timedelta(days=1),
    )
    TenantRequest.objects.create(
        tenant=tenant, kind="quota", wanted={"amount": {"cpu": "1"}}, reason="x", requested_by_name=f"u{n}"
    )
    ApiToken.objects.create(user=person, name=f"a{n}", tenant=tenant, role="viewer")
    Invitation.objects.create(
        tenant=tenant,
        email=f"i{n}@example.com",
        role="viewer",
        token_hash=f"hash{n}",
        invited_by="operator",
        expires_at=NOW + timedelta(days=1),
    )
    Operation.objects.create(
        kind="clusters.deploy",
        subject_type="clusters.cluster",
        subject_id=str(cluster.pk),
        subject_name=cluster.name,
        requested_by_name="operator",
        state=State.FAILED,
        failure={"what": "It broke."},
        inputs={"password": MARKER},
        tenant=tenant,
    )
