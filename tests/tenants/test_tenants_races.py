"""Two owners who leave, or step down, at the same moment: one stays. Real processes on a real database."""

import pytest

from kcloud_site.tenants.errors import LastOwner
from kcloud_site.tenants.models import Membership, User
from kcloud_site.tenants.services import members, tenants
from tests.operations.conftest import postgres_template, real_database, sqlite_template  # noqa: F401
from tests.operations.test_races import all_at_once

ROUNDS = 8


def leave(username):
    member = Membership.objects.get(user__username=username)
    try:
        members.remove_member(member=member, by=None)
    except LastOwner:
        return


def step_down(username):
    member = Membership.objects.get(user__username=username)
    try:
        members.change_role(member=member, role="viewer", by=None)
    except LastOwner:
        return


@pytest.mark.parametrize("ways", [(leave, leave), (leave, step_down), (step_down, step_down)])
def test_of_two_owners_who_go_at_once_one_stays(real_database, ways):  # noqa: F811
    for number in range(ROUNDS):
        tenant = tenants.create_tenant(name=f"t{number}", title="T", by=None)
        names = [f"a{number}", f"b{number}"]
        for name in names:
            members.add_member(tenant=tenant, user=User.objects.create_user(name), role="owner", by=None)
        works = [lambda way=way, name=name: way(name) for way, name in zip(ways, names, strict=True)]
        assert all_at_once(works) == [0, 0]
        assert Membership.objects.filter(tenant=tenant, role="owner").count() == 1
