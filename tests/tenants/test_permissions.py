"""Who may do what: by role, by exception, through a token; outsiders are told nothing."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils import timezone

from kcloud_site.operations.models import Operation
from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import Membership, Tenant
from kcloud_site.tenants.roles import RIGHTS, ROLES, TENANT_ROLES
from kcloud_site.tenants.scopes import Scope
from kcloud_site.tenants.services import members, tenants

pytestmark = pytest.mark.django_db


@pytest.fixture
def operation(tenant):
    """Something that belongs to the tenant."""
    return Operation.objects.create(
        kind="x", subject_type="a", subject_id="1", subject_name="x", tenant=tenant
    )


@pytest.mark.parametrize("role", TENANT_ROLES, ids=lambda role: role.key)
def test_a_member_may_exactly_what_the_role_says(tenant, operation, join, role):
    user = join(tenant, role.key)
    assert {right for right in RIGHTS if permissions.may(user, right, operation)} == role.permissions


@pytest.mark.parametrize("role", TENANT_ROLES, ids=lambda role: role.key)
def test_nobody_has_a_right_in_another_tenant(operation, other_tenant, join, role):
    outsider = join(other_tenant, role.key)
    assert not any(permissions.may(outsider, right, operation) for right in RIGHTS)
    for right in RIGHTS:
        with pytest.raises(Http404):
            permissions.check(outsider, right, operation)


def test_a_member_without_the_right_is_told_who_has_it(tenant, operation, join):
    with pytest.raises(PermissionDenied, match=r"Operator, Owner.*Ask an owner"):
        permissions.check(join(tenant, "viewer"), "operation.control", operation)


def test_what_is_the_platforms_is_not_there_for_members(tenant, join):
    platforms = Operation.objects.create(kind="x", subject_type="a", subject_id="1", subject_name="x")
    with pytest.raises(Http404):
        permissions.check(join(tenant, "owner"), "operation.view", platforms)


def test_operators_and_auditors_reach_every_tenant_by_their_role(operation, operator, auditor):
    for user, key in ((operator, "platform_operator"), (auditor, "auditor")):
        for thing in (operation, None):
            assert {right for right in RIGHTS if permissions.may(user, right, thing)} == ROLES[
                key
            ].permissions


def test_whoever_is_not_active_may_nothing(tenant, operation, join, operator):
    for user in (join(tenant, "owner"), operator):
        user.is_active = False
        assert not any(permissions.may(user, right, operation) for right in RIGHTS)


def test_a_closed_tenant_shuts_its_members_out(tenant, operation, join, operator):
    user = join(tenant, "owner")
    tenants.close_tenant(tenant=tenant, by=operator, reason="merged")
    again = type(user).objects.get(pk=user.pk)
    assert not permissions.may(again, "operation.view", operation)
    assert not permissions.tenants_of(again).exists()
    assert permissions.may(operator, "operation.view", operation)


def test_a_removed_member_is_an_outsider_at_once(tenant, operation, join, operator):
    user = join(tenant, "viewer")
    assert permissions.may(user, "operation.view", operation)
    members.remove_member(member=Membership.objects.get(user=user), by=operator)
    assert not permissions.may(type(user).objects.get(pk=user.pk), "operation.view", operation)


def rows_of(user, right="operation.view"):
    return set(permissions.visible(Operation.objects.all(), user, right))


def test_lists_show_what_may_be_seen_and_nothing_else(
    operation, tenant, other_tenant, join, operator, person
):
    foreign = Operation.objects.create(
        kind="x", subject_type="a", subject_id="2", subject_name="x", tenant=other_tenant
    )
    platforms = Operation.objects.create(kind="x", subject_type="a", subject_id="3", subject_name="x")
    assert rows_of(join(tenant, "viewer")) == {operation}
    assert rows_of(join(other_tenant, "owner")) == {foreign}
    assert rows_of(operator) == {operation, foreign, platforms}
    assert rows_of(person) == set()


@pytest.mark.parametrize("role", TENANT_ROLES, ids=lambda role: role.key)
def test_a_list_and_its_rows_agree(tenant, operation, join, role):
    user = join(tenant, role.key)
    for right in RIGHTS:
        assert (operation in rows_of(user, right)) == permissions.may(user, right, operation)


def test_a_list_costs_at_most_two_questions_more(tenant, join, operation, django_assert_num_queries):
    user = type(join(tenant, "viewer")).objects.get(username="retail-viewer")
    with django_assert_num_queries(3):  # the person's roles, the exceptions, the rows
        rows_of(user)


def test_a_token_narrows_its_person_to_one_tenant_and_role(tenant, other_tenant, operation, operator):
    foreign = Operation.objects.create(
        kind="x", subject_type="a", subject_id="2", subject_name="x", tenant=other_tenant
    )
    operator.scope = Scope("ci", tenant.pk, "viewer")
    assert permissions.may(operator, "operation.view", operation)
    assert not permissions.may(operator, "operation.control", operation)
    assert rows_of(operator) == {operation}
    assert rows_of(operator, "operation.control") == set()
    assert list(permissions.tenants_of(operator)) == [tenant]
    with pytest.raises(Http404):
        permissions.check(operator, "operation.view", foreign)
    assert not permissions.may(operator, "platform.view")


def test_a_token_never_gives_what_its_person_lacks(tenant, operation, join):
    user = join(tenant, "viewer")
    user.scope = Scope("ci", None, "platform_operator")
    assert {right for right in RIGHTS if permissions.may(user, right, operation)} == ROLES[
        "viewer"
    ].permissions


def test_people_see_the_tenants_they_are_in(tenant, other_tenant, join, operator, person):
    assert list(permissions.tenants_of(join(tenant, "viewer"))) == [tenant]
    assert set(permissions.tenants_of(operator)) == {tenant, other_tenant}
    assert not permissions.tenants_of(person).exists()
    assert Tenant.objects.count() == 2


def test_nothing_is_granted_by_a_grant_row_alone(tenant, operation, join):
    """The row tells the story; the right is guardian's, and both must be there."""
    from kcloud_site.tenants.models import Grant

    user = join(tenant, "viewer")
    Grant.objects.create(
        tenant=tenant,
        user=user,
        permission="operation.control",
        object_type="operations.operation",
        object_id=str(operation.pk),
        object_name="x",
        reason="r",
        granted_by="owner",
        expires_at=timezone.now() + timedelta(days=1),
    )
    assert not permissions.may(user, "operation.control", operation)
