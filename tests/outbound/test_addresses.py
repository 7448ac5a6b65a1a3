"""Which addresses the portal may talk to when somebody else names them; and what a server's address may
look like."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.errors import KubeconfigRefused
from clusters.kubeconfigs.rules import refuse
from clusters.kubeconfigs.server_url import check_server, literal_address
from kcloud_site.outbound.addresses import METADATA, AddressRule, embedded, refusal

address = ipaddress.ip_address
OWN = (ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd00:20::/32"))
STRANGER, TRUSTED = AddressRule(own_networks=OWN), AddressRule(allow_internal=True, own_networks=OWN)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("169.254.7.7", "link-local"),
        ("fe80::1", "link-local"),
        ("10.20.30.40", "own-network"),
        ("fd00:20::9", "own-network"),
        ("169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("0.0.0.0", "unusable"),
        ("::", "unusable"),
        ("224.0.0.251", "unusable"),
        ("ff02::1", "unusable"),
        ("255.255.255.255", "unusable"),
        ("240.0.0.1", "unusable"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("2002:7f00:1::", "loopback"),
        ("2002:a14:1e28::", "own-network"),
        ("10.21.0.1", ""),
        ("192.168.1.1", ""),
        ("203.0.113.5", ""),
        ("2001:db8::1", ""),
    ],
)
def test_a_strangers_address_is_judged_by_where_it_leads(text, reason):
    assert refusal(address(text), STRANGER) == reason


@pytest.mark.parametrize("text", ["127.0.0.1", "::1", "169.254.7.7", "10.20.30.40", "::ffff:127.0.0.1"])
def test_an_operators_word_opens_internal_addresses(text):
    assert refusal(address(text), TRUSTED) == ""


@pytest.mark.parametrize("rule", [STRANGER, TRUSTED, AddressRule(known=METADATA)])
@pytest.mark.parametrize("found", sorted(METADATA, key=str), ids=str)
def test_no_word_opens_a_metadata_service(rule, found):
    assert refusal(found, rule) == "metadata"


def test_the_known_addresses_of_enrolled_hosts_are_open_and_no_others():
    rule = AddressRule(known=frozenset({address("10.20.0.5")}), own_networks=OWN)
    assert refusal(address("10.20.0.5"), rule) == ""
    assert refusal(address("10.20.0.6"), rule) == "own-network"


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_in_every_ipv6_dress(found):
    for dress in (f"::ffff:{found}", str(ipaddress.IPv6Address(int(address("64:ff9b::")) + int(found)))):
        assert embedded(address(dress)) == found
        assert refusal(address(dress), STRANGER) == refusal(found, STRANGER)


@given(st.ip_addresses())
def test_allowing_more_never_refuses_more(found):
    if not refusal(found, STRANGER):
        assert not refusal(found, TRUSTED)


# --- what a server's address looks like ----------------------------------------------------------


def problem(url):
    """The code it is refused with, or ""."""
    try:
        check_server(url, "server", refuse)
    except KubeconfigRefused as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    "url",
    [
        "https://203.0.113.10",
        "https://203.0.113.10:6443/",
        "https://api.example.com",
        "https://a-1.b2.example.com.:443",
        "https://[2001:db8::1]:6443",
        "https://rancher.example.com/k8s/clusters/c-m-x_y~z",
        "https://xn--bcher-kva.example",
        "https://localhost:6443",
    ],
)
def test_a_plain_address_is_taken(url):
    assert problem(url) == ""


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "not-https"),
        ("https://", "bad-host"),
        ("HTTP://203.0.113.10", "not-https"),
        ("https:203.0.113.10", "bad-url"),
        ("https://203.0.113.10:abc", "bad-port"),
        ("https://203.0.113.10:-1", "bad-port"),
        ("https://[::1", "bad-url"),
        ("https://[gggg::1]", "bad-url"),
        ("https://a..b", "bad-host"),
        ("https://-a.example", "bad-host"),
        ("https://a.example/%2e%2e/", "bad-url"),
        ("https://a.example//b", "bad-url"),
        ("https://0127.0.0.1", "odd-address"),
        ("https://127.0.1", "odd-address"),
        ("https://0x7f.1", "odd-address"),
        ("https://example.0x1", "odd-address"),
        ("https://1.2.3.4.5", "odd-address"),
        ("https://a" + "b" * 70 + ".example", "bad-host"),
        ("https://" + "a." * 600 + "b", "bad-url"),
        ("https://a.example:443 ", "bad-url"),
        ("https://a.example\t", "bad-url"),
        ("https://１２７.0.0.1", "bad-url"),
    ],
)
def test_anything_else_is_refused_by_name(url, code):
    assert problem(url) == code


@given(st.text(max_size=40))
def test_any_text_after_the_scheme_is_taken_or_refused_and_nothing_else(rest):
    problem(f"https://{rest}")


@given(st.ip_addresses(v=4))
def test_what_is_taken_as_an_ipv4_address_leads_exactly_there(found):
    assert problem(f"https://{found}:6443") == ""
    assert literal_address(f"https://{found}:6443") == found
    if int(found) > 0xFFFF:
        assert problem(f"https://{int(found)}") == "odd-address"


def test_a_name_is_no_literal_address():
    assert literal_address("https://api.example.com:6443") is None
