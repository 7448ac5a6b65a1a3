"""Signing in through the pages, as people do."""

import re

import pytest
import time_machine
from django.core.cache import cache

from kcloud_site.audit.models import AuditEvent
from tests.sign_in.codes import code

PASSWORD = "a-long-password"


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """What the library counts in the cache (mails asked for) is not carried from test to test."""
    cache.clear()


@pytest.fixture
def clock():
    """A clock that stands still until it is shifted: codes are good for half minutes."""
    with time_machine.travel("2026-11-23 12:00:00Z", tick=False) as clock:
        yield clock


@pytest.fixture
def now(clock):
    def seconds():
        import time

        return time.time()

    return seconds


@pytest.fixture
def enter(client):
    """Sign in by the page: enter("operator")."""

    def entering(name="operator", password=PASSWORD, to=client, **data):
        return to.post("/sign-in/", {"username": name, "password": password, **data})

    return entering


@pytest.fixture
def prove(client):
    """Show again who one is: before what protects the account is changed."""

    def proving(address, password=PASSWORD):
        return client.post(f"/sign-in/again/?next={address}", {"password": password})

    return proving


@pytest.fixture
def with_app(client, operator, enter, prove, clock, now):
    """An operator, signed in, with an authenticator app: its secret. A new half minute has begun."""
    enter()
    prove("/preferences/security/app/")
    page = client.get("/preferences/security/app/").content.decode()
    secret = re.search(r'id="totp_secret">([A-Z2-7]+)<', page).group(1)
    assert client.post("/preferences/security/app/", {"code": code(secret, now())}).status_code == 303
    clock.shift(30)
    return secret


@pytest.fixture
def events():
    """Audit events with this action, oldest first: (actor, about whom, what)."""

    def finding(action):
        found = AuditEvent.objects.filter(action=action).order_by("id")
        return list(found.values_list("actor", "object_name", "after"))

    return finding
