"""The door in Chromium under the real policy: passkeys by a virtual authenticator, codes, the company account."""

import re
import time

import pytest
from allauth.mfa.models import Authenticator

from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants.models import User
from tests.sign_in import openid_provider
from tests.sign_in.codes import code
from tests.sign_in.openid_provider import OpenIdProvider
from tests.sign_in.test_company_account import LI, company

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SECURITY = "/preferences/security/"


class Key:
    """What a laptop's own passkey store is to the browser. `verified`: the finger is the right one."""

    def __init__(self, page, *, verified=True):
        self._session = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": verified,
            "automaticPresenceSimulation": True,
        }
        made = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._id = {"authenticatorId": made["authenticatorId"]}

    def credentials(self):
        return self._session.send("WebAuthn.getCredentials", self._id)["credentials"]

    def lose_all(self):
        self._session.send("WebAuthn.clearCredentials", self._id)


@pytest.fixture
def at(page, live_server):
    """Go to a page: at("/sign-in/")."""
    return lambda path: page.goto(live_server.url + path)


@pytest.fixture
def enter(page, at):
    def entering(password="a-long-password"):
        at("/sign-in/")
        page.get_by_label("Name or e-mail").fill("operator")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in", exact=True).click()

    return entering


@pytest.fixture
def leave(page, live_server):
    def leaving():
        page.locator("button[popovertarget=me]").click()
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{live_server.url}/sign-in/")

    return leaving


def prove(page):
    page.get_by_label("Password").fill("a-long-password")
    page.get_by_role("button", name="Go on").click()


def add_passkey(page, at, *, alone=True, name="Laptop"):
    at(SECURITY)
    page.get_by_role("link", name="Add a passkey").click()
    if page.get_by_role("button", name="Go on").count():
        prove(page)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Sign in with it alone").set_checked(alone)
    page.get_by_role("button", name="Add the passkey").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()


def test_a_passkey_is_added_and_signs_in_alone(page, operator, at, enter, leave, live_server, check_page):
    key = Key(page)
    enter()
    add_passkey(page, at)
    check_page(page)
    at(SECURITY)
    check_page(page)
    assert page.get_by_role("row", name="Laptop").count() == 1
    assert [credential["isResidentCredential"] for credential in key.credentials()] == [True]
    leave()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{live_server.url}/")
    assert page.get_by_role("heading", name="Overview").count() == 1
    means = AuditEvent.objects.filter(action="user.sign_in").latest("id").after["by_means_of"]
    assert means == "webauthn"


def test_a_passkey_leads_back_to_the_page_that_was_wanted(page, operator, at, enter, leave, live_server):
    Key(page)
    enter()
    add_passkey(page, at)
    at("/")
    leave()
    at("/operations/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{live_server.url}/operations/")


def test_a_passkey_as_second_factor_comes_after_the_password(
    page, operator, at, enter, leave, live_server, check_page
):
    Key(page)
    enter()
    add_passkey(page, at, alone=False)
    at("/")
    leave()
    enter()
    page.wait_for_url(f"{live_server.url}/sign-in/code/")
    check_page(page)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{live_server.url}/")


def test_a_passkey_proves_again_who_it_is(page, operator, at, enter, leave, live_server, check_page):
    Key(page)
    enter()
    add_passkey(page, at)
    at("/")
    leave()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{live_server.url}/")
    at(f"{SECURITY}codes/")
    page.get_by_role("link", name="Use a passkey").click()
    page.wait_for_url(re.compile("/sign-in/again/passkey/"))
    check_page(page)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{live_server.url}{SECURITY}codes/")


def test_a_passkey_is_renamed_and_removed(page, operator, at, enter, live_server, check_page):
    Key(page)
    enter()
    add_passkey(page, at)
    at(SECURITY)
    page.get_by_role("link", name=re.compile("Rename.*Laptop")).click()
    check_page(page)
    page.get_by_label("Name").fill("Work laptop")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name=re.compile("Remove.*Work laptop")).click()
    check_page(page)
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("The passkey is removed.").wait_for()
    assert not Authenticator.objects.exists()


def test_a_passkey_that_was_removed_here_no_longer_opens(page, operator, at, enter, leave, live_server):
    Key(page)
    enter()
    add_passkey(page, at)
    Authenticator.objects.all().delete()
    at("/")
    leave()
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("alert").filter(has_text="not right").wait_for()
    at("/operations/")
    assert "/sign-in/" in page.url


def test_without_a_finger_the_passkey_does_not_open(page, operator, at, enter, leave, problems):
    Key(page, verified=False)
    enter()
    at(SECURITY)
    page.get_by_role("link", name="Add a passkey").click()
    prove(page)
    with page.expect_console_message(lambda line: line.type == "error"):
        page.get_by_role("button", name="Add the passkey").click()
    assert not Authenticator.objects.exists()
    problems.clear()  # the library tells the console why the browser refused


def test_without_javascript_nothing_offers_what_cannot_work(open_context, live_server, operator):
    page = open_context(java_script_enabled=False)
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/sign-in/")
    assert not page.get_by_role("button", name="Use a passkey").is_visible()
    page.get_by_label("Name or e-mail").fill("operator")
    page.get_by_label("Password").fill("a-long-password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{live_server.url}/")


def test_an_authenticator_app_is_set_up_and_asked_for(
    page, operator, at, enter, leave, live_server, check_page
):
    enter()
    at(f"{SECURITY}app/")
    check_page(page)
    prove(page)
    check_page(page)
    secret = page.locator("#totp_secret").inner_text()
    # The picture is there, and the policy lets it be seen.
    assert page.locator(".kc-qr").evaluate("image => image.complete && image.naturalWidth > 50")
    page.get_by_label("The code the app shows now").fill(code(secret, time.time()))
    page.get_by_role("button", name="Set up").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    spare = page.locator("#codes code").first.inner_text()
    at("/")
    leave()
    enter()
    page.wait_for_url(f"{live_server.url}/sign-in/code/")
    check_page(page)
    page.get_by_label("Code").fill("000")
    page.get_by_role("button", name="Sign in").click()
    check_page(page)
    page.get_by_label("Code").fill(spare)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{live_server.url}/")


def test_sessions_are_listed_and_ended(page, operator, at, enter, live_server, check_page, browser):
    other = browser.new_page()
    other.goto(f"{live_server.url}/sign-in/")
    other.get_by_label("Name or e-mail").fill("operator")
    other.get_by_label("Password").fill("a-long-password")
    other.get_by_role("button", name="Sign in", exact=True).click()
    other.wait_for_url(f"{live_server.url}/")
    enter()
    at("/preferences/sessions/")
    check_page(page)
    assert page.get_by_role("row").count() == 3
    page.get_by_role("button", name="Sign out all others").click()
    page.get_by_text("1 session is signed out.").wait_for()
    other.goto(f"{live_server.url}/operations/")
    assert "/sign-in/" in other.url
    other.close()


@pytest.mark.skipif(bool(openid_provider.missing()), reason=openid_provider.missing())
def test_the_company_account_signs_in(page, at, live_server, settings, tmp_path, check_page):
    provider = OpenIdProvider(tmp_path, f"{live_server.url}/sign-in/company/back/")
    try:
        provider.know({"li": LI})
        settings.OIDC_ISSUER = provider.issuer
        settings.SOCIALACCOUNT_PROVIDERS = company(provider.issuer)
        at("/sign-in/")
        check_page(page)
        page.get_by_role("link", name="Sign in with the company account").click()
        page.locator("input[name=login]").fill("li")
        page.locator("input[name=password]").fill("any")
        page.get_by_role("button", name="Sign-in").click()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(f"{live_server.url}/")
    finally:
        provider.stop()
    assert page.get_by_text("You are in no tenant yet").count() == 1
    assert User.objects.get().username == "li.wei"
