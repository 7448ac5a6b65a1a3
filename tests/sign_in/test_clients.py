"""What a browser calls itself, and where passkeys work."""

import pytest

from kcloud_site.sign_in.checks import company_account
from kcloud_site.sign_in.clients import describe, issuer_is_safe, passkeys_work

CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        (CHROME, "Chrome, Windows"),
        (f"{CHROME} Edg/142.0.0.0", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari, iOS"),
        ("curl/8.5.0", "curl"),
        ("<script>", ""),
        ("", ""),
    ],
)
def test_a_browser_is_told_in_two_words(said, words):
    assert describe(said) == words


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "kcloud.localhost:1"])
def test_passkeys_work_on_localhost_without_tls(host):
    assert passkeys_work(host, is_secure=False)


@pytest.mark.parametrize("host", ["kcloud.example.com", "kcloud.example.com:8443"])
def test_passkeys_need_tls_elsewhere(host):
    assert passkeys_work(host, is_secure=True)
    assert not passkeys_work(host, is_secure=False)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "192.0.2.1", "[::1]", "[::1]:8000"])
def test_passkeys_never_work_on_a_bare_address(host):
    assert not passkeys_work(host, is_secure=True)


@pytest.mark.parametrize(
    "issuer", ["https://login.example.com/realms/main", "http://127.0.0.1:9", "http://localhost/"]
)
def test_an_issuer_over_tls_or_on_this_machine_is_believed(issuer):
    assert issuer_is_safe(issuer)


@pytest.mark.parametrize(
    "issuer", ["http://login.example.com", "https://", "login.example.com", "file:///etc/passwd"]
)
def test_an_issuer_anybody_could_play_is_not_believed(issuer):
    assert not issuer_is_safe(issuer)


def test_wrong_settings_of_the_company_account_are_named_with_the_remedy(settings):
    settings.OIDC_ISSUER = "http://login.example.com"
    app = {"client_id": "", "secret": ""}
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
    assert [error.id for error in company_account(None)] == ["sign_in.E001", "sign_in.E002"]
    settings.OIDC_ISSUER = ""
    assert company_account(None) == []
