"""Every address without arguments keeps the rules of a page, also those that are added later."""

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def addresses(resolver=None, prefix="/"):
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern)
        # What is below /registry/ answers programs: a certificate and tokens.
        if "<" in route or route.startswith(("/admin/", "/api/", "/registry/")):
            continue
        if isinstance(entry, URLResolver):
            yield from addresses(entry, route)
        elif isinstance(entry, URLPattern):
            yield route


@pytest.mark.parametrize("address", sorted(set(addresses())))
def test_a_page_keeps_the_rules_on_an_empty_portal(signed_in, live_server, check_page, client, address):
    if client.get(address).status_code == 405:
        return  # takes forms only
    response = signed_in.goto(live_server.url + address)
    assert response.status == 200
    assert len(response.body()) < 100_000
    check_page(signed_in)
