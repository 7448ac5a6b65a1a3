"""Ways to deploy: bad ones are refused by field, good ones become what Kubernetes understands."""

import pytest

from apps.errors import ValueRefused
from apps.rollouts.strategy import Strategy, deployment_strategy, parse


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"type": "sideways"}, "type"),
        ({"surge": "x"}, "surge"),
        ({"surge": "101%"}, "surge"),
        ({"surge": "0", "unavailable": "0%"}, "unavailable"),
        ({"timeout": 5}, "timeout"),
        ({"timeout": True}, "timeout"),
    ],
)
def test_what_cannot_work_is_refused_by_field(given, field):
    with pytest.raises(ValueRefused) as refused:
        parse(given)
    assert refused.value.field == field


def test_what_is_left_out_is_the_default():
    assert parse(None) == Strategy()
    assert parse(Strategy(surge="3").as_json()) == Strategy(surge="3")


def test_numbers_stay_numbers_and_shares_stay_texts():
    found = deployment_strategy(parse({"surge": "1", "unavailable": "50%"}))
    assert found["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": "50%"}
