"""Pages of quota and requests through Django's client."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from clusters.models import TenantRequest
from clusters.selectors import quotas as standing_of
from clusters.services import quotas, requests, usage
from kcloud_site import attention
from kcloud_site.tenants.models import Loan, Quota
from kcloud_site.tenants.resources import Resources
from tests.clusters.carving import GIB, ROOM, SHARE, carve, cluster

pytestmark = pytest.mark.django_db

MORE = Resources(cpu=2000)
AMOUNT = {"cpu": "2", "memory": "", "storage": "", "pods": "", "gpus": "", "reason": "load test"}


@pytest.fixture
def given(tenant):
    quotas.set_total(tenant=tenant, total=ROOM, by=None)
    return tenant


@pytest.fixture
def developer(tenant, join):
    return join(tenant, "developer")


@pytest.fixture
def asked(tenant, developer):
    return requests.ask_for_quota(tenant=tenant, amount=MORE, reason="more customers", by=developer)


@pytest.fixture
def see(client):
    def open_page(person, name, *arguments, query="", status=200):
        client.force_login(person)
        answer = client.get(reverse(f"clusters:{name}", args=arguments) + query)
        assert answer.status_code == status
        return answer.content.decode()

    return open_page


@pytest.fixture
def send(client):
    def post(person, address, /, *arguments, status=303, **values):
        client.force_login(person)
        answer = client.post(reverse(f"clusters:{address}", args=arguments), values)
        assert answer.status_code == status, answer.content.decode()[:3000]
        return answer.content.decode()

    return post


def lend_and_let_it_end(tenant):
    until = timezone.now() + timedelta(days=1)
    quotas.lend(tenant=tenant, amount=SHARE, until=until, by=None, reason="load test")
    carve(tenant, ROOM + SHARE)
    quotas.end_due_loans(until)


# ---- quota


def test_the_quota_page_shows_bars_environments_and_loans(given, developer, see):
    carve(given, name="dev")
    quotas.lend(
        tenant=given, amount=MORE, until=timezone.now() + timedelta(days=3), by=None, reason="load test"
    )
    page = see(developer, "quota", "retail")
    assert 'aria-label="CPU: – used, 2 cores carved out, limit 10 cores."' in page
    assert reverse("clusters:environment", args=["retail", "dev"]) in page
    assert "load test" in page
    assert "End it now" not in page


def test_the_history_is_a_chart_with_a_table_behind_it(given, developer, see):
    usage.sample(timezone.now())
    page = see(developer, "quota", "retail", query="?of=memory&days=1")
    assert '<svg class="kc-chart"' in page
    assert "Memory used: lowest 0\xa0B" in page
    assert "Show as table" in page
    see(developer, "quota", "retail", query="?of=nonsense&days=x")


def test_a_tenant_without_quota_is_told_how_to_get_one(tenant, developer, see):
    assert "No quota yet" in see(developer, "quota", "retail")
    assert "Ask for quota" in see(developer, "quota_panel", "retail")


def test_over_the_quota_the_page_and_the_operators_overview_say_so_and_what_to_do(
    given, developer, see, operator
):
    lend_and_let_it_end(given)
    page = see(developer, "quota", "retail")
    assert "by CPU 2 cores, Memory 4" in page
    assert "Nothing that runs is stopped" in page
    [item] = [item for item in attention.overview().items if item.state == "over-quota"]
    assert (item.detail, item.address) == ("Retail", reverse("clusters:quota", args=["retail"]))
    assert "CPU 2 cores" in item.why


def test_an_operator_sets_the_total_and_what_is_too_small_is_refused_with_the_form(given, operator, send):
    send(operator, "quota_edit", "retail", **{**AMOUNT, "cpu": "16", "memory": "32Gi", "pods": "100"})
    assert Quota.objects.get().resources == Resources(cpu=16_000, memory=32 * GIB, pods=100)
    carve(given, Resources(cpu=4000, pods=1))
    page = send(operator, "quota_edit", "retail", status=422, **AMOUNT)
    assert "Carved out in environments: CPU 4 cores" in page
    assert Quota.objects.get().cpu == 16_000


def test_a_wrong_amount_marks_its_field_and_keeps_what_was_typed(given, operator, send):
    page = send(operator, "quota_edit", "retail", status=422, **{**AMOUNT, "memory": "lots"})
    assert 'value="lots"' in page
    assert "This is not an amount" in page


def test_an_operator_lends_and_takes_back(given, operator, send):
    day = (timezone.now() + timedelta(days=3)).date()
    send(operator, "loan_create", "retail", **AMOUNT, until=day.isoformat())
    loan = Loan.objects.get()
    assert (loan.resources, loan.ends_at.date()) == (MORE, day + timedelta(days=1))
    send(operator, "loan_end", "retail", loan.pk)
    loan.refresh_from_db()
    assert loan.ended_by == "operator"


def test_members_neither_set_nor_lend(given, join, send, see):
    owner = join(given, "owner")
    for name in ("quota_edit", "loan_create"):
        see(owner, name, "retail", status=403)
        send(owner, name, "retail", status=403, **AMOUNT)


def test_the_quota_page_costs_the_same_for_many_environments(given, developer, client):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as counted:
            client.get(reverse("clusters:quota", args=["retail"]))
        return len(counted)

    client.force_login(developer)
    carve(given, MORE)
    few = queries()
    quotas.set_total(tenant=given, total=Resources(cpu=100_000), by=None)
    for _each in range(10):
        carve(given, MORE)
    assert queries() == few


# ---- asking


@pytest.mark.parametrize("kind", ["environment", "quota", "loan"])
def test_every_kind_can_be_asked_for_and_leads_to_its_page(tenant, developer, send, see, kind):
    cluster()
    extra = {
        "environment": {"name": "dev", "stage": "dev", "cluster": "east", "memory": "1Gi", "pods": "5"},
        "loan": {"until": (timezone.now() + timedelta(days=3)).date().isoformat()},
    }
    assert f"/requests/new/{kind}/" in see(developer, "request_create", "retail")
    see(developer, "request_new", "retail", kind)
    send(developer, "request_new", "retail", kind, **{**AMOUNT, **extra.get(kind, {})})
    made = TenantRequest.objects.get()
    assert (made.kind, made.requested_by, made.link.startswith("http://")) == (kind, developer, True)
    page = see(developer, "request", "retail", made.pk)
    assert "load test" in page
    assert "Withdraw" in page
    assert "Approve" not in page


def test_what_is_wrong_is_marked_and_nothing_is_lost(tenant, developer, send):
    page = send(developer, "request_new", "retail", "quota", status=422, **{**AMOUNT, "cpu": "0"})
    assert "Nothing is asked for" in page
    assert "load test" in page
    yesterday = (timezone.now() - timedelta(days=2)).date().isoformat()
    page = send(developer, "request_new", "retail", "loan", status=422, **AMOUNT, until=yesterday)
    assert "would have ended already" in page
    assert not TenantRequest.objects.exists()


def test_an_unknown_kind_is_not_there(tenant, developer, see):
    see(developer, "request_new", "retail", "moon", status=404)


def test_viewers_read_and_do_not_ask(tenant, asked, join, see, send):
    viewer = join(tenant, "viewer")
    assert "more customers" in see(viewer, "request", "retail", asked.pk)
    see(viewer, "request_create", "retail", status=403)
    send(viewer, "request_comment", "retail", asked.pk, status=403, text="hello")


def test_outsiders_find_nothing(asked, other_tenant, join, see, send):
    outsider = join(other_tenant, "owner")
    see(outsider, "request", "retail", asked.pk, status=404)
    send(outsider, "request_withdraw", "retail", asked.pk, status=404)
    see(outsider, "request", "logistics", asked.pk, status=404)


# ---- deciding


def test_an_operator_finds_it_in_queue_and_overview_and_approves(asked, operator, see, send, client):
    assert "More quota: CPU 2 cores" in see(operator, "request_queue")
    [item] = [item for item in attention.overview().items if item.state == "approval"]
    assert client.get(item.address).headers["Location"] == reverse(
        "clusters:request", args=["retail", asked.pk]
    )
    assert "Free after" in see(operator, "request", "retail", asked.pk)
    send(operator, "request_approve", "retail", asked.pk, reason="fine")
    assert standing_of.standing(asked.tenant).total == MORE
    assert attention.overview().items == []
    page = see(asked.requested_by, "request", "retail", asked.pk)
    assert "Decided by operator." in page
    assert "fine" in page


def test_declining_needs_a_reason(asked, operator, send, see):
    page = send(operator, "request_decline", "retail", asked.pk, status=422, reason="")
    assert 'id="decline_reason"' in page
    send(operator, "request_decline", "retail", asked.pk, reason="use what is free")
    assert "use what is free" in see(asked.requested_by, "request", "retail", asked.pk)


def test_who_comes_second_is_told(asked, operator, send):
    send(operator, "request_decline", "retail", asked.pk, reason="no")
    page = send(operator, "request_approve", "retail", asked.pk, status=409)
    assert "operator has decided: Declined" in page


def test_members_do_not_decide(asked, join, send):
    owner = join(asked.tenant, "owner")
    for name in ("request_approve", "request_decline", "request_apply"):
        send(owner, name, "retail", asked.pk, status=403, reason="x")


def test_the_requester_and_owners_withdraw_others_do_not(asked, join, send):
    send(join(asked.tenant, "operator"), "request_withdraw", "retail", asked.pk, status=403)
    send(join(asked.tenant, "owner"), "request_withdraw", "retail", asked.pk)
    assert TenantRequest.objects.get().state == "withdrawn"


def test_what_failed_says_why_and_can_be_applied_again(tenant, developer, operator, send, see):
    failed = requests.ask_for_environment(
        tenant=tenant,
        cluster=cluster(),
        name="dev",
        stage="dev",
        share=SHARE,
        reason="x",
        by=developer,
    )
    send(operator, "request_approve", "retail", failed.pk)
    page = see(operator, "request", "retail", failed.pk)
    assert "quota does not hold that much" in page
    assert "Apply again" in page
    assert "Apply again" not in see(developer, "request", "retail", failed.pk)
    assert attention.overview().items[0].state == "failed"
    quotas.set_total(tenant=tenant, total=ROOM, by=None)
    send(operator, "request_apply", "retail", failed.pk)
    assert "/operations/" in see(developer, "request", "retail", failed.pk)


def test_both_sides_talk_and_what_they_say_is_text(asked, operator, send, see):
    send(operator, "request_comment", "retail", asked.pk, text="<b>why</b> so much?")
    send(asked.requested_by, "request_comment", "retail", asked.pk, text="black friday")
    page = see(operator, "request", "retail", asked.pk)
    assert "&lt;b&gt;why&lt;/b&gt; so much?" in page
    assert page.index("so much?") < page.index("black friday")
    send(operator, "request_comment", "retail", asked.pk, status=422, text="")


@pytest.mark.parametrize("name", ["requests", "request_queue", "requests_panel"])
def test_lists_cost_the_same_for_many_requests(asked, developer, operator, client, name):
    arguments = [] if name == "request_queue" else ["retail"]

    def queries():
        with CaptureQueriesContext(connection) as counted:
            assert client.get(reverse(f"clusters:{name}", args=arguments)).status_code == 200
        return len(counted)

    client.force_login(operator)
    queries()
    few = queries()
    for _each in range(20):
        requests.ask_for_quota(tenant=asked.tenant, amount=MORE, reason="x", by=developer)
    assert queries() == few


def test_the_list_is_filtered_by_state(asked, operator, see, send):
    assert "More quota" in see(operator, "requests", "retail", query="?state=open")
    page = see(operator, "requests", "retail", query="?state=applied")
    assert "No request matches" in page
