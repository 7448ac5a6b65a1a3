"""Pages of members, invitations and exceptions, and the page an invitation leads to."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from kcloud_site.tenants.models import Grant, Invitation, Membership, User
from kcloud_site.tenants.services import grants, invitations, members
from tests.tenants.conftest import link_in

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


@pytest.fixture
def owner(tenant, join):
    return join(tenant, "owner")


@pytest.fixture
def as_owner(client, owner):
    client.force_login(owner)
    return client


def html_of(response, status=200):
    assert response.status_code == status
    return response.content.decode()


# ---- members -----------------------------------------------------------------------------------------------


def test_members_are_listed_and_filtered_by_the_address(as_owner, tenant, join):
    join(tenant, "viewer")
    everybody = html_of(as_owner.get("/tenants/retail/members/"))
    assert "retail-owner" in everybody
    assert "retail-viewer@example.com" in everybody
    some = html_of(as_owner.get("/tenants/retail/members/?role=viewer&q=retail-v"))
    assert "retail-viewer@example.com" in some
    assert "retail-owner@example.com" not in some
    assert "No member matches" in html_of(as_owner.get("/tenants/retail/members/?q=zzz"))


def add_many(tenant, number):
    start = User.objects.count()
    people = User.objects.bulk_create([User(username=f"p{start + one}") for one in range(number)])
    Membership.objects.bulk_create(Membership(tenant=tenant, user=one, role="viewer") for one in people)
    week = timezone.now() + timedelta(days=7)
    Invitation.objects.bulk_create(
        Invitation(
            tenant=tenant,
            email=f"{one.username}@example.com",
            role="viewer",
            token_hash=f"{one.username:0>64}",
            expires_at=week,
        )
        for one in people
    )
    Grant.objects.bulk_create(
        Grant(
            tenant=tenant,
            user=one,
            permission="environment.freeze",
            object_type="clusters.environment",
            object_id="1",
            object_name="dev",
            expires_at=week,
        )
        for one in people
    )


@pytest.mark.parametrize("place", ["members", "invitations", "exceptions"])
def test_a_list_costs_the_same_however_long_it_is(as_owner, tenant, place):
    as_owner.get("/tenants/retail/")  # from now on this tenant is remembered
    counts = []
    for number in (2, 20):
        add_many(tenant, number)
        with CaptureQueriesContext(connection) as asked:
            html_of(as_owner.get(f"/tenants/retail/{place}/"))
        counts.append(len(asked))
    assert counts[0] == counts[1], counts


def test_an_owner_changes_a_role(as_owner, tenant, join):
    join(tenant, "viewer")
    member = Membership.objects.get(role="viewer")
    page = f"/tenants/retail/members/{member.pk}/"
    assert "retail-viewer" in html_of(as_owner.get(page))
    assert as_owner.post(page, {"role": "operator", "reason": "new duty"}).status_code == 303
    member.refresh_from_db()
    assert member.role == "operator"


def test_the_last_owner_is_told_at_the_field(as_owner):
    member = Membership.objects.get()
    page = f"/tenants/retail/members/{member.pk}/"
    html = html_of(as_owner.post(page, {"role": "viewer"}), 422)
    assert "the only owner of retail" in html
    assert 'href="#id_role"' in html
    removal = html_of(as_owner.post(f"{page}remove/", {"name": "retail-owner"}), 422)
    assert "the only owner of retail" in removal
    assert Membership.objects.get().role == "owner"


def test_removing_needs_the_name(as_owner, tenant, join):
    join(tenant, "viewer")
    member = Membership.objects.get(role="viewer")
    page = f"/tenants/retail/members/{member.pk}/remove/"
    assert "This is not the name" in html_of(as_owner.post(page, {"name": "somebody"}), 422)
    assert as_owner.post(page, {"name": "retail-viewer"}).status_code == 303
    assert not Membership.objects.filter(role="viewer").exists()


def test_an_owner_who_leaves_is_led_to_the_first_page(as_owner, tenant, join):
    join(tenant, "owner", "second")
    member = Membership.objects.get(user__username="retail-owner")
    response = as_owner.post(f"/tenants/retail/members/{member.pk}/remove/", {"name": "retail-owner"})
    assert (response.status_code, response["Location"]) == (303, "/")


def test_a_member_of_another_tenant_is_not_reached_through_ones_own(as_owner, other_tenant, join):
    join(other_tenant, "owner")
    foreign = Membership.objects.get(tenant=other_tenant)
    for place in ("", "remove/"):
        assert as_owner.get(f"/tenants/retail/members/{foreign.pk}/{place}").status_code == 404


def test_an_operator_adds_somebody_by_name(client, operator, tenant, person):
    client.force_login(operator)
    page = "/tenants/retail/members/add/"
    refused = html_of(client.post(page, {"user": "nobody", "role": "owner"}), 422)
    assert "Nobody signs in with this name" in refused
    assert client.post(page, {"user": "person", "role": "owner"}).status_code == 303
    again = html_of(client.post(page, {"user": "person", "role": "viewer"}), 422)
    assert "is a member already" in again
    assert 'href="#id_user"' in again


# ---- invitations -------------------------------------------------------------------------------------------


def test_an_invitation_goes_by_mail_and_leads_to_its_page(as_owner, letterbox):
    data = {"email": "lin@example.com", "role": "developer"}
    response = as_owner.post("/tenants/retail/invitations/new/", data)
    assert (response.status_code, response["Location"]) == (303, "/tenants/retail/invitations/")
    link = link_in(letterbox.mails[0])
    listed = html_of(as_owner.get("/tenants/retail/invitations/"))
    assert "lin@example.com" in listed
    assert link.rpartition("/invitations/")[2] not in listed
    assert "invited lin@example.com as Developer" in html_of(as_owner.get(link))


def test_what_cannot_be_mailed_is_shown_once_as_a_link(as_owner, letterbox, client):
    letterbox.refuses = "550 No such person here"
    data = {"email": "lin@example.com", "role": "developer"}
    html = html_of(as_owner.post("/tenants/retail/invitations/new/", data))
    assert "No such person here" in html
    link = html.split('readonly value="')[1].split('"')[0]
    assert "invited lin@example.com" in html_of(as_owner.get(link))
    listed = html_of(as_owner.get("/tenants/retail/invitations/"))
    assert "not mailed" in listed
    assert link not in listed
    token = link.rstrip("/").rpartition("/")[2]
    assert not any(token in str(value) for value in as_owner.session.values())


@pytest.mark.parametrize(
    ("email", "said"),
    [
        ("no address", "valid email"),
        ("lin@example.com", "is invited already"),
        ("retail-owner@example.com", "has this"),
    ],
)
def test_an_address_that_cannot_be_invited_is_refused_at_its_field(as_owner, email, said):
    data = {"email": "lin@example.com", "role": "viewer"}
    as_owner.post("/tenants/retail/invitations/new/", data)
    html = html_of(as_owner.post("/tenants/retail/invitations/new/", {**data, "email": email}), 422)
    assert said in html
    assert 'href="#id_email"' in html
    assert Invitation.objects.count() == 1


def test_an_invitation_is_sent_again_and_revoked(as_owner, letterbox):
    as_owner.post("/tenants/retail/invitations/new/", {"email": "lin@example.com", "role": "viewer"})
    invitation = Invitation.objects.get()
    page = f"/tenants/retail/invitations/{invitation.pk}/"
    assert as_owner.post(f"{page}resend/").status_code == 303
    old, new = (link_in(mail) for mail in letterbox.mails)
    assert as_owner.get(old).status_code == 404
    assert as_owner.get(new).status_code == 200
    assert as_owner.post(f"{page}revoke/").status_code == 303
    assert as_owner.get(new).status_code == 404
    assert "not open any more" in html_of(as_owner.post(f"{page}revoke/", follow=True))
    assert "not open any more" in html_of(as_owner.post(f"{page}resend/", follow=True))


# ---- accepting ---------------------------------------------------------------------------------------------


@pytest.fixture
def link(tenant, owner):
    sent = invitations.invite_person(
        tenant=tenant,
        email="lin@example.com",
        role="developer",
        by=owner,
        address=lambda token: f"/invitations/{token}/",
    )
    return sent.link


def account(**other):
    return {"username": "lin", "full_name": "Lin", "password": PASSWORD, "again": PASSWORD, **other}


def test_somebody_new_makes_an_account_and_is_in_the_tenant(client, link):
    assert "Make an account" in html_of(client.get(link))
    response = client.post(link, account())
    assert (response.status_code, response["Location"]) == (303, "/tenants/retail/")
    assert "Welcome to Retail." in html_of(client.get("/tenants/retail/"))
    user = User.objects.get(username="lin")
    assert (user.display_name, user.email) == ("Lin", "lin@example.com")
    assert Membership.objects.get(user=user).role == "developer"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "retail-owner"}, "username"),
        ({"username": "a b"}, "username"),
        ({"password": "short", "again": "short"}, "password"),
        ({"password": "lin@lin@lin", "username": "lin@lin@lin", "again": "lin@lin@lin"}, "password"),
        ({"again": "something else"}, "again"),
    ],
)
def test_an_account_that_cannot_be_is_refused_at_its_field(client, link, change, field):
    html = html_of(client.post(link, account(**change)), 422)
    assert f'href="#id_{field}"' in html
    assert PASSWORD not in html
    assert User.objects.count() == 1
    assert client.get(link).status_code == 200


def test_a_person_with_an_account_joins_with_it(client, link, person):
    assert "/sign-in/?next=/invitations/" in html_of(client.get(link))
    client.force_login(person)
    assert "You are signed in as <b>person</b>" in html_of(client.get(link))
    assert client.post(link).status_code == 303
    assert Membership.objects.get(user=person).role == "developer"


def test_looking_at_a_link_does_not_use_it_up(client, link):
    for _again in range(3):
        html_of(client.get(link))
        client.head(link)
    assert client.post(link, account()).status_code == 303


def test_a_member_is_told_so_and_the_link_stays_open(as_owner, link):
    assert "You are a member of Retail already." in html_of(as_owner.post(link), 422)
    assert Invitation.objects.get().accepted_at is None


def test_unknown_expired_and_used_links_are_answered_alike(client, link, person, tenant, owner):
    client.get(link)  # the language cookie and such are there for all three
    pages = [client.get("/invitations/unknown/")]
    Invitation.objects.update(expires_at=timezone.now())
    pages.append(client.get(link))
    pages.append(client.post(link, account()))
    Invitation.objects.update(expires_at=timezone.now() + timedelta(days=1))
    invitations.accept_invitation(token=link.split("/")[2], user=person)
    pages.append(client.get(link))
    assert {page.status_code for page in pages} == {404}
    assert len({strip_tokens(page.content.decode(), link) for page in pages}) == 1
    assert not User.objects.filter(username="lin").exists()


def strip_tokens(html, link):
    """Without what differs from request to request: the form's token and the page's own address."""
    html = html.replace(link, "LINK").replace("/invitations/unknown/", "LINK")
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", html)


# ---- exceptions --------------------------------------------------------------------------------------------


@pytest.fixture
def developer(tenant, join):
    return join(tenant, "developer")


def wanted(developer, environment, **other):
    until = timezone.localtime() + timedelta(days=3)
    return {
        "user": developer.pk,
        "thing": f"clusters.environment:{environment.pk}",
        "right": "environment.freeze",
        "expires_at": until.strftime("%Y-%m-%dT%H:%M"),
        "reason": "covers for the operator",
        **other,
    }


def test_an_owner_grants_an_exception_and_takes_it_back(as_owner, developer, environment):
    page = "/tenants/retail/exceptions/"
    assert as_owner.post(f"{page}new/", wanted(developer, environment)).status_code == 303
    listed = html_of(as_owner.get(page))
    assert "covers for the operator" in listed
    assert "In force" in listed
    grant = Grant.objects.get()
    assert developer.has_perm("clusters.freeze_environment", environment)
    assert as_owner.post(f"{page}{grant.pk}/end/").status_code == 303
    assert "Taken back" in html_of(as_owner.get(page))
    again = User.objects.get(pk=developer.pk)
    assert not again.has_perm("clusters.freeze_environment", environment)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"expires_at": ""}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00"}, "expires_at"),
        ({"right": "tenant.edit"}, "right"),
        ({"thing": "clusters.environment:999"}, "thing"),
        ({"user": 999_999}, "user"),
        ({"reason": ""}, "reason"),
    ],
)
def test_an_exception_that_cannot_be_is_refused_at_its_field(as_owner, developer, environment, change, field):
    html = html_of(
        as_owner.post("/tenants/retail/exceptions/new/", wanted(developer, environment, **change)), 422
    )
    assert f'href="#id_{field}"' in html
    assert not Grant.objects.exists()


def test_every_member_sees_the_exceptions_and_only_owners_the_buttons(
    client, as_owner, developer, environment
):
    as_owner.post("/tenants/retail/exceptions/new/", wanted(developer, environment))
    client.force_login(developer)
    html = html_of(client.get("/tenants/retail/exceptions/"))
    assert "covers for the operator" in html
    assert "Take back" not in html


def test_without_an_environment_the_page_says_what_is_missing(as_owner):
    assert "this tenant has none yet" in html_of(as_owner.get("/tenants/retail/exceptions/new/"))


def test_a_member_reads_of_the_own_exception_that_ends_soon(client, tenant, developer, environment, owner):
    grants.grant_right(
        tenant=tenant,
        user=developer,
        right="environment.freeze",
        thing=environment,
        expires_at=timezone.now() + timedelta(hours=5),
        reason="r",
        by=owner,
    )
    client.force_login(developer)
    assert "Your exception ends soon" in html_of(client.get("/"))
    members.remove_member(member=Membership.objects.get(user=developer), by=owner)
    assert "Your exception ends soon" not in html_of(client.get("/"))
