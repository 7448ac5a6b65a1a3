"""The API's documentation page: from our own files, under the strict policy."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_it_shows_the_addresses_and_violates_nothing(live_server, page):
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(f"{live_server.url}/api/v1/docs")
    policy = answer.headers["content-security-policy"]
    rules = [rule.strip() for rule in policy.split(";")]  # a set: their order is not fixed
    assert "script-src 'self'" in rules
    assert "unsafe" not in policy
    page.locator("#operations-tag-operations").click()
    page.get_by_text("/api/v1/operations/{id}/log").wait_for()
    page.locator("#operations-tag-me").click()
    page.get_by_text("/api/v1/me", exact=True).first.click()
    page.get_by_text("The person, the token that is used").first.wait_for()
    assert [text for text in said if "Content Security Policy" in text or "Refused" in text] == []
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []
