"""Whether the portal itself is cut off: by witnesses that answered before, never by those that never did."""

import pytest

from clusters.healing.own_network import Witness, configured, gateway, is_cut_off

A, B = Witness("10.0.0.1"), Witness("10.0.0.2", 443)
ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t0202000A\t0003\t0\t0\t200\t00000000\t0\t0\t0
eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


@pytest.mark.parametrize(
    ("answers", "known", "cut_off"),
    [
        ({}, set(), False),
        ({A: False}, set(), False),
        ({A: False}, {A}, True),
        ({A: False, B: True}, {A, B}, False),
        ({A: False, B: False}, {A}, True),
        ({A: True, B: False}, {B}, True),
        ({}, {A}, False),
    ],
)
def test_only_silence_of_all_that_answered_before_counts(answers, known, cut_off):
    assert is_cut_off(answers, known) is cut_off


def test_addresses_are_read_with_and_without_a_port():
    assert configured([" 10.0.0.1", "10.0.0.2:443", ""]) == [A, B]


@pytest.mark.parametrize("text", ["gateway.example", "10.0.0.1:x", "10.0.0.1:70000", "300.0.0.1"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match=text.split(":")[0]):
        configured([text])


def test_the_gateway_is_the_default_route_that_counts():
    assert gateway(ROUTES) == "10.0.0.1"
    assert gateway(ROUTES.splitlines()[0]) == ""
