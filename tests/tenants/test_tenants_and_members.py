"""Tenants are made, described, closed; members come, change role and go; a tenant keeps an owner."""

import pytest

from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants.errors import AlreadyMember, LastOwner, NameTaken, TenantClosed
from kcloud_site.tenants.models import Membership, Tenant
from kcloud_site.tenants.services import members, tenants

pytestmark = pytest.mark.django_db


def test_a_new_tenant_is_recorded_as_its_own(operator):
    tenant = tenants.create_tenant(name="finance", title="Finance", by=operator, reason="new department")
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.tenant_id) == ("tenant.create", "operator", tenant.pk)
    assert (event.after["name"], event.reason) == ("finance", "new department")


def test_a_name_is_given_once(tenant, operator):
    before = AuditEvent.objects.count()
    with pytest.raises(NameTaken, match="retail") as refused:
        tenants.create_tenant(name="retail", title="Again", by=operator)
    assert refused.value.field == "name"
    assert (Tenant.objects.count(), AuditEvent.objects.count()) == (1, before)


def test_describing_says_before_and_after_and_only_if_something_changed(tenant, operator):
    for _again in range(2):
        tenants.describe_tenant(tenant=tenant, title="Shops", description="", contact="", by=operator)
    event = AuditEvent.objects.get(action="tenant.describe")
    assert (event.before["title"], event.after["title"]) == ("Retail", "Shops")


def test_closing_and_reopening_are_recorded_once_each(tenant, operator):
    for _again in range(2):
        tenants.close_tenant(tenant=tenant, by=operator, reason="merged")
    assert tenant.closed_at is not None
    for _again in range(2):
        tenants.reopen_tenant(tenant=tenant, by=operator)
    assert tenant.closed_at is None
    told = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert told == ["tenant.create", "tenant.close", "tenant.reopen"]


def test_nothing_is_made_in_a_closed_tenant(tenant, operator, person):
    tenants.close_tenant(tenant=tenant, by=operator, reason="merged")
    with pytest.raises(TenantClosed, match="reopen"):
        members.add_member(tenant=tenant, user=person, role="viewer", by=operator)
    assert not Membership.objects.exists()


def test_a_member_is_added_once(tenant, join, operator):
    user = join(tenant, "viewer")
    with pytest.raises(AlreadyMember, match="retail-viewer is a member already"):
        members.add_member(tenant=tenant, user=user, role="owner", by=operator)
    assert Membership.objects.get().role == "viewer"


def test_a_change_of_role_is_recorded_with_both(tenant, join, operator):
    join(tenant, "viewer")
    member = Membership.objects.get()
    for _again in range(2):
        members.change_role(member=member, role="developer", by=operator, reason="joined the team")
    event = AuditEvent.objects.get(action="member.change_role")
    assert (event.object_name, event.before, event.after) == (
        "retail-viewer",
        {"role": "viewer"},
        {"role": "developer"},
    )
    assert event.tenant_id == tenant.pk


@pytest.mark.parametrize("change", ["demote", "remove"])
def test_the_last_owner_stays(tenant, join, operator, change):
    join(tenant, "owner")
    member = Membership.objects.get()

    def leave():
        if change == "demote":
            members.change_role(member=member, role="viewer", by=operator)
        else:
            members.remove_member(member=member, by=operator)

    with pytest.raises(LastOwner, match="only owner of retail"):
        leave()
    assert Membership.objects.get().role == "owner"
    join(tenant, "owner", "second")
    leave()
    assert Membership.objects.filter(role="owner").count() == 1
