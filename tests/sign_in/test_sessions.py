"""Where a person is signed in, and signing out there."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from kcloud_site.sign_in import jobs

pytestmark = pytest.mark.django_db

SESSIONS = "/preferences/sessions/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def signed_in(client):
    return client.get("/preferences/").status_code == 200


@pytest.fixture
def elsewhere(enter):
    """The same person in another browser."""
    other = Client(HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="192.0.2.7")
    enter("person", to=other)
    return other


@pytest.fixture
def here(client, person, enter):
    enter("person")
    return client


def test_the_list_shows_browser_and_address_of_each(here, elsewhere):
    page = here.get(SESSIONS).content.decode()
    assert "Firefox, Linux" in page
    assert "192.0.2.7" in page
    assert page.count("this one") == 1


def test_one_of_them_is_signed_out(here, elsewhere, events):
    row = UserSession.objects.get(ip="192.0.2.7")
    assert here.post(f"{SESSIONS}{row.pk}/end/").status_code == 303
    assert not signed_in(elsewhere)
    assert signed_in(here)
    assert events("session.revoke") == [("person", "person", {"sessions": 1})]


def test_all_others_are_signed_out(here, elsewhere, enter):
    third = Client()
    enter("person", to=third)
    assert here.post(f"{SESSIONS}end-others/").status_code == 303
    assert "2 sessions are signed out." in here.get(SESSIONS).content.decode()
    assert [signed_in(each) for each in (here, elsewhere, third)] == [True, False, False]


def test_this_one_can_be_signed_out_too(here):
    row = UserSession.objects.get()
    here.post(f"{SESSIONS}{row.pk}/end/")
    assert not signed_in(here)


def test_sessions_of_others_are_neither_listed_nor_ended(here, operator, enter):
    other = Client(REMOTE_ADDR="192.0.2.9")
    enter("operator", to=other)
    assert "192.0.2.9" not in here.get(SESSIONS).content.decode()
    theirs = UserSession.objects.get(user=operator)
    assert here.post(f"{SESSIONS}{theirs.pk}/end/").status_code == 404
    assert signed_in(other)


def test_signing_out_takes_the_session_off_the_list(here, elsewhere):
    elsewhere.post("/sign-out/")
    assert "192.0.2.7" not in here.get(SESSIONS).content.decode()


def test_a_new_password_signs_out_everywhere_else(here, elsewhere, events):
    data = {
        "oldpassword": "a-long-password",
        "password1": "another-long-one",
        "password2": "another-long-one",
    }
    assert here.post("/preferences/password/", data).status_code == 303
    assert signed_in(here)
    assert not signed_in(elsewhere)
    assert Session.objects.count() == 1
    assert "this one" in here.get(SESSIONS).content.decode()
    assert events("user.password_change")
    assert events("session.revoke")[0][2] == {"sessions": 1}


def test_the_number_of_queries_does_not_grow_with_the_sessions(here, enter, django_assert_num_queries):
    with CaptureQueriesContext(connection) as few:
        here.get(SESSIONS)
    count = len(few)
    for _ in range(5):
        enter("person", to=Client())
    with django_assert_num_queries(count):
        here.get(SESSIONS)


def test_sessions_that_ended_by_themselves_are_forgotten(here, elsewhere):
    gone = UserSession.objects.get(ip="192.0.2.7")
    Session.objects.filter(session_key=gone.session_key).update(
        expire_date=timezone.now() - timedelta(days=1)
    )
    jobs.forget_ended_sessions()
    assert list(UserSession.objects.values_list("ip", flat=True)) == ["127.0.0.1"]
    assert Session.objects.count() == 1
    assert signed_in(here)


def test_signing_in_and_out_are_in_the_trail(here, events):
    here.post("/sign-out/")
    assert events("user.sign_in") == [
        ("person", "person", {"address": "127.0.0.1", "by_means_of": "password"})
    ]
    assert events("user.sign_out") == [("person", "person", None)]
