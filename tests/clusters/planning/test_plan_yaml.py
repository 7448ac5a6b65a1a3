"""A plan as YAML and back, and YAML of strangers that could do harm."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusters.planning import plan_yaml
from clusters.planning.plan import PlanInvalid, parse, to_data
from tests.clusters.planning.plans import plans


@settings(max_examples=25)
@given(plans())
def test_a_plan_survives_the_way_to_yaml_and_back(one):
    assert parse(plan_yaml.load(plan_yaml.dump(to_data(one)))) == one


@settings(max_examples=60)
@given(st.text(max_size=200))
def test_any_text_is_read_as_yaml_or_refused(text):
    try:
        found = plan_yaml.load(text)
    except PlanInvalid as invalid:
        found = {problem.code: problem for problem in invalid.problems}
    assert isinstance(found, dict)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x\n",
        "a: !!int '7'",
        "a: !x 7",
        "x" * 200_001,
        "- 1",
        "",
        "a: [",
        "a: b: c",
        "? ? ? ?\n" * 3000,
    ],
    ids=lambda text: text[:12],
)
def test_yaml_that_could_do_harm_is_refused(text):
    with pytest.raises(PlanInvalid):
        plan_yaml.load(text)
