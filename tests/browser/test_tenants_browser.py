"""Tenants in a real browser: from an invitation to the tenant, switching, JavaScript off, narrow, dark, Chinese."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from kcloud_site.tenants.models import Invitation, Membership, User
from kcloud_site.tenants.services import grants, invitations, members, tenants
from tests.tenants.conftest import environment_of, letterbox, link_in  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "correct horse battery"


@pytest.fixture
def retail(operator):
    """A tenant with people of each role, an environment, an exception and invitations of every state."""
    tenant = tenants.create_tenant(
        name="retail", title="Retail with a title as long as titles may well be", by=operator
    )
    people = {}
    for role in ("owner", "developer", "viewer"):
        people[role] = User.objects.create_user(f"retail-{role}", f"{role}@example.com", PASSWORD)
        members.add_member(tenant=tenant, user=people[role], role=role, by=operator)
    thing = environment_of(tenant)
    grants.grant_right(
        tenant=tenant,
        user=people["developer"],
        right="environment.freeze",
        thing=thing,
        expires_at=timezone.now() + timedelta(hours=5),
        reason="covers for the operator while she is away",
        by=operator,
    )
    for number in range(3):
        invitations.invite_person(
            tenant=tenant,
            email=f"a-rather-long-address-{number}@department.example.com",
            role="viewer",
            by=operator,
            address=lambda token: f"/invitations/{token}/",
        )
    Invitation.objects.filter(email__contains="-1@").update(expires_at=timezone.now())
    Invitation.objects.filter(email__contains="-2@").update(revoked_at=timezone.now())
    return tenant


PAGES = [
    "/tenants/",
    "/tenants/roles/",
    "/tenants/new/",
    "/tenants/retail/",
    "/tenants/retail/settings/",
    "/tenants/retail/close/",
    "/tenants/retail/members/",
    "/tenants/retail/members/{member}/",
    "/tenants/retail/members/{member}/remove/",
    "/tenants/retail/members/add/",
    "/tenants/retail/invitations/",
    "/tenants/retail/invitations/new/",
    "/tenants/retail/exceptions/",
    "/tenants/retail/exceptions/new/",
]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_page_of_a_tenant_keeps_the_rules(
    signed_in, live_server, retail, check_page, operator, language
):
    User.objects.filter(pk=operator.pk).update(language=language)
    member = Membership.objects.get(role="developer").pk
    for address in PAGES:
        response = signed_in.goto(live_server.url + address.format(member=member))
        assert response.status == 200, address
        signed_in.wait_for_load_state("networkidle")
        check_page(signed_in)


def sign_in(page, live_server, name, password=PASSWORD):
    page.goto(live_server.url + "/sign-in/")
    page.locator("main input[autocomplete~=username]").fill(name)
    page.locator("main input[type=password]").fill(password)
    page.locator("main input[type=password]").press("Enter")
    page.wait_for_url(live_server.url + "/")


def test_from_the_invitation_to_the_tenant(page, live_server, retail, browser, watch, letterbox):  # noqa: F811
    sign_in(page, live_server, "retail-owner")
    page.get_by_role("link", name="Members & quota").click()
    page.get_by_role("link", name="Invite a member").click()
    page.get_by_label("E-mail address").fill("lin@example.com")
    page.get_by_label("Role").select_option("developer")
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.get_by_text("The invitation is on its way to lin@example.com.")).to_be_visible()

    stranger = browser.new_context(viewport={"width": 375, "height": 800}, color_scheme="dark")
    other = watch(stranger.new_page())
    other.goto(link_in(letterbox.mails[0]))
    other.get_by_label("Sign-in name").fill("lin")
    other.get_by_label("Your name").fill("Lin")
    other.get_by_label("Password", exact=True).fill(PASSWORD)
    other.get_by_label("Password once more").fill(PASSWORD)
    other.get_by_role("button", name="Make the account and join").click()
    other.wait_for_url(live_server.url + "/tenants/retail/")
    expect(other.get_by_text("Welcome to Retail")).to_be_visible()
    expect(other.get_by_role("heading", level=1)).to_contain_text("Retail")
    stranger.close()

    page.goto(live_server.url + "/tenants/retail/members/?q=lin")
    expect(page.get_by_role("row").filter(has_text="Lin")).to_contain_text("Developer")


@pytest.mark.parametrize("script", [True, False])
def test_the_switch_leads_from_tenant_to_tenant(open_context, live_server, retail, operator, script):
    tenants.create_tenant(name="logistics", title="Logistics", by=operator)
    page = open_context(java_script_enabled=script)
    page.goto(live_server.url + "/tenants/retail/")
    page.get_by_role("button", name=re.compile("^Tenant: Retail")).click()
    page.get_by_role("link", name=re.compile("^Logistics")).click()
    page.wait_for_url(live_server.url + "/tenants/logistics/")
    page.goto(live_server.url + "/operations/")
    page.get_by_role("button", name=re.compile("^Tenant: Logistics")).click()
    page.get_by_placeholder("Find a tenant").fill("reta")
    page.get_by_placeholder("Find a tenant").press("Enter")
    page.wait_for_url(re.compile(r"/tenants/\?q=reta"))
    expect(page.locator("main").get_by_role("link", name="retail", exact=True)).to_be_visible()


def test_a_member_is_removed_by_typing_the_name(signed_in, live_server, retail):
    page, member = signed_in, Membership.objects.get(role="viewer")
    page.goto(f"{live_server.url}/tenants/retail/members/{member.pk}/")
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_label("Type retail-viewer to confirm").fill("retail-viewer")
    page.get_by_role("button", name="Remove retail-viewer").click()
    expect(page.get_by_text("retail-viewer is no member any more.")).to_be_visible()
    assert not Membership.objects.filter(role="viewer").exists()


def test_an_exception_is_granted_from_the_page_of_a_member(signed_in, live_server, retail):
    page, member = signed_in, Membership.objects.get(role="viewer")
    page.goto(f"{live_server.url}/tenants/retail/members/{member.pk}/")
    page.get_by_role("link", name="Grant an exception").click()
    page.get_by_label("Right").select_option("environment.resize")
    page.get_by_label("Until").fill("2099-12-31T12:00")
    page.get_by_label("Why").fill("covers")
    page.get_by_role("button", name="Grant", exact=True).click()
    expect(page.get_by_text("retail-viewer has the exception now.")).to_be_visible()
