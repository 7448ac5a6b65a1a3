"""What two do at the same moment: of two owners who go one stays, one link lets one person in.

Real processes on a real database.
"""

import pytest

from kcloud_site.tenants.errors import InvitationGone, LastOwner
from kcloud_site.tenants.models import Membership, User
from kcloud_site.tenants.services import invitations, members, tenants
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
def test_of_two_owners_who_go_at_once_one_stays(real_database, ways):
    for number in range(ROUNDS):
        tenant = tenants.create_tenant(name=f"t{number}", title="T", by=None)
        names = [f"a{number}", f"b{number}"]
        for name in names:
            members.add_member(tenant=tenant, user=User.objects.create_user(name), role="owner", by=None)
        works = [lambda way=way, name=name: way(name) for way, name in zip(ways, names, strict=True)]
        assert all_at_once(works) == [0, 0]
        assert Membership.objects.filter(tenant=tenant, role="owner").count() == 1


def accept(token, user):
    try:
        invitations.accept_invitation(token=token, user=user)
    except InvitationGone:
        return


def test_of_those_who_use_one_link_at_once_one_joins(real_database):
    for number in range(ROUNDS):
        tenant = tenants.create_tenant(name=f"t{number}", title="T", by=None)
        sent = invitations.invite_person(
            tenant=tenant, email="n@example.com", role="owner", by=None, address=lambda token: token
        )
        people = [User.objects.create_user(f"racer{number}-{one}") for one in range(3)]
        works = [lambda token=sent.link, user=user: accept(token, user) for user in people]
        assert all_at_once(works) == [0, 0, 0]
        assert Membership.objects.filter(tenant=tenant).count() == 1
