"""The platform operators' admin: who gets in, that services alone change things, and what each list costs."""

import re

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.models import App, Deployment, Release, Workload
from clusters.models import Bundle, Cluster, Credential, Environment, Host, Region, TenantRequest
from kcloud_site.audit import trail
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations.models import Operation, State
from kcloud_site.tenants.admin_site import LookOnly, PlatformAdmin
from kcloud_site.tenants.models import ApiToken, Grant, Invitation, Loan, Membership, Quota, Tenant, User
from tests.admin.things import MARKER, make

SITE = admin.site._registry
MODELS = sorted(SITE, key=lambda model: model._meta.label_lower)


def address(model, page="changelist", *arguments):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


@pytest.fixture
def things(operator):
    make(1, operator)


@pytest.fixture
def signed_in(client, operator):
    client.force_login(operator)
    return client


# ---- who gets in ---------------------------------------------------------------------------------------------------


def test_it_is_our_site_and_lists_of_ours_alone():
    assert isinstance(admin.site, PlatformAdmin)
    assert all(isinstance(listed, LookOnly) for listed in SITE.values())
    wanted = {
        Tenant,
        User,
        Membership,
        Invitation,
        Grant,
        Quota,
        Loan,
        Region,
        Host,
        Credential,
        Bundle,
        Cluster,
    }
    hosted = {App, Release, Workload, Deployment}
    assert wanted | hosted | {Environment, Operation, AuditEvent} <= set(SITE)


@pytest.mark.parametrize("role", ["viewer", "developer", "operator", "owner"])
def test_members_of_tenants_do_not_get_in(client, tenant, join, role):
    client.force_login(join(tenant, role))
    for page in ("/admin/", *(address(model) for model in MODELS)):
        assert client.get(page, follow=True).status_code == 403, page


def test_a_stranger_is_led_to_the_consoles_door(client, db):
    response = client.get(address(Tenant), follow=True)
    assert response.redirect_chain[-1][0].startswith("/sign-in/")


def test_its_pages_name_their_icon(signed_in):
    """Otherwise a browser asks for /favicon.ico, which is not there."""
    for page in (reverse("admin:index"), address(Tenant)):
        assert '<link rel="icon" href="/static/icon.svg"' in signed_in.get(page).content.decode()


def test_signing_out_and_choosing_a_password_are_the_consoles(signed_in):
    assert signed_in.post("/admin/logout/")["Location"] == reverse("logout")
    assert signed_in.get("/admin/password_change/")["Location"] == reverse("password_change")


def test_an_auditor_looks_at_everything_and_is_offered_nothing_to_do(client, auditor, things):
    client.force_login(auditor)
    for model in MODELS:
        page = client.get(address(model))
        assert page.status_code == 200, model
        assert 'name="action"' not in page.content.decode(), model


@pytest.mark.parametrize("model", [model for model in MODELS if SITE[model].acts])
def test_an_auditor_who_sends_an_action_changes_nothing(client, auditor, things, model):
    client.force_login(auditor)
    before = list(model.objects.values())
    for act in SITE[model].acts:
        pk = model.objects.values_list("pk", flat=True)[0]
        client.post(address(model), {"action": act.key, "_selected_action": pk, "confirmed": "yes"})
    assert list(model.objects.values()) == before
    assert not AuditEvent.objects.filter(actor="auditor").exists()


# ---- nothing is edited past the services ---------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_added_changed_or_deleted(signed_in, things, model):
    row = model.objects.all()[0]
    before = list(model.objects.values())
    assert signed_in.get(address(model, "add")).status_code == 403
    assert signed_in.post(address(model, "add"), {"name": "x"}).status_code == 403
    assert signed_in.post(address(model, "change", row.pk), {"name": "x"}).status_code == 403
    assert signed_in.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    signed_in.post(address(model), chosen)
    assert list(model.objects.values()) == before


@pytest.mark.parametrize("model", MODELS)
def test_lists_and_pages_show_no_secret(signed_in, things, operator, model):
    row = model.objects.all()[0]
    for page in (address(model), address(model, "change", row.pk)):
        response = signed_in.get(page)
        html = response.content.decode()
        assert response.status_code == 200, page
        assert MARKER not in html
        assert operator.password not in html
        assert "sealed" not in html
        assert "password$" not in html


@pytest.mark.parametrize("model", MODELS)
def test_history_leads_to_the_trail(signed_in, things, model):
    response = signed_in.get(address(model, "history", model.objects.all()[0].pk))
    assert response["Location"].startswith(f"/audit/?type={model._meta.label_lower}&id=")


@pytest.mark.parametrize("model", [m for m in MODELS if type(SITE[m]).console is not LookOnly.console])
def test_a_page_leads_to_the_console(signed_in, things, model):
    row = model.objects.all()[0]
    html = signed_in.get(address(model, "change", row.pk)).content.decode()
    assert f'href="{SITE[model].console(row)}" class="viewsitelink"' in html


# ---- lists ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_the_number_of_queries_of_a_list_does_not_grow(signed_in, operator, things, model):
    signed_in.get(address(model))
    with CaptureQueriesContext(connection) as few:
        signed_in.get(address(model))
    for number in range(2, 8):
        make(number, operator)
    with CaptureQueriesContext(connection) as many:
        signed_in.get(address(model))
    assert len(many) == len(few)


@pytest.mark.parametrize("model", MODELS)
def test_search_and_every_filter_answer(signed_in, things, model):
    listed = SITE[model]
    if listed.search_fields:
        assert signed_in.get(address(model), {"q": "c1"}).status_code == 200
    html = signed_in.get(address(model)).content.decode()
    links = re.findall(r'href="(\?[^"]+)"', html)
    assert bool(links) or not listed.list_filter
    for link in links:
        response = signed_in.get(address(model) + link.replace("&amp;", "&"))
        assert response.status_code == 200, link


def test_a_filter_narrows_and_nonsense_in_it_does_not_break(signed_in, operator, things):
    make(2, operator)
    Cluster.objects.filter(name="c2").update(health="healthy")
    html = signed_in.get(address(Cluster), {"health": "degraded"}).content.decode()
    assert ">c1<" in html
    assert ">c2<" not in html
    # A value that is no option is left out, as by Django's own filters of choices.
    assert signed_in.get(address(Cluster), {"health": "nonsense"}).status_code == 200


def test_counting_ends_at_a_thousand(signed_in, operator, things, monkeypatch):
    monkeypatch.setattr("kcloud_site.tenants.admin_site.MOST_COUNTED", 3)
    for _ in range(5):
        trail.record(by=None, action="a.b", subject=trail.Subject("a.b", "1", "x"))
    with CaptureQueriesContext(connection) as made:
        html = signed_in.get(address(AuditEvent)).content.decode()
    counts = [query["sql"] for query in made.captured_queries if "COUNT(" in query["sql"]]
    assert all("LIMIT 3" in sql for sql in counts)
    assert "3 audit events" in html


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_lists_are_called_by_their_titles_in_both_languages(signed_in, operator, things, language):
    User.objects.filter(pk=operator.pk).update(language=language)
    html = signed_in.get(address(Bundle)).content.decode()
    title = {"en": "Release bundles", "zh-hans": "离线安装包"}[language]
    assert f"<h1>{title}</h1>" in html
    assert title in signed_in.get("/admin/").content.decode()


# ---- actions -------------------------------------------------------------------------------------------------------


def act(client, model, key, row, **data):
    return client.post(address(model), {"action": key, "_selected_action": row.pk, **data}, follow=True)


def test_an_action_asks_first_and_names_the_rows(signed_in, things):
    tenant = Tenant.objects.get(name="t1")
    page = act(signed_in, Tenant, "close", tenant).content.decode()
    assert "Members are shut out" in page
    assert "Tenant 1" in page
    tenant.refresh_from_db()
    assert tenant.closed_at is None


def test_a_confirmed_action_calls_the_service_which_records_who_and_why(signed_in, things):
    tenant = Tenant.objects.get(name="t1")
    page = act(signed_in, Tenant, "close", tenant, confirmed="yes", reason="merged").content.decode()
    tenant.refresh_from_db()
    assert tenant.closed_at is not None
    event = AuditEvent.objects.get(action="tenant.close")
    assert (event.actor, event.reason) == ("operator", "merged")
    assert "Close: Tenant 1" in page
    act(signed_in, Tenant, "reopen", tenant, confirmed="yes")
    tenant.refresh_from_db()
    assert tenant.closed_at is None


def test_a_service_that_refuses_is_heard_and_the_other_rows_go_on(signed_in, operator, things):
    make(2, operator)
    Operation.objects.filter(subject_name="c1").update(state=State.SUCCEEDED)
    done, failed = Operation.objects.order_by("pk")
    page = signed_in.post(
        address(Operation),
        {"action": "resume", "_selected_action": [done.pk, failed.pk], "confirmed": "yes"},
        follow=True,
    ).content.decode()
    assert "has succeeded" in page
    failed.refresh_from_db()
    assert failed.state == State.PENDING


def test_operations_are_cancelled(signed_in, things):
    operation = Operation.objects.get()
    Operation.objects.update(state=State.RUNNING)
    act(signed_in, Operation, "cancel", operation, confirmed="yes", reason="wrong cluster")
    operation.refresh_from_db()
    assert operation.cancel_requested_at is not None
    assert AuditEvent.objects.get(action="operation.cancel").reason == "wrong cluster"


def test_a_cluster_that_cannot_be_deployed_says_why(signed_in, things):
    page = act(signed_in, Cluster, "deploy", Cluster.objects.get(), confirmed="yes").content.decode()
    assert 'class="error"' in page
    assert not AuditEvent.objects.filter(action="cluster.deploy").exists()


def test_an_environment_that_is_not_ready_is_not_frozen_and_a_ready_one_is(signed_in, things):
    environment = Environment.objects.get()
    Environment.objects.update(state="failed")
    assert (
        'class="error"'
        in act(signed_in, Environment, "freeze", environment, confirmed="yes").content.decode()
    )
    Environment.objects.update(state="ready")
    act(signed_in, Environment, "freeze", environment, confirmed="yes", reason="audit")
    environment.refresh_from_db()
    assert environment.frozen


def test_hosts_are_looked_at_again(signed_in, things):
    act(signed_in, Host, "gather", Host.objects.get(), confirmed="yes")
    assert Operation.objects.filter(subject_type="clusters.host").count() == 1


def test_members_exceptions_invitations_and_loans_are_taken_back(signed_in, things):
    act(signed_in, Grant, "end", Grant.objects.get(), confirmed="yes", reason="left")
    assert Grant.objects.get().ended_by == "operator"
    act(signed_in, Invitation, "revoke", Invitation.objects.get(), confirmed="yes")
    assert Invitation.objects.get().revoked_at is not None
    act(signed_in, Loan, "end_loan", Loan.objects.get(), confirmed="yes")
    assert Loan.objects.get().ended_at is not None
    act(signed_in, Membership, "remove", Membership.objects.get(), confirmed="yes")
    assert not Membership.objects.exists()


def test_requests_are_approved_and_declined_with_a_reason(signed_in, operator, things):
    make(2, operator)
    first, second = TenantRequest.objects.order_by("pk")
    act(signed_in, TenantRequest, "approve", first, confirmed="yes", reason="fits")
    first.refresh_from_db()
    assert (first.state, first.decided_by_name, first.decision_reason) == ("applied", "operator", "fits")
    assert Quota.objects.get(tenant=first.tenant).cpu == 2000
    page = act(signed_in, TenantRequest, "decline", second, confirmed="yes").content.decode()
    second.refresh_from_db()
    assert 'class="error"' in page
    assert second.state == "open"
    act(signed_in, TenantRequest, "decline", second, confirmed="yes", reason="full")
    second.refresh_from_db()
    assert (second.state, second.decision_reason) == ("declined", "full")


def test_a_request_that_could_not_be_applied_is_applied_again(signed_in, things):
    TenantRequest.objects.update(state="failed")
    act(signed_in, TenantRequest, "apply", TenantRequest.objects.get(), confirmed="yes")
    assert TenantRequest.objects.get().state == "applied"


def test_tokens_are_revoked_and_their_hash_is_not_shown(signed_in, things):
    token = ApiToken.objects.get()
    assert token.digest not in signed_in.get(address(ApiToken, "change", token.pk)).content.decode()
    act(signed_in, ApiToken, "revoke", token, confirmed="yes", reason="leaked")
    assert not ApiToken.objects.exists()
    assert AuditEvent.objects.get(action="token.revoke").reason == "leaked"


def test_sessions_of_a_person_are_ended(signed_in, things, client):
    from django.test import Client

    person, theirs = User.objects.get(username="u1"), Client()
    theirs.post("/sign-in/", {"username": "u1", "password": MARKER})
    assert theirs.get("/preferences/").status_code == 200
    act(signed_in, User, "end_sessions", person, confirmed="yes")
    assert theirs.get("/preferences/").status_code == 302


def test_too_many_at_once_are_refused(signed_in, operator, things, monkeypatch):
    monkeypatch.setattr("kcloud_site.tenants.admin_site.MOST_AT_ONCE", 1)
    make(2, operator)
    data = {"action": "close", "_selected_action": [t.pk for t in Tenant.objects.all()], "confirmed": "yes"}
    page = signed_in.post(address(Tenant), data, follow=True).content.decode()
    assert "more than 1 at once" in page
    assert not Tenant.objects.filter(closed_at__isnull=False).exists()


def test_hostile_names_come_out_as_text(signed_in, operator, things):
    Tenant.objects.update(title="<script>alert(1)</script>")
    tenant = Tenant.objects.get(name="t1")
    for page in (signed_in.get(address(Tenant)), act(signed_in, Tenant, "close", tenant)):
        assert "<script>alert" not in page.content.decode()
