"""What a browser calls itself, and where passkeys work."""

import pytest

from kcloud_site.sign_in.clients import describe, passkeys_work

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
