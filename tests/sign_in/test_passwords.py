"""Signing in and out, one-time passwords, preferences: through Django's client."""

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from kcloud_site.tenants.models import FailedSignIn

PASSWORD = "a-long-password"

pytestmark = pytest.mark.django_db


def sign_in(client, **data):
    return client.post(reverse("login"), {"username": "operator", "password": PASSWORD, **data})


def test_a_stranger_is_led_to_sign_in_and_back(client, operator):
    response = client.get("/operations/?state=failed")
    assert response.status_code == 302
    assert response["Location"] == "/sign-in/?next=/operations/%3Fstate%3Dfailed"
    assert sign_in(client, next="/operations/?state=failed")["Location"] == "/operations/?state=failed"


@pytest.mark.parametrize(
    "evil", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_signing_in_never_leads_to_another_site(client, operator, evil):
    response = sign_in(client, next=evil)
    assert response.status_code == 303
    assert response["Location"] == "/"


def test_a_wrong_password_is_refused_with_the_field_marked(client, operator):
    response = sign_in(client, password="wrong")
    page = response.content.decode()
    assert response.status_code == 422
    assert "Name or password is not right." in page
    assert 'aria-invalid="true" autofocus' in page


def test_the_session_ends_with_the_browser_unless_asked_to_stay(client, operator):
    sign_in(client)
    assert client.session.get_expire_at_browser_close()


def test_a_remembered_session_lasts_eight_hours(client, operator):
    sign_in(client, remember="on")
    assert client.session.get_expiry_age() == 8 * 3600


def test_signing_out_needs_a_post_and_ends_the_session(client, operator):
    client.force_login(operator)
    assert client.get(reverse("logout")).status_code == 405
    client.post(reverse("logout"))
    assert client.get("/").status_code == 302


@pytest.fixture
def one_time(operator):
    operator.must_change_password = True
    operator.save()
    return operator


def test_a_one_time_password_opens_nothing_but_choosing_a_new_one(client, one_time):
    client.force_login(one_time)
    assert client.get("/operations/")["Location"] == reverse("password_change")
    assert client.get(reverse("password_change")).status_code == 200


def test_choosing_a_new_password_opens_the_console(client, one_time):
    client.force_login(one_time)
    data = {
        "oldpassword": PASSWORD,
        "password1": "another-long-one",
        "password2": "another-long-one",
    }
    assert client.post(reverse("password_change"), data).status_code == 303
    assert client.get("/").status_code == 200


def test_a_new_password_that_is_too_short_is_refused_and_the_old_one_stays(client, one_time):
    client.force_login(one_time)
    data = {"oldpassword": PASSWORD, "password1": "short", "password2": "short"}
    assert client.post(reverse("password_change"), data).status_code == 422
    one_time.refresh_from_db()
    assert one_time.must_change_password
    assert one_time.check_password(PASSWORD)


# ---- guessing ----------------------------------------------------------------------------------------------


def text_of(response):
    return response.content.decode()


def test_after_five_wrong_passwords_even_the_right_one_waits(client, operator):
    for left in (4, 3, 2):
        assert f"{left} more tries" in text_of(sign_in(client, password="wrong"))
    assert "1 more try" in text_of(sign_in(client, password="wrong"))
    sign_in(client, password="wrong")
    response = sign_in(client)
    assert response.status_code == 422
    assert "Wait 5 minutes" in text_of(response)


def test_after_the_pause_the_right_password_signs_in(client, operator):
    with time_machine.travel("2026-11-23 12:00:00Z", tick=False) as clock:
        for _ in range(5):
            sign_in(client, password="wrong")
        clock.shift(299)
        assert "Wait 1 minute," in text_of(sign_in(client))
        clock.shift(2)
        assert sign_in(client).status_code == 303
        assert FailedSignIn.objects.count() == 0


def test_a_pause_is_for_one_name_from_one_address(client, operator, person):
    for _ in range(5):
        sign_in(client, password="wrong")
    assert sign_in(client, username="person").status_code == 303
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert sign_in(elsewhere).status_code == 303


def test_names_that_do_not_exist_are_slowed_down_alike(client):
    for _ in range(5):
        sign_in(client, username="nobody", password="wrong")
    assert "Too many wrong passwords" in text_of(sign_in(client, username="nobody"))


def test_failures_are_forgotten_and_names_never_kept(client, operator):
    with time_machine.travel("2026-11-23 12:00:00Z", tick=False) as clock:
        sign_in(client, username="a-password-typed-here", password="x")
        assert "typed" not in str(FailedSignIn.objects.values_list().get())
        clock.shift(301)
        sign_in(client, password="wrong")
        assert FailedSignIn.objects.count() == 1
