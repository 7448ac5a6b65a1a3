"""Amounts add up, compare by parts, and read what Kubernetes reads."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcloud_site.tenants import resources
from kcloud_site.tenants.resources import LARGEST, PARTS, QuantityInvalid, Resources, parse, quantity

numbers = st.integers(-LARGEST, LARGEST)
amounts = st.builds(Resources, numbers, numbers, numbers, numbers, numbers)
positive = st.builds(Resources, *[st.integers(0, LARGEST)] * 5)
parts = st.sampled_from(PARTS)
SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15}
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4}


@given(amounts, amounts, amounts)
def test_amounts_add_up_in_any_order(a, b, c):
    assert a + b == b + a
    assert (a + b) + c == a + (b + c) == resources.total([c, a, b])
    assert a + Resources() == a
    assert resources.total([]) == Resources()


@given(amounts, amounts)
def test_what_is_taken_away_can_be_put_back(a, b):
    assert (a - b) + b == a
    assert not (a - a)


@given(amounts, amounts)
def test_exceeding_names_exactly_the_parts_that_are_more_and_by_how_much(a, b):
    over = a.exceeds(b)
    for part in PARTS:
        by = getattr(a, part) - getattr(b, part)
        assert over.get(part, 0) == max(0, by)
        assert (part in over) == (by > 0)


@given(amounts, amounts)
def test_without_what_it_exceeds_by_an_amount_fits(a, b):
    assert (a - Resources(**a.exceeds(b))).exceeds(b) == {}


@given(amounts)
def test_floored_is_the_smallest_amount_that_is_neither_negative_nor_less(a):
    assert a.floored() == a + Resources(**Resources().exceeds(a))


@given(positive)
def test_an_amount_survives_being_written_and_read(a):
    assert Resources.from_json(a.to_json()) == a


@given(parts, st.integers(0, 10**9), st.sampled_from(sorted(SUFFIXES)))
def test_decimal_suffixes_are_exact_and_rounded_up(part, number, suffix):
    exact = Fraction(number) * Fraction(10) ** SUFFIXES[suffix] * (1000 if part == "cpu" else 1)
    if exact > LARGEST:
        with pytest.raises(QuantityInvalid):
            parse(part, f"{number}{suffix}")
    else:
        assert parse(part, f"{number}{suffix}") == -(-exact.numerator // exact.denominator)


@given(st.integers(0, 10**4), st.sampled_from(sorted(BINARY)))
def test_binary_suffixes_are_powers_of_1024(number, suffix):
    assert parse("memory", f"{number}{suffix}") == number * 1024 ** BINARY[suffix]


@given(parts, st.text(max_size=60))
def test_any_text_is_read_or_refused_with_the_part_named(part, text):
    try:
        answer = parse(part, text)
    except QuantityInvalid as error:
        answer = error.part
    assert answer == part or 0 <= answer <= LARGEST


@pytest.mark.parametrize(
    ("part", "text", "value"),
    [
        ("cpu", "500m", 500),
        ("cpu", "1.5", 1500),
        ("cpu", ".5", 500),
        ("cpu", "2", 2000),
        ("cpu", "0.0001", 1),
        ("cpu", "1e2", 100_000),
        ("cpu", 4, 4000),
        ("memory", "2Gi", 2 * 1024**3),
        ("memory", "1.5Gi", 1536 * 1024**2),
        ("memory", "1G", 10**9),
        ("memory", "1E-1", 1),
        ("storage", " 100Gi ", 100 * 1024**3),
        ("pods", "50", 50),
        ("gpus", "0", 0),
    ],
)
def test_what_kubernetes_reads_is_read(part, text, value):
    assert parse(part, text) == value


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (None, "empty"),
        (True, "empty"),
        ("-1", "negative"),
        ("1 Gi", "form"),
        ("Gi", "form"),
        ("1gb", "form"),
        ("1e999999999", "form"),
        ("9" * 31, "form"),
        ("٣", "form"),
        ("NaN", "form"),
        ("1\0", "form"),
        ("1e99", "too-large"),
        ("65Pi", "too-large"),
    ],
)
def test_what_is_no_amount_is_refused_and_says_why(text, code):
    with pytest.raises(QuantityInvalid) as refused:
        parse("memory", text)
    assert (refused.value.part, refused.value.code) == ("memory", code)
    assert "8Gi" in str(refused.value)


def test_a_part_that_does_not_exist_is_refused():
    with pytest.raises(QuantityInvalid, match="ram"):
        Resources.from_json({"ram": "1Gi"})


@pytest.mark.parametrize(
    ("part", "value", "text"),
    [
        ("cpu", 500, "500m"),
        ("cpu", 2000, "2"),
        ("memory", 2 * 1024**3, "2Gi"),
        ("memory", 1536 * 1024**2, "1536Mi"),
        ("memory", 1000, "1000"),
        ("memory", 0, "0"),
        ("pods", 1024, "1024"),
    ],
)
def test_an_amount_is_written_in_its_shortest_exact_form(part, value, text):
    assert quantity(part, value) == text
