"""Signing in with the company account: the whole code flow with PKCE against a real certified provider."""

from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache

from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants.models import User
from tests.sign_in import openid_provider
from tests.sign_in.openid_provider import OpenIdProvider

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(bool(openid_provider.missing()), reason=openid_provider.missing()),
]

BACK = "http://testserver/sign-in/company/back/"
LI = {"email": "li.wei@example.com", "email_verified": True, "name": "Li Wei", "preferred_username": "li.wei"}


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    provider = OpenIdProvider(tmp_path_factory.mktemp("openid"), BACK)
    yield provider
    provider.stop()


def company(issuer, provider_id="company"):
    app = {
        "provider_id": provider_id,
        "name": "Example Ltd",
        "client_id": openid_provider.CLIENT,
        "secret": openid_provider.SECRET,
        "settings": {"server_url": issuer},
    }
    return {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}


@pytest.fixture(autouse=True)
def configured(provider, settings):
    cache.clear()
    provider.know({"1": LI})
    settings.OIDC_ISSUER = provider.issuer
    settings.OIDC_NAME = "Example Ltd"
    settings.SOCIALACCOUNT_PROVIDERS = company(provider.issuer)


def sign_in(client, provider, sub="1", query=""):
    """Go to the provider, sign in there, and come back."""
    start = client.get(f"/sign-in/company/{query}")
    assert start.status_code == 302
    back = provider.pass_through(start["Location"], sub, until=BACK)
    return client.get(back.removeprefix("http://testserver"))


def events(action):
    return list(AuditEvent.objects.filter(action=action).values_list("actor", "object_name", "after"))


def test_the_sign_in_page_offers_the_company_account_by_its_name(client):
    page = client.get("/sign-in/?next=/operations/").content.decode()
    assert "Sign in with Example Ltd" in page
    assert 'href="/sign-in/company/?next=%2Foperations%2F"' in page


def test_without_a_provider_nothing_is_offered(client, settings):
    settings.OIDC_ISSUER = ""
    assert "/sign-in/company/" not in client.get("/sign-in/").content.decode()
    assert client.get("/sign-in/company/")["Location"] == "/sign-in/"


def test_the_flow_carries_a_state_and_a_pkce_challenge(client, provider):
    query = parse_qs(urlsplit(client.get("/sign-in/company/")["Location"]).query)
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43
    assert len(query["state"][0]) >= 16
    assert query["response_type"] == ["code"]


def test_somebody_new_gets_an_account_that_may_see_nothing(client, provider, django_user_model):
    django_user_model.objects.create_user("root", "root@example.com", is_staff=True)
    response = sign_in(client, provider)
    assert (response.status_code, response["Location"]) == (302, "/")
    user = User.objects.get(is_staff=False)
    assert (user.username, user.email, user.display_name) == ("li.wei", "li.wei@example.com", "Li Wei")
    assert not user.is_staff
    assert not user.has_usable_password()
    assert not user.memberships.exists()
    page = client.get("/").content.decode()
    assert "You are in no tenant yet" in page
    assert '<a href="mailto:root@example.com">root</a>' in page
    assert events("person.create") == [("system", "li.wei", {"username": "li.wei", "identity": "company"})]
    assert [event[2]["by_means_of"] for event in events("user.sign_in")] == ["socialaccount"]


def test_the_same_person_comes_back_to_the_same_account(client, provider):
    sign_in(client, provider)
    client.post("/sign-out/")
    sign_in(client, provider)
    assert User.objects.count() == 1
    assert client.get("/preferences/").status_code == 200


def test_the_person_goes_on_where_they_wanted_to(client, provider):
    assert sign_in(client, provider, query="?next=/preferences/")["Location"] == "/preferences/"


def test_the_way_back_never_leads_to_another_site(client, provider):
    assert sign_in(client, provider, query="?next=https://evil.example/")["Location"] == "/"


def test_a_name_that_is_taken_gets_another_one(client, provider, django_user_model):
    django_user_model.objects.create_user("li.wei")
    sign_in(client, provider)
    assert User.objects.count() == 2
    assert SocialAccount.objects.get().user.username != "li.wei"


def test_hostile_names_of_the_provider_break_nothing(client, provider):
    hostile = "\x00<script>\u202e{{ 7 }}" + "x" * 10_000
    provider.know({"1": {**LI, "name": hostile, "preferred_username": hostile}})
    assert sign_in(client, provider).status_code == 302
    page = client.get("/preferences/").content.decode()
    assert "<script>\u202e" not in page
    assert "\x00" not in page


def test_an_address_with_an_account_does_not_open_it(client, provider, person):
    User.objects.filter(pk=person.pk).update(email="li.wei@example.com")
    response = sign_in(client, provider)
    assert response.status_code == 403
    assert "has an account already" in response.content.decode()
    assert client.get("/preferences/").status_code == 302
    assert User.objects.count() == 1
    assert events("user.sign_in_refused")


def test_a_verified_address_opens_its_account_where_that_is_allowed(client, provider, person, settings):
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    User.objects.filter(pk=person.pk).update(email="li.wei@example.com")
    EmailAddress.objects.create(user=person, email="li.wei@example.com", verified=True, primary=True)
    assert sign_in(client, provider).status_code == 302
    assert SocialAccount.objects.get().user == person
    person.refresh_from_db()
    assert person.check_password("a-long-password")
    assert [event[0] for event in events("user.identity_link")] == ["person"]


def test_linking_ends_the_password_of_an_address_nobody_proved(client, provider, person, settings):
    # Somebody may have waited with this address and a password of theirs for its owner to come.
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    User.objects.filter(pk=person.pk).update(email="li.wei@example.com")
    sign_in(client, provider)
    person.refresh_from_db()
    assert not person.has_usable_password()


def test_an_address_the_provider_has_not_verified_is_not_believed(client, provider, person, settings):
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    provider.know({"1": {**LI, "email_verified": False}})
    User.objects.filter(pk=person.pk).update(email="li.wei@example.com")
    sign_in(client, provider)
    made = SocialAccount.objects.get().user
    assert made != person
    assert made.email == ""
    assert not EmailAddress.objects.filter(user=made).exists()


def test_an_address_of_two_accounts_opens_neither(client, provider, person, operator, settings):
    settings.SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
    User.objects.update(email="li.wei@example.com")
    assert sign_in(client, provider).status_code == 403
    assert not SocialAccount.objects.exists()


def test_somebody_switched_off_stays_out(client, provider):
    sign_in(client, provider)
    client.post("/sign-out/")
    User.objects.update(is_active=False)
    assert sign_in(client, provider)["Location"] == "/sign-in/off/"
    assert client.get("/preferences/").status_code == 302


def test_the_same_subject_of_another_provider_is_somebody_else(client, provider, settings, tmp_path):
    sign_in(client, provider)
    client.post("/sign-out/")
    other = OpenIdProvider(tmp_path, BACK)
    try:
        other.know({"1": {"name": "Mallory", "preferred_username": "mallory"}})
        settings.OIDC_ISSUER = other.issuer
        settings.SOCIALACCOUNT_PROVIDERS = company(other.issuer)
        sign_in(client, other)
    finally:
        other.stop()
    assert {account.user.username for account in SocialAccount.objects.all()} == {"li.wei", "mallory"}


def test_who_cancels_at_the_provider_is_told_what_to_do(client, provider):
    start = client.get("/sign-in/company/")["Location"]
    response = client.get(provider.refuse(start, until=BACK).removeprefix("http://testserver"))
    assert response.status_code == 401
    assert "did not sign you in" in response.content.decode()
    assert client.get("/preferences/").status_code == 302


def test_an_answer_to_nobodys_question_is_refused(client, provider, django_user_model):
    start = client.get("/sign-in/company/")["Location"]
    back = provider.pass_through(start, "1", until=BACK)
    stranger = type(client)()
    assert stranger.get(back.removeprefix("http://testserver")).status_code == 401
    assert not User.objects.exists()


def test_a_code_is_good_once(client, provider):
    start = client.get("/sign-in/company/")["Location"]
    back = provider.pass_through(start, "1", until=BACK).removeprefix("http://testserver")
    assert client.get(back).status_code == 302
    client.post("/sign-out/")
    assert client.get(back).status_code == 401


def test_a_provider_that_is_away_is_no_server_error(client, settings):
    settings.SOCIALACCOUNT_PROVIDERS = company("http://127.0.0.1:1")
    response = client.get("/sign-in/company/")
    assert response.status_code == 502
    assert "Try again" in response.content.decode()
    assert events("user.sign_in_refused")


def test_a_link_cannot_start_linking_an_identity_to_whoever_is_signed_in(client, person):
    client.force_login(person)
    assert client.get("/sign-in/company/?process=connect").status_code == 404


def test_without_a_password_here_there_is_none_to_change(client, provider):
    sign_in(client, provider)
    page = client.get("/preferences/password/").content.decode()
    assert "You have no password here" in page


def test_somebody_of_the_company_can_add_a_second_factor(client, provider):
    sign_in(client, provider)
    assert client.get("/preferences/security/app/").status_code == 200
