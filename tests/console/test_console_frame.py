"""What holds for every page: headers, languages, appearance, error pages, sessions that end."""

import pytest
from django.urls import reverse

from tests.console import samples

pytestmark = pytest.mark.django_db

PAGES = ["/", "/operations/", "/audit/", "/search/?q=x", "/preferences/", "/preferences/password/"]


@pytest.fixture
def signed_in(client, operator):
    client.force_login(operator)
    return client


@pytest.mark.parametrize("address", [*PAGES, "/sign-in/", "/nothing-here/"])
def test_every_page_forbids_foreign_content_and_is_not_stored(signed_in, address):
    response = signed_in.get(address)
    policy = response["Content-Security-Policy"]
    for rule in ("default-src 'self'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert response["Cache-Control"] == "no-store" or "no-store" in response["Cache-Control"]
    assert "HX-Request" in response["Vary"]


@pytest.mark.parametrize("address", [*PAGES, "/nothing-here/"])
def test_no_page_carries_inline_style_or_script(signed_in, address):
    html = signed_in.get(address).content.decode()
    assert " style=" not in html
    assert "<style" not in html
    assert "<script>" not in html
    assert "hx-on" not in html
    assert " onclick" not in html


@pytest.mark.parametrize("address", PAGES)
def test_every_page_is_written_in_both_languages(signed_in, operator, address):
    for language, attribute in (("en", 'lang="en"'), ("zh-hans", 'lang="zh-CN"')):
        operator.language = language
        operator.save()
        response = signed_in.get(address)
        assert response.status_code == 200
        assert f"<html {attribute}" in response.content.decode()


def test_a_fragment_whose_session_ended_leads_the_whole_page_to_sign_in(client):
    response = client.get(
        "/operations/7/panel/",
        HTTP_HX_REQUEST="true",
        HTTP_HX_CURRENT_URL="http://testserver/operations/7/?host=a",
    )
    assert response.status_code == 200
    assert response["HX-Redirect"] == "/sign-in/?next=%2Foperations%2F7%2F%3Fhost%3Da"
    assert response.content == b""


def test_somebody_who_is_no_operator_is_refused_with_the_reason(client, person):
    client.force_login(person)
    for address, reason in (
        ("/hosts/", "Only platform operators"),
        ("/operations/", "You are in no tenant yet"),
    ):
        response = client.get(address)
        assert response.status_code == 403
        assert reason in response.content.decode()


def test_an_address_that_is_nothing_is_answered_404_with_a_way_on(signed_in):
    response = signed_in.get("/nothing-here/")
    assert response.status_code == 404
    assert "There is nothing at this address" in response.content.decode()


def test_an_unexpected_error_is_answered_without_its_insides(signed_in, monkeypatch):
    def broken():
        raise RuntimeError("secret detail")

    monkeypatch.setattr("kcloud_site.attention.overview", broken)
    signed_in.raise_request_exception = False
    response = signed_in.get("/")
    assert response.status_code == 500
    assert "did not expect" in response.content.decode()
    assert "secret detail" not in response.content.decode()


def test_a_form_without_its_token_is_refused_in_words(operator):
    from django.test import Client

    careful = Client(enforce_csrf_checks=True)
    response = careful.post("/sign-in/", {"username": "operator", "password": "a-long-password"})
    assert response.status_code == 403
    assert "The form is out of date" in response.content.decode()


# ---- preferences -------------------------------------------------------------------------------------------


def test_the_language_switch_works_without_signing_in(client):
    response = client.post(reverse("language"), {"language": "zh-hans", "next": "/sign-in/"})
    assert (response.status_code, response["Location"]) == (303, "/sign-in/")
    assert 'lang="zh-CN"' in client.get("/sign-in/").content.decode()


def test_the_language_of_a_person_outlives_the_browser(client, operator):
    client.force_login(operator)
    client.post(reverse("language"), {"language": "zh-hans", "next": "/"})
    client.cookies.clear()
    client.force_login(operator)
    assert 'lang="zh-CN"' in client.get("/").content.decode()


@pytest.mark.parametrize("data", [{"language": "xx"}, {}])
def test_an_unknown_language_is_refused(client, data):
    assert client.post(reverse("language"), data).status_code == 400


@pytest.mark.parametrize("name", ["language", "appearance"])
@pytest.mark.parametrize("evil", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_the_switches_never_lead_to_another_site(signed_in, name, evil):
    response = signed_in.post(reverse(name), {"language": "en", "appearance": "dark", "next": evil})
    assert response["Location"] == "/"


def test_the_account_menu_changes_only_what_was_chosen(signed_in, operator):
    signed_in.post(reverse("appearance"), {"density": "compact"})
    signed_in.post(reverse("appearance"), {"appearance": "dark"})
    operator.refresh_from_db()
    assert (operator.appearance, operator.density) == ("dark", "compact")
    assert 'data-bs-theme="dark" data-density="compact"' in signed_in.get("/").content.decode()


def test_an_unknown_appearance_is_refused(signed_in, operator):
    assert signed_in.post(reverse("appearance"), {"appearance": "pink"}).status_code == 400
    operator.refresh_from_db()
    assert operator.appearance == ""


def test_times_are_shown_in_the_zone_the_person_chose(signed_in, operator):
    data = {"language": "", "time_zone": "Asia/Shanghai", "appearance": "", "density": ""}
    assert signed_in.post(reverse("preferences"), data).status_code == 303
    operation = samples.operation()
    samples.write(operation, "a line")
    at = operation.lines.get().at
    shanghai = (at.hour + 8) % 24
    assert (
        f">{shanghai:02}:{at:%M:%S}</time>" in signed_in.get(f"/operations/{operation.pk}/").content.decode()
    )


def test_refused_preferences_change_nothing_and_mark_the_field(signed_in, operator):
    data = {"language": "", "time_zone": "Mars/Olympus", "appearance": "dark", "density": ""}
    response = signed_in.post(reverse("preferences"), data)
    html = response.content.decode()
    assert response.status_code == 422
    assert 'aria-invalid="true"' in html
    assert 'href="#id_time_zone"' in html
    assert 'data-bs-theme="dark"' not in html
    operator.refresh_from_db()
    assert operator.appearance == ""


# ---- audit -------------------------------------------------------------------------------------------------


@pytest.fixture
def trail(operator):
    from kcloud_site.audit import trail

    thing = trail.Subject("clusters.cluster", "1", "gz-prod-01")
    trail.record(
        by=operator, action="cluster.plan", subject=thing, before={"v": "1.33"}, after={"v": "1.34", "n": 3}
    )
    trail.record(
        by=None, action="host.lost", subject=trail.Subject("clusters.host", "2", "<b>h</b>"), reason="gone"
    )


@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("", {"cluster.plan", "host.lost"}),
        ("actor=operator", {"cluster.plan"}),
        ("action=host", {"host.lost"}),
        ("name=gz-prod-01", {"cluster.plan"}),
        ("name=gz-prod", set()),
        ("type=clusters.host", {"host.lost"}),
        ("type=clusters.cluster&id=1", {"cluster.plan"}),
        ("type=clusters.cluster&id=2", set()),
        ("kind=system", {"host.lost"}),
        ("via=ci", set()),
        ("until=2020-01-01T00:00", set()),
        ("since=2020-01-01T00:00", {"cluster.plan", "host.lost"}),
        ("operation=4", set()),
    ],
)
def test_the_trail_is_filtered_by_its_address(signed_in, trail, query, actions):
    html = signed_in.get(f"/audit/?{query}").content.decode()
    assert {action for action in ("cluster.plan", "host.lost") if f"<code>{action}</code>" in html} == actions


def test_the_trail_shows_before_and_after_and_escapes_names(signed_in, trail):
    html = signed_in.get("/audit/").content.decode()
    assert "<del>1.33</del> <ins>1.34</ins>" in html
    assert "<b>h</b>" not in html


def test_a_search_for_a_nul_character_finds_nothing_and_breaks_nothing(signed_in):
    assert signed_in.get("/search/?q=a%00b").status_code == 200
