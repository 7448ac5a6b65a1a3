"""The commands that power a machine off: what may be kept, how they are filled, what counts as off."""

from dataclasses import replace

import pytest

from clusters.healing.fencing import Commands, filled, problem, says_off

ALLOWED = ["/usr/bin/ipmitool"]
GOOD = Commands("/usr/bin/ipmitool", ("-H", "{host}-bmc", "off"), ("status",), "Power is off", 30)


def test_what_is_whole_and_allowed_is_taken():
    assert problem(GOOD, ALLOWED) is None


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"program": "/bin/sh"}, ("program", "not-allowed")),
        ({"program": "ipmitool"}, ("program", "not-allowed")),
        ({"off": ()}, ("off_arguments", "missing")),
        ({"status": ()}, ("status_arguments", "missing")),
        ({"off": ("a\nb",)}, ("off_arguments", "control")),
        ({"off": ("x" * 201,)}, ("off_arguments", "too-long")),
        ({"off": ("x",) * 31}, ("off_arguments", "too-long")),
        ({"off": ("{secret}",)}, ("off_arguments", "unknown-name")),
        ({"status": ("{}",)}, ("status_arguments", "unknown-name")),
        ({"off_text": "  "}, ("off_text", "missing")),
        ({"seconds": 1}, ("seconds", "range")),
        ({"seconds": 1000}, ("seconds", "range")),
    ],
)
def test_what_is_wrong_is_named_by_its_field(changed, wrong):
    assert problem(replace(GOOD, **changed), ALLOWED) == wrong


def test_a_relative_path_is_refused_although_somebody_allowed_it():
    assert problem(replace(GOOD, program="ipmitool"), ["ipmitool"]) == ("program", "not-allowed")


def test_only_host_and_address_are_filled_in_and_each_stays_one_argument():
    made = filled(("{host}-bmc", "a {address}", "$(reboot)"), host="w1; rm", address="198.51.100.7")
    assert made == ["w1; rm-bmc", "a 198.51.100.7", "$(reboot)"]


@pytest.mark.parametrize(
    ("status", "said", "off"),
    [
        (0, "Chassis POWER is OFF", True),
        (1, "Power is off", False),
        (0, "Power is on", False),
        (0, "", False),
    ],
)
def test_off_is_only_what_ends_well_and_says_so(status, said, off):
    assert says_off(GOOD, status, said) is off
