"""Powering off the machine of a lost node: who may, when it is refused, what counts as off, what is written down."""

from datetime import timedelta

import pytest
from django.utils import timezone

from clusters.errors import NodeRefused, ValueRefused
from clusters.healing.fencing import Commands
from clusters.healing.nodes import Verdict, Witness
from clusters.models import FencingMethod, NodeDecision
from clusters.services import fencing, fencing_methods, node_decisions
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import runner
from kcloud_site.operations.models import LogLine, Operation
from tests.clusters.kube_objects import make_cluster, make_host

pytestmark = pytest.mark.django_db
WITNESSES = (Witness("probe", "2"), Witness("peer", "w2"))


@pytest.fixture
def switch(tmp_path, settings):
    """A program that keeps the power of machines as a file each; its path."""
    path = tmp_path / "switch"
    path.write_text(
        '#!/bin/sh\ncd "$(dirname "$0")" || exit 9\n[ "$FENCING_SECRET" = sesame ] || { echo denied; exit 1; }\n'
        'case $1 in off) echo down > "$2" ;; status) echo "power is $(cat "$2" 2>/dev/null || echo up)" ;; esac\n'
    )
    path.chmod(0o755)
    settings.FENCING_PROGRAMS = [str(path)]
    return str(path)


@pytest.fixture
def cluster():
    return make_cluster()


@pytest.fixture
def host(cluster):
    # Nothing listens at this address: it does not answer.
    return make_host("w1", cluster=cluster, address="127.77.0.1", role="worker")


def keep(of, program, by=None, mode="automatic", secret="sesame", **changed):
    values = {
        "off": ("off", "{host}"),
        "status": ("status", "{host}"),
        "off_text": "power is down",
        "seconds": 5,
    }
    commands = Commands(program, **{**values, **changed})
    return fencing_methods.keep_method(of=of, commands=commands, mode=mode, secret=secret, by=by)


@pytest.fixture
def silent(monkeypatch):
    """Hosts that answer the probe of the step; the others do not."""
    answering = set()

    class Answers:
        def round(self, targets):
            return {each.name: each.name in answering for each in targets}

        def close(self):
            """Nothing to close."""

    monkeypatch.setattr(fencing, "Prober", Answers)
    return answering


@pytest.fixture
def lost(cluster, host, silent):
    verdict = Verdict("w1", "lost", "witnesses", WITNESSES)
    row = node_decisions.record(cluster_pk=cluster.pk, verdict=verdict, failing_since=timezone.now())
    node_decisions.keep_outcome(row=row, outcome={"replaced": [], "waiting": ["retail-dev/db-0"]})
    return row


def run(operation):
    runner.run(operation.pk)
    operation.refresh_from_db()
    return operation


def log(operation):
    return "\n".join(
        LogLine.objects.filter(operation=operation).order_by("id").values_list("text", flat=True)
    )


# --- what is kept --------------------------------------------------------------------------------


def test_a_hosts_own_way_goes_before_its_regions(host, switch):
    keep(host.region, switch)
    assert fencing_methods.method_for(host).target == "region lab"
    own = keep(host, switch, mode="approve")
    assert fencing_methods.method_for(host) == own
    fencing_methods.remove_method(of=host, by=None)
    assert fencing_methods.method_for(host).target == "region lab"


def test_a_program_nobody_allowed_is_refused_with_its_field(host, switch):
    with pytest.raises(ValueRefused) as refused:
        keep(host, "/bin/sh")
    assert refused.value.field == "program"
    assert not FencingMethod.objects.exists()


def test_the_secret_is_sealed_kept_when_none_is_given_and_told_to_nobody(host, switch, operator):
    made = keep(host, switch, by=operator)
    assert b"sesame" not in bytes(made.sealed_secret)
    keep(host, switch, by=operator, secret="")
    assert fencing.access.fencing_secret(FencingMethod.objects.get()) == "sesame"
    events = AuditEvent.objects.filter(action="fencing.keep").order_by("id")
    assert [event.after["secret_replaced"] for event in events] == [True, False]
    assert "sesame" not in str([event.after for event in events])


# --- by the rule ---------------------------------------------------------------------------------


def test_a_lost_machine_is_powered_off_and_what_has_an_identity_may_move(host, lost, switch):
    keep(host, switch)
    fencing.consider(lost)
    operation = run(Operation.objects.get(kind=fencing.KIND))
    assert operation.state == "succeeded", operation.failure
    lost.refresh_from_db()
    assert lost.fenced_at is not None
    assert lost.fenced_by == switch
    assert (lost.fencing["off"], lost.fencing["tries"]) == (True, 1)
    event = AuditEvent.objects.get(action="node.fenced")
    assert (event.actor, event.after) == ("node loss", {"node": "w1", "how": switch})
    assert "sesame" not in log(operation)


@pytest.mark.parametrize("what", ["nothing waits", "ask first", "no way", "confirmed"])
def test_nothing_is_powered_off_without_need_or_consent(host, lost, switch, what):
    if what != "no way":
        keep(host, switch, mode="approve" if what == "ask first" else "automatic")
    if what == "nothing waits":
        lost.outcome["waiting"] = []
    if what == "confirmed":
        lost.fenced_at = timezone.now()
    fencing.consider(lost)
    assert not Operation.objects.filter(kind=fencing.KIND).exists()


def test_what_answers_at_this_very_moment_is_not_powered_off(host, lost, switch, silent):
    keep(host, switch)
    silent.add("w1")
    fencing.consider(lost)
    operation = run(Operation.objects.get(kind=fencing.KIND))
    assert operation.state == "failed"
    assert "off w1" not in log(operation)
    lost.refresh_from_db()
    assert (lost.fenced_at, lost.fencing["off"]) == (None, False)


def test_what_came_back_meanwhile_is_not_powered_off(host, lost, switch):
    keep(host, switch)
    fencing.consider(lost)
    node_decisions.end(row=lost)
    assert run(Operation.objects.get(kind=fencing.KIND)).state == "failed"


def test_a_command_that_ended_well_is_no_proof(host, lost, switch):
    keep(host, switch, off_text="power is nowhere")
    fencing.consider(lost)
    operation = run(Operation.objects.get(kind=fencing.KIND))
    assert operation.state == "failed"
    assert "power is down" in operation.failure["why"]
    lost.refresh_from_db()
    assert lost.fenced_at is None


def test_it_tries_three_times_with_a_minute_between(host, lost, switch):
    keep(host, switch, secret="wrong")
    for tries in (1, 2, 3):
        for _turn in range(2):
            fencing.consider(NodeDecision.objects.get())
        assert Operation.objects.filter(kind=fencing.KIND).count() == tries
        Operation.objects.filter(kind=fencing.KIND).update(state="failed", active_subject=None)
        row = NodeDecision.objects.get()
        row.fencing["at"] = (timezone.now() - timedelta(seconds=61)).isoformat()
        row.save()
    fencing.consider(NodeDecision.objects.get())
    assert Operation.objects.filter(kind=fencing.KIND).count() == 3


# --- by a person ---------------------------------------------------------------------------------


def test_only_a_lost_node_with_a_known_way_can_be_powered_off(cluster, host, switch, operator):
    keep(host, switch)
    with pytest.raises(NodeRefused):
        fencing.power_off(cluster=cluster, node="w1", by=operator)


def test_a_persons_word_powers_off_what_is_lost(cluster, host, lost, switch, operator):
    keep(host, switch, mode="approve")
    assert run(fencing.power_off(cluster=cluster, node="w1", by=operator)).state == "succeeded"
    assert AuditEvent.objects.get(action="node.fenced").actor == "operator"


def test_a_dry_run_says_what_would_be_run_and_powers_nothing_off(host, switch, operator, tmp_path):
    keep(host, switch)
    operation = run(fencing.try_method(host=host, by=operator))
    assert operation.state == "succeeded"
    assert f"{switch} off w1" in log(operation)
    assert "power is up" in log(operation)
    assert not (tmp_path / "w1").exists()


def test_a_program_that_is_no_longer_allowed_is_not_run(host, lost, switch, settings, tmp_path):
    keep(host, switch)
    fencing.consider(lost)
    settings.FENCING_PROGRAMS = []
    assert run(Operation.objects.get(kind=fencing.KIND)).state == "failed"
    assert not (tmp_path / "w1").exists()
