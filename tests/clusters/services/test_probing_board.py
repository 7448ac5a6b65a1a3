"""What wardens know together: the portal's own witnesses are learnt while all is well and believed when it is not."""

from clusters.healing.own_network import Witness
from clusters.services import probing_board
from clusters.services.probing_board import Board

GATEWAY = Witness("10.0.0.1")


class Network:
    """Whoever is in `up` answers; every question is counted."""

    def __init__(self, *up):
        self.up, self.asked = set(up), 0

    def __call__(self, witnesses):
        self.asked += 1
        return {each: each in self.up for each in witnesses}


def board(network, monkeypatch):
    monkeypatch.setattr(probing_board, "FRESH", 0.0)
    return Board(ask=network, witnesses=[GATEWAY])


def test_a_gateway_that_fell_silent_is_why_nothing_is_done(monkeypatch):
    network = Network(GATEWAY)
    made = board(network, monkeypatch)
    assert made.suspicion() == ""
    network.up.clear()
    assert made.suspicion() == "gateway"
    network.up.add(GATEWAY)
    assert made.suspicion() == ""


def test_a_gateway_that_never_answers_is_no_witness(monkeypatch):
    assert board(Network(), monkeypatch).suspicion() == ""


def test_most_clusters_out_of_reach_is_a_reason_of_its_own(monkeypatch):
    made = board(Network(GATEWAY), monkeypatch)
    for pk in (1, 2):
        made.put(pk, 3, 3)
    assert made.suspicion() == "portal"
    made.drop(1)
    assert made.suspicion() == ""


def test_while_all_is_well_it_is_asked_now_and_then_only():
    network = Network(GATEWAY)
    made = Board(ask=network, witnesses=[GATEWAY])
    for _turn in range(5):
        made.look(urgent=False)
    made.suspicion()
    assert network.asked == 1


def test_a_question_that_fails_is_no_answer(monkeypatch):
    def fails(_witnesses):
        raise OSError("no socket")

    assert board(fails, monkeypatch).suspicion() == ""


def test_configured_addresses_go_before_the_gateway(settings):
    settings.OWN_WITNESSES = ["127.0.0.1:9"]
    assert Board()._witnesses() == [Witness("127.0.0.1", 9)]
