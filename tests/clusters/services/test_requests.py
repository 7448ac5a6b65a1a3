"""A request on its way: asked, talked about, decided once, applied once, and what each side is told."""

from datetime import timedelta

import pytest
from django.utils import timezone

from clusters.errors import ClusterUnreachable, RequestDecided, RequestRefused, ValueRefused
from clusters.models import Cluster, Environment, TenantRequest
from clusters.selectors import quotas as standing_of
from clusters.selectors import requests as reading
from clusters.services import applying, environments, quotas, request_mails, requests
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import services as operations
from kcloud_site.operations.models import Operation
from kcloud_site.tenants.errors import TenantClosed
from kcloud_site.tenants.models import Loan, Quota, User
from kcloud_site.tenants.resources import Resources
from kcloud_site.tenants.services import tenants
from tests.clusters.environments import ROOM, SHARE, carry_out, fake_cluster, give_quota
from tests.operations.test_races import all_at_once, append
from tests.tenants.conftest import letterbox  # noqa: F401

MORE = Resources(cpu=2000)
State = TenantRequest.State


@pytest.fixture
def place(monkeypatch, tenant):
    return fake_cluster(monkeypatch)


@pytest.fixture
def asker(tenant, join):
    return join(tenant, "developer")


@pytest.fixture
def quota_request(tenant, asker):
    return requests.ask_for_quota(tenant=tenant, amount=MORE, reason="more customers", by=asker)


@pytest.fixture
def environment_request(tenant, asker, place):
    return ask_for_environment(tenant, asker, place[0])


def ask_for_environment(tenant, asker, cluster, **changes):
    wanted = {"name": "dev", "stage": "dev", "share": SHARE, "reason": "a new shop", **changes}
    return requests.ask_for_environment(tenant=tenant, cluster=cluster, by=asker, **wanted)


def ask_for_loan(tenant, asker, days=7):
    until = timezone.now() + timedelta(days=days)
    return requests.ask_for_loan(tenant=tenant, amount=MORE, until=until, reason="load test", by=asker)


def total_of(tenant):
    return standing_of.standing(tenant).total


# ---- asking


def test_who_asks_what_and_why_is_kept_and_recorded(quota_request, asker, tenant):
    assert (quota_request.state, quota_request.requested_by) == (State.OPEN, asker)
    event = AuditEvent.objects.get(action="request.create")
    assert (event.actor, event.tenant_id, event.reason) == (asker.username, tenant.pk, "more customers")
    assert event.after["amount"]["cpu"] == "2"


def test_a_request_for_nothing_or_without_a_reason_is_refused_at_the_field(tenant, asker):
    with pytest.raises(ValueRefused) as nothing:
        requests.ask_for_quota(tenant=tenant, amount=Resources(), reason="x", by=asker)
    with pytest.raises(ValueRefused) as no_reason:
        requests.ask_for_quota(tenant=tenant, amount=MORE, reason="  ", by=asker)
    assert (nothing.value.field, no_reason.value.field) == ("cpu", "reason")
    assert not TenantRequest.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"name": "Dev!"}, "name"), ({"stage": "moon"}, "stage"), ({"name": "new"}, "name")],
)
def test_an_environment_that_could_not_be_made_cannot_be_asked_for(tenant, asker, place, changes, field):
    with pytest.raises(ValueRefused) as refused:
        ask_for_environment(tenant, asker, place[0], **changes)
    assert refused.value.field == field


def test_a_loan_must_end_in_a_year_and_not_in_the_past(tenant, asker):
    for days in (-1, 400):
        with pytest.raises(ValueRefused, match="date"):
            ask_for_loan(tenant, asker, days)


def test_nothing_is_asked_for_in_a_closed_tenant(tenant, asker):
    tenants.close_tenant(tenant=tenant, by=None, reason="merged")
    with pytest.raises(TenantClosed):
        requests.ask_for_quota(tenant=tenant, amount=MORE, reason="x", by=asker)


# ---- deciding


def test_approved_quota_is_added_to_the_total_at_that_moment(quota_request, tenant, operator):
    give_quota(tenant)
    requests.approve(request=quota_request, by=operator, reason="fine")
    assert quota_request.state == State.APPLIED
    assert (quota_request.decided_by_name, quota_request.decision_reason) == ("operator", "fine")
    assert total_of(tenant) == ROOM + MORE
    event = AuditEvent.objects.filter(action="quota.change").latest("id")
    assert (event.actor, event.reason) == ("operator", f"req-{quota_request.pk}: more customers")


def test_an_approved_loan_is_lent_until_the_date_asked_for(tenant, asker, operator):
    asked = ask_for_loan(tenant, asker)
    requests.approve(request=asked, by=operator)
    loan = Loan.objects.get()
    assert (loan.resources, loan.ends_at.isoformat(), loan.lent_by) == (
        MORE,
        asked.wanted["until"],
        "operator",
    )


def test_a_declined_request_changes_nothing_and_says_why(quota_request, tenant, operator):
    with pytest.raises(ValueRefused):
        requests.decline(request=quota_request, by=operator, reason=" ")
    requests.decline(request=quota_request, by=operator, reason="use what is free")
    assert (quota_request.state, quota_request.decision_reason) == (State.DECLINED, "use what is free")
    assert total_of(tenant) is None


def test_a_decision_stands(quota_request, operator, asker):
    requests.decline(request=quota_request, by=operator, reason="no")
    for late in (
        lambda: requests.approve(request=quota_request, by=operator),
        lambda: requests.withdraw(request=quota_request, by=asker),
        lambda: requests.decline(request=quota_request, by=operator, reason="again"),
    ):
        with pytest.raises(RequestDecided, match="operator has decided: Declined"):
            late()
    with pytest.raises(RequestRefused):
        applying.apply(request=quota_request, by=operator)


def test_what_was_withdrawn_cannot_be_approved(quota_request, operator, asker):
    requests.withdraw(request=quota_request, by=asker)
    with pytest.raises(RequestDecided):
        requests.approve(request=quota_request, by=operator)
    assert not Quota.objects.exists()


def test_nobody_decides_on_a_request_of_their_own(tenant, operator):
    User.objects.create_user("second", password="x", is_staff=True)
    own = requests.ask_for_quota(tenant=tenant, amount=MORE, reason="x", by=operator)
    for decide in (requests.approve, requests.decline):
        with pytest.raises(RequestRefused, match="another platform operator"):
            decide(request=own, by=operator, reason="mine")
    assert TenantRequest.objects.get().state == State.OPEN


def test_the_only_operator_may_and_the_trail_says_so(tenant, operator):
    User.objects.create_user("gone", password="x", is_staff=True, is_active=False)
    own = requests.ask_for_quota(tenant=tenant, amount=MORE, reason="x", by=operator)
    requests.approve(request=own, by=operator)
    assert AuditEvent.objects.get(action="request.approve").after["own_request"] is True


def test_of_operators_who_decide_at_once_one_wins_and_the_other_is_told(real_database, tmp_path):
    tenant = tenants.create_tenant(name="retail", title="Retail", by=None)
    people = [User.objects.create_user(name, password="x", is_staff=True) for name in ("anna", "bert")]
    asker = User.objects.create_user("asker", password="x")
    for number in range(6):
        asked = requests.ask_for_quota(tenant=tenant, amount=MORE, reason="x", by=asker)

        def decide(person, asked=asked, file=tmp_path / str(number)):
            try:
                requests.approve(request=TenantRequest.objects.get(pk=asked.pk), by=person)
                append(file, person.username)
            except RequestDecided as late:
                append(file, f"told:{late.why.split()[0]}")

        assert all_at_once([lambda person=person: decide(person) for person in people]) == [0, 0]
        told = sorted((tmp_path / str(number)).read_text().split())
        asked.refresh_from_db()
        assert asked.state == State.APPLIED
        assert told == sorted([asked.decided_by_name, f"told:{asked.decided_by_name}"])
    assert total_of(tenant) == Resources(cpu=12_000)


def test_two_requests_approved_at_once_are_both_added(real_database):
    tenant = tenants.create_tenant(name="retail", title="Retail", by=None)
    operator = User.objects.create_user("operator", password="x", is_staff=True)
    for number in range(1, 5):
        asked = [
            requests.ask_for_quota(tenant=tenant, amount=MORE, reason="x", by=None) for _each in range(2)
        ]
        works = [lambda each=each: requests.approve(request=each, by=operator) for each in asked]
        assert all_at_once(works) == [0, 0]
        assert total_of(tenant) == Resources(cpu=4000 * number)


# ---- applying


def test_an_approved_environment_is_made_and_the_request_follows(environment_request, tenant, operator):
    give_quota(tenant)
    requests.approve(request=environment_request, by=operator)
    assert environment_request.state == State.APPROVED
    assert environment_request.operation.subject_name == "retail-dev"
    carry_out(environment_request.operation)
    environment_request.refresh_from_db()
    assert environment_request.state == State.APPLIED
    assert Environment.objects.get().resources == SHARE


def test_what_does_not_fit_fails_with_the_reason_and_is_applied_again_once_it_does(
    environment_request, tenant, operator
):
    requests.approve(request=environment_request, by=operator)
    assert environment_request.state == State.FAILED
    assert "CPU 1 core" in environment_request.failure["why"]
    assert not Environment.objects.exists()
    give_quota(tenant)
    applying.apply(request=environment_request, by=operator)
    assert (environment_request.state, environment_request.failure) == (State.APPROVED, {})
    carry_out(environment_request.operation)
    environment_request.refresh_from_db()
    assert environment_request.state == State.APPLIED


def test_a_creation_that_fails_is_told_and_resumed_by_applying_again(
    environment_request, tenant, operator, monkeypatch, place
):
    give_quota(tenant)
    requests.approve(request=environment_request, by=operator)
    with monkeypatch.context() as broken:

        def unreachable(*_place, **_options):
            raise ClusterUnreachable("No API server answered.", "", "See that it runs.")

        broken.setattr("clusters.access.kubernetes_for", unreachable)
        carry_out(environment_request.operation)
    environment_request.refresh_from_db()
    assert environment_request.state == State.FAILED
    assert "No API server answered" in " ".join(environment_request.failure.values())
    first = environment_request.operation_id
    applying.apply(request=environment_request, by=operator)
    assert environment_request.operation_id == first
    carry_out(environment_request.operation)
    environment_request.refresh_from_db()
    assert environment_request.state == State.APPLIED


def test_a_creation_that_was_cancelled_says_so(environment_request, tenant, operator):
    give_quota(tenant)
    requests.approve(request=environment_request, by=operator)
    operations.cancel_operation(operation=environment_request.operation, by=operator)
    environment_request.refresh_from_db()
    assert environment_request.state == State.FAILED
    assert "cancelled" in environment_request.failure["what"]


def test_a_cluster_that_has_gone_meanwhile_is_named(environment_request, tenant, operator):
    Cluster.objects.filter(name="dev").delete()
    requests.approve(request=environment_request, by=operator)
    assert environment_request.state == State.FAILED
    assert "no cluster dev" in environment_request.failure["what"]


def test_what_was_applied_is_not_applied_again(quota_request, tenant, operator):
    requests.approve(request=quota_request, by=operator)
    with pytest.raises(RequestRefused, match="Applied"):
        applying.apply(request=quota_request, by=operator)
    assert total_of(tenant) == MORE


def test_an_environment_at_work_is_not_applied_again(environment_request, tenant, operator):
    give_quota(tenant)
    requests.approve(request=environment_request, by=operator)
    with pytest.raises(RequestRefused):
        applying.apply(request=environment_request, by=operator)
    assert Operation.objects.filter(kind=environments.CREATE).count() == 1


def test_what_a_killed_process_left_approved_is_picked_up_once_by_the_clock(quota_request, tenant):
    long_ago = timezone.now() - timedelta(minutes=5)
    TenantRequest.objects.update(state=State.APPROVED, decided_at=timezone.now())
    assert applying.pick_up(timezone.now()) == 0
    TenantRequest.objects.update(decided_at=long_ago)
    assert applying.pick_up(timezone.now()) == 1
    assert applying.pick_up(timezone.now()) == 0
    assert total_of(tenant) == MORE


def test_a_loan_whose_end_has_passed_before_it_was_approved_fails_and_says_so(tenant, asker, operator):
    asked = ask_for_loan(tenant, asker)
    past = (timezone.now() - timedelta(days=1)).isoformat()
    TenantRequest.objects.update(wanted={**asked.wanted, "until": past})
    asked.refresh_from_db()
    requests.approve(request=asked, by=operator)
    assert (asked.state, Loan.objects.count()) == (State.FAILED, 0)
    assert "ended already" in asked.failure["what"]


# ---- reading


def test_what_applying_would_leave_free_is_said_beforehand(environment_request, tenant):
    quotas.set_total(tenant=tenant, total=Resources(cpu=500, memory=SHARE.memory, pods=10), by=None)
    found = {each.part: each for each in reading.consequences(environment_request)}
    assert (found["cpu"].free, found["cpu"].after, found["cpu"].short) == ("0.5 cores", "-0.5 cores", True)
    assert not found["memory"].short


def test_people_see_the_requests_of_their_tenants_only(quota_request, other_tenant, join, operator, auditor):
    outsider = join(other_tenant, "owner")
    assert list(reading.requests_for(outsider)) == []
    for person in (quota_request.requested_by, operator, auditor):
        assert list(reading.requests_for(person)) == [quota_request]


# ---- comments and mails


def test_comments_keep_their_side_and_order(quota_request, operator, asker):
    requests.comment(request=quota_request, text="why so much?", by=operator)
    requests.comment(request=quota_request, text="black friday", by=asker)
    told = [(said.author, said.by_operator, said.text) for said in quota_request.comments.all()]
    assert told == [("operator", True, "why so much?"), (asker.username, False, "black friday")]
    with pytest.raises(ValueRefused):
        requests.comment(request=quota_request, text="  ", by=asker)


@pytest.fixture
def mailbox(letterbox, operator, asker):  # noqa: F811
    User.objects.filter(pk=operator.pk).update(email="operator@example.com")
    User.objects.filter(pk=asker.pk).update(language="zh-hans")
    return letterbox


def mails_of(mailbox):
    return [(mail["To"], mail.get_payload(decode=True).decode()) for mail in mailbox.mails]


def test_operators_and_the_requester_are_mailed_each_in_their_language(
    mailbox, quota_request, operator, asker
):
    requests.decline(request=quota_request, by=operator, reason="use what is free")
    mailbox.mails.clear()
    assert request_mails.send(request=quota_request.pk, event="declined", actor="operator") == 1
    [(to, text)] = mails_of(mailbox)
    assert to == asker.email
    assert "use what is free" in text
    assert "已拒绝" in text
    assert request_mails.send(request=quota_request.pk, event="created", actor=asker.username) == 1
    assert mails_of(mailbox)[-1][0] == "operator@example.com"
    assert "more customers" in mails_of(mailbox)[-1][1]


def test_a_change_wakes_a_worker_for_the_mails(tenant, asker, django_capture_on_commit_callbacks, mailbox):
    from django_q.models import OrmQ

    from kcloud_site.operations import jobs

    with django_capture_on_commit_callbacks(execute=True):
        asked = requests.ask_for_quota(
            tenant=tenant, amount=MORE, reason="x", by=asker, address=lambda pk: f"https://portal/{pk}/"
        )
    [queued] = [row.task for row in OrmQ.objects.all()]
    name, job, arguments = queued["args"]
    jobs.run_due(name, job, arguments)
    [(to, text)] = mails_of(mailbox)
    assert to == "operator@example.com"
    assert f"https://portal/{asked.pk}/" in text


def test_mails_that_cannot_be_sent_or_queued_do_no_harm(
    quota_request, operator, mailbox, monkeypatch, django_capture_on_commit_callbacks
):
    mailbox.refuses = "550 nobody here"
    assert request_mails.send(request=quota_request.pk, event="created", actor="") == 0

    def away(*_arguments):
        raise ConnectionError("no queue")

    monkeypatch.setattr("kcloud_site.operations.queue.wake_job", away)
    with django_capture_on_commit_callbacks(execute=True):
        requests.approve(request=quota_request, by=operator)
    assert quota_request.state == State.APPLIED
