"""Every address of the console against every kind of person.

A new address is for platform operators, unless a row here says more.
"""

import re

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

pytestmark = pytest.mark.django_db

# Not of the console: they carry their own rules and tests.
ELSEWHERE = ("admin/", "api/", "registry/")
# Open to anybody; open to whoever has signed in. All others: platform operators.
ANYBODY = {
    *("login", "account_login", "language", "account_inactive", "mfa_login_webauthn"),
    *("company_sign_in", "openid_connect_callback"),
    *("account_reset_password", "account_reset_password_done", "account_reset_password_from_key"),
    "tenants:accept",
}
SIGNED_IN = {
    *("overview", "preferences", "appearance", "password_change", "account_change_password"),
    *("logout", "account_logout", "mfa_authenticate"),
    *("account_reauthenticate", "mfa_reauthenticate", "mfa_reauthenticate_webauthn"),
    *("mfa_index", "mfa_activate_totp", "mfa_deactivate_totp"),
    *("mfa_add_webauthn", "mfa_edit_webauthn", "mfa_remove_webauthn"),
    *("mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_download_recovery_codes"),
    *("usersessions_list", "end_session", "end_other_sessions"),
    *("tenants:list", "tenants:roles"),
}
SAMPLES = {"int": "1", "slug": "x", "str": "x", "path": "x", "uuid": "0" * 32, "base36": "1"}


def routes(resolver=None, prefix="", space=""):
    """(name, path with sample arguments) of every address."""
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern)
        if route.startswith(ELSEWHERE):
            continue
        if isinstance(entry, URLResolver):
            yield from routes(entry, route, f"{entry.namespace}:" if entry.namespace else space)
        elif isinstance(entry, URLPattern):
            yield space + str(entry.name), "/" + re.sub(r"<(?:(\w+):)?\w+>", sample, route)


def sample(match):
    return SAMPLES[match.group(1) or "str"]


ROUTES = sorted(set(routes()))
OPERATORS_ONLY = [route for route in ROUTES if route[0] not in ANYBODY | SIGNED_IN]


def test_the_walk_finds_the_addresses():
    names = {name for name, _ in ROUTES}
    assert names >= ANYBODY | SIGNED_IN | {"operations:list", "operations:cancel", "operations:audit"}


def answers(client, routes, *methods):
    """(name, method, response) of every address; one client, so the walk stays quick."""
    for name, path in routes:
        for method in methods:
            yield name, method, getattr(client, method)(path)


def test_a_stranger_is_led_to_sign_in(client):
    closed = [route for route in ROUTES if route[0] not in ANYBODY]
    led = {
        (name, method): (response.status_code, response.get("Location", "").split("?")[0])
        for name, method, response in answers(client, closed, "get", "post")
    }
    assert {key: value for key, value in led.items() if value not in ((302, "/sign-in/"), (405, ""))} == {}


def test_somebody_who_is_no_operator_is_refused(client, person):
    client.force_login(person)
    codes = {
        (name, method): r.status_code for name, method, r in answers(client, OPERATORS_ONLY, "get", "post")
    }
    # 404: of one tenant's thing, which to an outsider is not there.
    assert {key: code for key, code in codes.items() if code not in (403, 404, 405)} == {}


def test_an_address_of_nothing_is_no_error(client, operator):
    client.force_login(operator)
    codes = {name: response.status_code for name, _, response in answers(client, OPERATORS_ONLY, "get")}
    assert {name: code for name, code in codes.items() if code not in (200, 302, 404, 405)} == {}


def test_no_form_is_taken_without_its_token(operator):
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(operator)
    codes = {name: response.status_code for name, _, response in answers(careful, ROUTES, "post")}
    assert {name: code for name, code in codes.items() if code not in (403, 405)} == {}
