"""Helping somebody who lost a password or a second factor; the admin's door; audit of what goes wrong at the door."""

import re
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.test import Client

pytestmark = pytest.mark.django_db


def let_in(capsys, *arguments):
    call_command("let_in", *arguments)
    return capsys.readouterr().out


def test_a_one_time_password_lets_in_to_choose_another(client, person, enter, capsys, events):
    elsewhere = Client()
    enter("person", to=elsewhere)
    told = let_in(capsys, "person", "--password", "--reason", "called from the desk phone")
    assert elsewhere.get("/preferences/").status_code == 302
    assert enter("person").status_code == 422
    assert enter("person", re.search(r"[a-z2-9-]{23}", told).group()).status_code == 303
    assert client.get("/preferences/")["Location"] == "/preferences/password/"
    assert events("user.one_time_password") == [("system", "person", None)]


def test_lost_second_factors_are_removed(client, with_app, enter, capsys, events):
    client.post("/sign-out/")
    assert "2 second factors" in let_in(capsys, "operator", "--second-factor")
    assert not Authenticator.objects.exists()
    assert enter()["Location"] == "/"
    assert events("user.factor_remove")[0][0] == "system"


@pytest.mark.parametrize(
    ("arguments", "why"), [(["nobody", "--password"], "nobody called"), (["person"], "what was lost")]
)
def test_a_mistake_is_named_and_changes_nothing(person, arguments, why):
    with pytest.raises(CommandError, match=why):
        call_command("let_in", *arguments)
    person.refresh_from_db()
    assert person.check_password("a-long-password")


def test_the_first_operator_comes_in_by_the_told_password(client, enter, db):
    told = StringIO()
    call_command("first_operator", "--username", "first", stdout=told)
    password = re.search(r"one-time password (\S+)", told.getvalue()).group(1)
    assert enter("first", password).status_code == 303
    assert client.get("/clusters/")["Location"] == "/preferences/password/"
    data = {"oldpassword": password, "password1": "another-long-one", "password2": "another-long-one"}
    assert client.post("/preferences/password/", data).status_code == 303
    assert client.get("/clusters/").status_code == 200


def test_the_one_time_password_itself_is_no_new_password(client, person, enter, capsys):
    password = re.search(r"[a-z2-9-]{23}", let_in(capsys, "person", "--password")).group()
    enter("person", password)
    data = {"oldpassword": password, "password1": password, "password2": password}
    assert client.post("/preferences/password/", data).status_code == 422
    assert client.get("/preferences/")["Location"] == "/preferences/password/"


# ---- the admin ---------------------------------------------------------------------------------------------


def test_the_admin_has_no_sign_in_of_its_own(client, operator):
    data = {"username": "operator", "password": "a-long-password", "next": "/admin/"}
    response = client.post("/admin/login/", data)
    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/?next=")
    assert client.get("/admin/").status_code == 302


def test_the_admin_changes_passwords_on_our_page(client, operator):
    client.force_login(operator)
    assert client.get("/admin/password_change/")["Location"] == "/preferences/password/"


def test_the_tables_of_the_sign_in_library_are_not_in_the_admin(client, django_user_model):
    root = django_user_model.objects.create_superuser("root", password="a-long-password")
    client.force_login(root)
    page = client.get("/admin/").content.decode()
    for table in ("socialaccount", "authenticator", "usersession", "emailaddress"):
        assert f"/{table}" not in page


# ---- who is let in by the right password only --------------------------------------------------------------


def test_somebody_switched_off_is_told_so_only_with_the_right_password(client, person, enter, events):
    person.is_active = False
    person.save()
    assert "Name or password is not right." in enter("person", "wrong").content.decode()
    assert enter("person")["Location"] == "/sign-in/off/"
    assert client.get("/preferences/").status_code == 302
    assert [what["wrong"] for _, _, what in events("user.sign_in_refused")] == ["password", "account"]


def test_an_e_mail_address_is_as_good_as_the_name(client, person, enter):
    person.email = "somebody@example.com"
    person.save()
    assert enter("Somebody@example.com").status_code == 303


def test_writing_the_name_otherwise_gives_no_further_tries(client, person, enter):
    for name in ("person", "Person", "PERSON", " person", "pErson"):
        enter(name, "wrong")
    assert "Wait 5 minutes" in enter("person").content.decode()


def test_wrong_passwords_and_pauses_are_in_the_trail(client, person, enter, events):
    for _ in range(5):
        enter("person", "wrong")
    assert (
        events("user.sign_in_refused")
        == [("system", "person", {"address": "127.0.0.1", "wrong": "password"})] * 5
    )
    assert events("user.sign_in_paused") == [
        ("system", "person", {"address": "127.0.0.1", "wrong": "password", "minutes": 5})
    ]


def test_of_unknown_names_only_the_pause_is_in_the_trail(client, enter, events):
    for _ in range(5):
        enter("a-password-typed-here", "x")
    assert events("user.sign_in_refused") == []
    assert events("user.sign_in_paused")[0][1] == ""


def test_behind_a_proxy_the_clients_own_address_counts(client, person, enter, settings, events):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    client.post(
        "/sign-in/",
        {"username": "person", "password": "wrong"},
        HTTP_X_FORWARDED_FOR="10.0.0.1, 192.0.2.44",
    )
    assert events("user.sign_in_refused")[0][2]["address"] == "192.0.2.44"
