"""The Self-healing tab and its API: what was decided and why, answers to suggestions, consents."""

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.models import HealingConsent, HealingDecision, Workload
from clusters.healing.nodes import Verdict, Witness
from clusters.models import NodeDecision
from clusters.services import node_decisions
from tests.apps.things import make_app, make_environment, make_release
from tests.clusters.kube_objects import make_cluster, make_nodes, raw_node

pytestmark = pytest.mark.django_db


@pytest.fixture
def workload(monkeypatch, tenant):
    environment, _fake = make_environment(monkeypatch, tenant)
    app = make_app(tenant)
    return Workload.objects.create(
        tenant=tenant, app=app, environment=environment, release=make_release(app), state="healthy"
    )


def decision(workload, **values):
    now = timezone.now()
    given = {"rung": "restart", "state": "open", "why": "crash-loop", "mode": "approve", **values}
    return HealingDecision.objects.create(
        tenant=workload.tenant,
        workload=workload,
        release=workload.release,
        first_at=now,
        last_at=now,
        **given,
    )


def address(name, workload, *more):
    return reverse(name, args=[workload.tenant.name, workload.app.name, workload.environment.name, *more])


@pytest.fixture
def signed_in(client, tenant, join):
    def sign_in(role):
        client.force_login(join(tenant, role))
        return client

    return sign_in


def test_decisions_are_told_with_reason_and_evidence(signed_in, workload):
    decision(workload, seen={"evidence": "web-1: Error, exit code 1", "memory": 150 * 1024**2}, count=3)
    text = signed_in("viewer").get(address("apps:healing", workload)).content.decode()
    assert "Its containers keep ending and starting again." in text
    assert "web-1: Error, exit code 1" in text
    assert "Memory: 150 MiB" in text
    assert "same reason, 3 times" in text
    assert 'name="approve"' not in text


def test_what_a_cluster_says_is_text_not_markup(signed_in, workload):
    decision(workload, seen={"evidence": "<script>alert(1)</script>"})
    text = signed_in("operator").get(address("apps:healing", workload)).content.decode()
    assert "<script>alert" not in text


def test_a_suggestion_is_approved_and_becomes_an_operation(signed_in, workload):
    row = decision(workload)
    client = signed_in("operator")
    assert 'name="approve"' in client.get(address("apps:healing", workload)).content.decode()
    answer = client.post(address("apps:healing_decide", workload, row.pk), {"approve": "1"}, follow=True)
    row.refresh_from_db()
    assert (row.state, bool(row.operation_id)) == ("done", True)
    assert "It is being done." in answer.content.decode()


def test_one_that_was_declined_says_so_when_asked_again(signed_in, workload):
    row = decision(workload)
    client = signed_in("operator")
    client.post(address("apps:healing_decide", workload, row.pk), {"decline": "1"})
    answer = client.post(address("apps:healing_decide", workload, row.pk), {"approve": "1"}, follow=True)
    row.refresh_from_db()
    assert row.state == "declined"
    assert "This was decided already." in answer.content.decode()


def test_consents_are_chosen_rung_by_rung(signed_in, workload):
    client = signed_in("operator")
    form = client.get(address("apps:healing", workload)).context["form"]
    given = {name: field.initial for name, field in form.fields.items()} | {"return": "approve"}
    assert client.post(address("apps:healing_consent", workload), given).status_code == 303
    assert list(HealingConsent.objects.values_list("rung", "mode")) == [("return", "approve")]
    assert client.post(address("apps:healing_consent", workload), {"return": "x"}).status_code == 422


def test_the_api_lists_answers_and_reads_consents(signed_in, workload):
    row = decision(workload)
    client = signed_in("operator")
    place = f"/api/v1/tenants/{workload.tenant.name}/apps/web/in/dev/healing"
    (item,) = client.get(place).json()["results"]
    assert (item["rung"], item["why"]) == ("restart", "crash-loop")
    assert client.get(f"{place}/consent").json()["node_loss"] == "automatic"
    changed = client.put(f"{place}/consent", {"node_loss": "approve"}, content_type="application/json")
    assert changed.json()["node_loss"] == "approve"
    assert client.post(f"{place}/{row.pk}/decline").json()["state"] == "declined"
    assert client.post(f"{place}/{row.pk}/approve").status_code == 409


def test_a_lost_node_is_explained_and_a_person_says_that_it_is_off(client, operator):
    cluster = make_cluster()
    make_nodes(cluster, raw_node("w1"))
    witnesses = (Witness("probe", "2"), Witness("peer", "w2"))
    row = node_decisions.record(
        cluster_pk=cluster.pk, verdict=Verdict("w1", "lost", "witnesses", witnesses), failing_since=None
    )
    node_decisions.keep_outcome(row=row, outcome={"replaced": ["a/web-1"], "waiting": ["a/db-0"]})
    client.force_login(operator)
    text = client.get(reverse("clusters:node", args=[cluster.name, "w1"])).content.decode()
    assert "w2 cannot reach it either." in text
    assert "Waiting until the machine is known to be off: a/db-0" in text
    client.post(reverse("clusters:node_fence", args=[cluster.name, "w1"]))
    assert NodeDecision.objects.get().fenced_by == "operator"
