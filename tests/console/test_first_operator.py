"""The first platform operator: made once, told once."""

import json
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants.models import User

pytestmark = pytest.mark.django_db


def run(*arguments):
    out = StringIO()
    call_command("first_operator", "--json", *arguments, stdout=out)
    return json.loads(out.getvalue())


def test_the_told_password_signs_in_and_must_be_changed():
    answer = run()
    user = authenticate(username=answer["username"], password=answer["password"])
    assert user.is_operator
    assert user.must_change_password
    assert AuditEvent.objects.get().action == "user.create"


def test_a_second_run_changes_nothing_and_tells_nothing():
    run()
    before = User.objects.values_list("username", "password").get()
    answer = run()
    assert (answer["created"], answer["password"], answer["token"]) == (False, "", "")
    assert User.objects.values_list("username", "password").get() == before


def test_nobody_is_made_where_somebody_can_sign_in(person):
    assert run()["created"] is False
    assert list(User.objects.all()) == [person]


def test_a_token_opens_the_api(client):
    answer = run("--token")
    response = client.get("/api/v1/operations", HTTP_AUTHORIZATION=f"Token {answer['token']}")
    assert response.status_code == 200


def test_a_token_is_refused_for_somebody_who_is_no_operator(person):
    with pytest.raises(CommandError, match="no platform operator called person"):
        run("--token", "--username", "person")


def test_in_words_the_password_is_named(capsys):
    call_command("first_operator", "--username", "somebody")
    assert "Sign in as somebody with the one-time password" in capsys.readouterr().out
