"""The page of roles is whole and consistent."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcloud_site.tenants.roles import (
    GRANTABLE,
    PLATFORM_ROLES,
    RIGHTS,
    ROLES,
    TENANT_ROLES,
    Auditor,
    PlatformOperator,
)
from kcloud_site.tenants.scopes import Scope

LOOKING = ("view",)


@pytest.mark.parametrize("role", ROLES.values(), ids=str)
def test_a_role_names_only_rights_that_exist(role):
    assert role.permissions <= set(RIGHTS)


def test_every_right_belongs_to_some_role():
    assert set().union(*(role.permissions for role in ROLES.values())) == set(RIGHTS)


def test_each_tenant_role_has_all_rights_of_the_one_before_it():
    for lower, higher in pairwise(TENANT_ROLES):
        assert lower.permissions <= higher.permissions


def test_no_tenant_role_reaches_the_platform_or_decides_on_requests():
    for role in TENANT_ROLES:
        assert not {right for right in role.permissions if right.startswith("platform.")}
        assert "request.decide" not in role.permissions


def test_a_platform_operator_has_every_right_and_an_auditor_only_looks():
    assert PlatformOperator.permissions == set(RIGHTS)
    assert {right.partition(".")[2] for right in Auditor.permissions} == {"view", "create"}
    assert {right for right in Auditor.permissions if right.endswith(".create")} == {"token.create"}


def test_exceptions_carry_only_rights_that_some_member_may_lack():
    for rights in GRANTABLE.values():
        for right in rights:
            assert any(right not in role.permissions for role in TENANT_ROLES)


@given(
    st.sampled_from(sorted(ROLES)),
    st.sampled_from(sorted(RIGHTS)),
    st.none() | st.integers(1, 3),
    st.none() | st.integers(1, 3),
)
def test_a_token_lets_only_what_its_role_has_and_only_inside_its_tenant(role, right, bound, asked):
    lets = Scope("ci", bound, role).lets(right, asked)
    assert lets == (right in ROLES[role].permissions and bound in (None, asked))


def test_platform_roles_are_not_given_in_a_tenant():
    assert not set(TENANT_ROLES) & set(PLATFORM_ROLES)
