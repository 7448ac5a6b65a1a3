"""Many objects side by side: in an order that holds, no more at once than allowed, and the first error ends it."""

import threading

import pytest

from clusters.adapters.applying import apply_all


def item(kind, name):
    return {"kind": kind, "metadata": {"name": name}}


def test_answers_come_in_the_order_of_the_question():
    wanted = [item("Deployment", "a"), item("ConfigMap", "b"), item("Namespace", "c")]
    assert apply_all(lambda each: {"was": each["metadata"]["name"]}, wanted) == [
        {"was": "a"},
        {"was": "b"},
        {"was": "c"},
    ]


def test_what_others_stand_on_is_there_before_them():
    done = []
    wanted = [item("Deployment", "a"), item("Secret", "b"), item("Namespace", "c"), item("ConfigMap", "d")]
    apply_all(lambda each: done.append(each["kind"]) or each, wanted)
    assert (done[0], done[-1]) == ("Namespace", "Deployment")


def test_many_are_on_their_way_at_once_and_never_more_than_allowed():
    together = threading.Barrier(4, timeout=10)

    def apply(each):
        together.wait()  # passes only when four are here
        return each

    assert len(apply_all(apply, [item("ConfigMap", str(n)) for n in range(8)], width=4)) == 8


def test_the_first_error_stops_what_has_not_begun():
    begun = []

    def apply(each):
        begun.append(each)
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        apply_all(apply, [item("ConfigMap", str(n)) for n in range(100)], width=2)
    assert len(begun) < 100


def test_after_an_error_nothing_of_a_later_group_is_applied():
    begun = []

    def apply(each):
        begun.append(each["kind"])
        if each["kind"] == "Secret":
            raise ValueError("refused")
        return each

    with pytest.raises(ValueError, match="refused"):
        apply_all(apply, [item("Deployment", "a"), item("Secret", "b"), item("ConfigMap", "c")])
    assert "Deployment" not in begun


def test_nothing_is_nothing():
    assert apply_all(lambda each: each, []) == []
