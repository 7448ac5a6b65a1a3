"""Authenticator apps, recovery codes, proving again who one is: through Django's client, codes computed here."""

import re

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from tests.sign_in.codes import code

pytestmark = pytest.mark.django_db

SECURITY = "/preferences/security/"


def signed_in(client):
    return client.get("/preferences/").status_code == 200


def leave(client):
    client.post("/sign-out/")


def give(client, digits):
    return client.post("/sign-in/code/", {"code": digits})


def codes_of(client, prove):
    prove(f"{SECURITY}codes/")
    return re.findall(r"<code>(\d{8})</code>", client.get(f"{SECURITY}codes/").content.decode())


def test_the_code_of_rfc_6238_is_what_our_app_shows():
    # Appendix B of the RFC, cut to six digits.
    assert code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 59) == "287082"


def test_setting_up_an_app_asks_first_who_it_is(client, operator, enter):
    enter()
    response = client.get(f"{SECURITY}app/")
    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/again/")


def test_a_wrong_password_does_not_prove_who_it_is(client, operator, enter, prove):
    enter()
    response = prove(f"{SECURITY}app/", password="wrong")
    assert response.status_code == 422
    assert "This is not your password." in response.content.decode()
    assert client.get(f"{SECURITY}app/").status_code == 302


def test_a_wrong_first_code_sets_nothing_up(client, operator, enter, prove, clock):
    enter()
    prove(f"{SECURITY}app/")
    client.get(f"{SECURITY}app/")
    response = client.post(f"{SECURITY}app/", {"code": "000000"})
    assert response.status_code == 422
    assert "This code is not right." in response.content.decode()
    assert not Authenticator.objects.exists()


def test_an_app_that_is_set_up_comes_with_recovery_codes(client, with_app, prove, events):
    assert set(Authenticator.objects.values_list("type", flat=True)) == {"totp", "recovery_codes"}
    assert len(set(codes_of(client, prove))) == 10
    assert events("user.factor_add") == [("operator", "operator", {"kind": "app"})]


def test_secrets_are_not_readable_in_the_database(with_app):
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert with_app not in stored
    seeds = [row.data["seed"] for row in Authenticator.objects.filter(type="recovery_codes")]
    assert not re.fullmatch(r"[0-9a-f]{80}", seeds[0])


def test_the_password_alone_no_longer_signs_in(client, with_app, enter, events):
    leave(client)
    before = len(events("user.sign_in"))
    assert enter()["Location"] == "/sign-in/code/"
    assert not signed_in(client)
    assert len(events("user.sign_in")) == before


def test_password_and_code_sign_in(client, with_app, enter, now, events):
    leave(client)
    enter(next="/operations/")
    response = give(client, code(with_app, now()))
    assert (response.status_code, response["Location"]) == (303, "/operations/")
    assert signed_in(client)
    assert events("user.sign_in")[-1][2]["by_means_of"] == "password, totp"


def test_a_wish_to_stay_signed_in_survives_the_code(client, with_app, enter, now):
    leave(client)
    enter(remember="on")
    give(client, code(with_app, now()))
    assert client.session.get_expiry_age() == 8 * 3600


def test_a_code_is_good_once_on_every_machine(client, with_app, enter, now, settings):
    leave(client)
    enter()
    digits = code(with_app, now())
    give(client, digits)
    # Another process has a cache of its own: only the database knows.
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    other = Client()
    enter(to=other)
    response = give(other, digits)
    assert response.status_code == 422
    assert not signed_in(other)


def test_an_old_code_is_refused(client, with_app, enter, now, clock):
    digits = code(with_app, now())
    clock.shift(31)
    leave(client)
    enter()
    assert give(client, digits).status_code == 422


def test_after_five_wrong_codes_even_the_right_one_waits(client, with_app, enter, now, clock, events):
    leave(client)
    enter()
    for _ in range(5):
        assert give(client, "123").status_code == 422
    response = give(client, code(with_app, now()))
    assert "Wait 5 minutes" in response.content.decode()
    # From elsewhere too: whoever guesses codes knows the password, and may have many addresses.
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    enter(to=elsewhere)
    assert give(elsewhere, code(with_app, now())).status_code == 422
    assert [what["wrong"] for _, _, what in events("user.sign_in_refused")] == ["code"] * 5
    assert len(events("user.sign_in_paused")) == 1
    clock.shift(301)
    assert give(client, code(with_app, now())).status_code == 303


def test_a_recovery_code_signs_in_once(client, with_app, enter, prove):
    spare = codes_of(client, prove)[0]
    leave(client)
    enter()
    assert give(client, spare).status_code == 303
    leave(client)
    enter()
    assert give(client, spare).status_code == 422


def test_new_recovery_codes_make_the_old_ones_void(client, with_app, enter, prove, events):
    old = codes_of(client, prove)[0]
    assert client.post(f"{SECURITY}codes/new/").status_code == 303
    assert events("user.recovery_codes_renew")
    leave(client)
    enter()
    assert give(client, old).status_code == 422


def test_recovery_codes_come_as_a_file(client, with_app, prove):
    codes = codes_of(client, prove)
    response = client.get(f"{SECURITY}codes/file/")
    assert response.content.decode().split() == codes
    assert "attachment" in response["Content-Disposition"]


def test_removing_the_app_takes_the_recovery_codes_along(client, with_app, enter, prove, events):
    prove(f"{SECURITY}app/remove/")
    assert client.post(f"{SECURITY}app/remove/").status_code == 303
    assert not Authenticator.objects.exists()
    assert events("user.factor_remove") == [("operator", "operator", {"kind": "app"})]
    leave(client)
    assert enter()["Location"] == "/"


def test_the_page_shows_what_is_on(client, with_app):
    page = client.get(SECURITY).content.decode()
    assert "10 left" in page
    assert f'href="{SECURITY}app/remove/"' in page


def test_cancelling_at_the_code_forgets_the_password(client, with_app, enter, now):
    leave(client)
    enter()
    leave(client)
    assert give(client, code(with_app, now()))["Location"] == "/sign-in/"
    assert not signed_in(client)


def test_passkeys_of_others_can_be_neither_named_nor_removed(client, operator, person, enter, prove):
    theirs = Authenticator.objects.create(
        user=person, type="webauthn", data={"name": "Theirs", "credential": {}}
    )
    enter()
    prove(SECURITY)
    for address in (f"{SECURITY}passkeys/{theirs.pk}/", f"{SECURITY}passkeys/{theirs.pk}/remove/"):
        assert client.post(address, {"name": "Mine"}).status_code == 404
    theirs.refresh_from_db()
    assert theirs.data["name"] == "Theirs"


# ---- the rule for platform operators -----------------------------------------------------------------------


def test_an_operator_without_a_second_factor_can_only_set_one_up(client, operator, enter, prove, settings):
    settings.OPERATOR_MFA = True
    enter()
    for address in ("/", "/operations/", "/preferences/", "/admin/"):
        response = client.get(address)
        assert (response.status_code, response["Location"]) == (302, SECURITY)
    assert "until then no other page opens" in client.get(SECURITY).content.decode()
    answer = client.get("/api/v1/operations")
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_needed")
    prove(f"{SECURITY}app/")
    assert client.get(f"{SECURITY}app/").status_code == 200


def test_an_operator_with_a_second_factor_goes_everywhere(client, with_app, settings):
    settings.OPERATOR_MFA = True
    assert client.get("/operations/").status_code == 200


def test_the_rule_is_for_operators_only(client, person, enter, settings):
    settings.OPERATOR_MFA = True
    enter("person")
    assert client.get("/preferences/").status_code == 200


def test_the_last_second_factor_removed_closes_the_portal_again(client, with_app, prove, settings):
    settings.OPERATOR_MFA = True
    prove(f"{SECURITY}app/remove/")
    client.post(f"{SECURITY}app/remove/")
    assert client.get("/operations/")["Location"] == SECURITY
