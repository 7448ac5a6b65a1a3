"""Operations of a tenant: its members follow them, its operators control them, outsiders meet nothing."""

import pytest

from kcloud_site.audit.models import AuditEvent
from kcloud_site.audit.trail import Subject
from kcloud_site.operations import services
from kcloud_site.operations.models import State
from tests.operations.sample_kinds import registered, step

pytestmark = pytest.mark.django_db


@pytest.fixture
def operation(tenant):
    with registered("test.sample", [step("one")]):
        subject = Subject("clusters.environment", "1", "retail-dev", tenant.pk)
        yield services.request_operation(kind="test.sample", subject=subject, by=None, inputs={})


def test_an_operation_and_its_events_belong_to_its_subjects_tenant(operation, tenant):
    assert operation.tenant == tenant
    assert AuditEvent.objects.get(action="operation.request").tenant_id == tenant.pk


PARTS = ["", "panel/", "log/", "cancel/"]


@pytest.mark.parametrize("part", PARTS)
def test_a_member_follows_it_and_an_outsider_finds_nothing(
    client, operation, tenant, other_tenant, join, part
):
    address = f"/operations/{operation.pk}/{part}"
    client.force_login(join(other_tenant, "owner"))
    assert client.get(address).status_code == 404
    client.force_login(join(tenant, "operator"))
    assert client.get(address).status_code == 200


def test_a_viewer_sees_no_button_and_may_press_none(client, operation, tenant, join):
    client.force_login(join(tenant, "viewer"))
    page = client.get(f"/operations/{operation.pk}/").content.decode()
    assert "retail-dev" in page
    assert 'popovertarget="cancel"' not in page
    assert client.post(f"/operations/{operation.pk}/cancel/").status_code == 403
    assert client.post(f"/operations/{operation.pk}/resume/").status_code == 403
    operation.refresh_from_db()
    assert operation.state == State.PENDING


def test_the_list_shows_a_member_only_the_own_tenants(client, operation, tenant, other_tenant, join):
    client.force_login(join(tenant, "viewer"))
    assert f"op-{operation.pk}" in client.get("/operations/").content.decode()
    client.force_login(join(other_tenant, "viewer"))
    assert f"op-{operation.pk}" not in client.get("/operations/").content.decode()


def test_the_audit_trail_shows_a_tenants_operator_only_the_own(client, operation, tenant, other_tenant, join):
    client.force_login(join(tenant, "operator"))
    page = client.get("/audit/").content.decode()
    assert "retail-dev" in page
    assert "logistics" not in page
    assert "each sealed with the one before it" not in page
    client.force_login(join(tenant, "viewer"))
    assert client.get("/audit/").status_code == 403


def test_an_auditor_reads_all_of_it_and_checks_the_chain(client, operation, auditor, other_tenant):
    client.force_login(auditor)
    page = client.get("/audit/").content.decode()
    assert "retail-dev" in page
    assert "logistics" in page
    assert client.post("/audit/check/").status_code == 303
    assert "each sealed with the one before it" in client.get("/audit/").content.decode()


def test_over_the_api_outsiders_get_the_answer_for_what_is_not_there(
    client, operation, tenant, other_tenant, join
):
    client.force_login(join(other_tenant, "owner"))
    absent = client.get("/api/v1/operations/999999").json()
    hidden = client.get(f"/api/v1/operations/{operation.pk}").json()
    assert hidden == absent
    client.force_login(join(tenant, "viewer"))
    assert client.get(f"/api/v1/operations/{operation.pk}").json()["subject"]["name"] == "retail-dev"
