"""Pages of tenants: list, home, settings, closing, roles, and the switch at the top of every page."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clusters.models import Cluster
from kcloud_site.operations.models import Operation, State
from kcloud_site.tenants.models import Membership, Tenant
from kcloud_site.tenants.roles import RIGHTS, ROLES
from kcloud_site.tenants.services import members, tenants
from tests.markup import squeezed

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed_in(client):
    def enter(user):
        client.force_login(user)
        return client

    return enter


def html_of(client, address):
    response = client.get(address)
    assert response.status_code == 200, address
    return squeezed(response.content.decode())


def main_of(html):
    return html[html.index('<main class="kc-main"') :]


# ---- the list ----------------------------------------------------------------------------------------------


def test_a_member_is_shown_the_own_tenants_and_people_of_the_platform_all(
    signed_in, tenant, other_tenant, join, operator, auditor, person
):
    own = main_of(html_of(signed_in(join(tenant, "viewer")), "/tenants/"))
    assert "/tenants/retail/" in own
    assert "logistics" not in own
    for user in (operator, auditor):
        everything = main_of(html_of(signed_in(user), "/tenants/"))
        assert "/tenants/retail/" in everything
        assert "/tenants/logistics/" in everything
    assert "You are in no tenant yet" in html_of(signed_in(person), "/tenants/")


def test_only_operators_are_offered_a_new_tenant(signed_in, tenant, join, operator, auditor):
    assert "/tenants/new/" in html_of(signed_in(operator), "/tenants/")
    for user in (auditor, join(tenant, "owner")):
        assert "/tenants/new/" not in html_of(signed_in(user), "/tenants/")


@pytest.mark.parametrize(("query", "found"), [("q=reta", True), ("q=zzz", False), ("state=closed", False)])
def test_the_list_is_filtered_by_its_address(signed_in, operator, tenant, query, found):
    assert ("/tenants/retail/" in main_of(html_of(signed_in(operator), f"/tenants/?{query}"))) is found


def test_the_list_and_its_frame_cost_the_same_for_many_tenants(signed_in, person, operator):
    for user in (person, operator):
        client = signed_in(user)
        counts = []
        for rows in (3, 20):
            make_many(person, rows)
            with CaptureQueriesContext(connection) as asked:
                html_of(client, "/tenants/")
            counts.append(len(asked))
        assert counts[0] == counts[1], counts


def make_many(user, number):
    start = Tenant.objects.count()
    made = Tenant.objects.bulk_create([Tenant(name=f"n-{start + one}", title="N") for one in range(number)])
    Membership.objects.bulk_create(Membership(tenant=one, user=user, role="viewer") for one in made)


# ---- making ------------------------------------------------------------------------------------------------


def test_a_new_tenant_leads_to_inviting_its_owner(signed_in, operator):
    response = signed_in(operator).post("/tenants/new/", {"name": "finance", "title": "Finance"})
    assert (response.status_code, response["Location"]) == (303, "/tenants/finance/invitations/new/")
    assert Tenant.objects.get().title == "Finance"


@pytest.mark.parametrize("name", ["Finance", "9a", "a" * 31, "a_b", "", "new", "roles", "retail", "a-"])
def test_a_name_that_cannot_be_is_refused_at_its_field(signed_in, operator, tenant, name):
    response = signed_in(operator).post("/tenants/new/", {"name": name, "title": "T"})
    assert response.status_code == 422
    assert 'href="#id_name"' in response.content.decode()
    assert Tenant.objects.count() == 1


# ---- the home ----------------------------------------------------------------------------------------------


def test_a_home_says_who_is_in_it_and_asks_for_its_panels(signed_in, tenant, join):
    html = html_of(signed_in(join(tenant, "owner")), "/tenants/retail/")
    assert "/tenants/retail/members/?role=owner" in html
    assert 'hx-get="/operations/of/retail/panel/"' in html
    assert 'hx-get="/tenants/retail/environments/panel/"' in html
    assert 'hx-get="/audit/about/tenants.tenant/' in html


def test_tabs_lead_to_environments_and_requests(signed_in, tenant, join):
    tabs = main_of(html_of(signed_in(join(tenant, "viewer")), "/tenants/retail/members/"))
    assert 'href="/tenants/retail/environments/"' in tabs
    assert 'href="/tenants/retail/requests/"' in tabs


def test_a_viewer_is_offered_nothing_a_viewer_may_not(signed_in, tenant, join):
    viewer = join(tenant, "viewer")
    html = html_of(signed_in(viewer), "/tenants/retail/")
    for part in ("/settings/", "/invitations/", "/audit/about/"):
        assert part not in html


def test_a_tenant_without_an_owner_says_so_and_what_to_do(signed_in, tenant, operator):
    html = html_of(signed_in(operator), "/tenants/retail/")
    assert "it has no owner" in html
    assert "/tenants/retail/invitations/new/?role=owner" in html


def test_the_panel_of_operations_shows_the_tenants_own(signed_in, tenant, other_tenant, join, operator):
    for whose, name in ((tenant, "retail-dev"), (other_tenant, "logistics-dev")):
        Operation.objects.create(
            kind="x", subject_type="clusters.environment", subject_id=name, subject_name=name, tenant=whose
        )
    html = html_of(signed_in(join(tenant, "viewer")), "/operations/of/retail/panel/")
    assert "retail-dev" in html
    assert "logistics-dev" not in html


# ---- settings, closing -------------------------------------------------------------------------------------


def test_an_owner_changes_what_people_read(signed_in, tenant, join):
    client = signed_in(join(tenant, "owner"))
    data = {"title": "Shops", "description": "All shops", "contact": "shops@example.com"}
    assert client.post("/tenants/retail/settings/", data).status_code == 303
    tenant.refresh_from_db()
    assert (tenant.title, tenant.contact) == ("Shops", "shops@example.com")
    refused = client.post("/tenants/retail/settings/", {**data, "contact": "no address"})
    assert refused.status_code == 422
    assert 'href="#id_contact"' in refused.content.decode()


def test_closing_needs_the_name_and_a_reason_and_shuts_members_out(signed_in, tenant, join, operator):
    owner = join(tenant, "owner")
    client = signed_in(operator)
    for data in ({"name": "wrong", "reason": "merged"}, {"name": "retail"}):
        assert client.post("/tenants/retail/close/", data).status_code == 422
    tenant.refresh_from_db()
    assert tenant.closed_at is None
    assert client.post("/tenants/retail/close/", {"name": "retail", "reason": "merged"}).status_code == 303
    assert "Members are shut out" in html_of(client, "/tenants/retail/")
    assert signed_in(owner).get("/tenants/retail/").status_code == 404
    assert signed_in(operator).post("/tenants/retail/reopen/").status_code == 303
    assert signed_in(owner).get("/tenants/retail/").status_code == 200


@pytest.mark.parametrize("place", ["settings/", "members/add/", "invitations/new/"])
def test_a_form_sent_to_a_closed_tenant_is_refused_in_words(signed_in, tenant, operator, person, place):
    tenants.close_tenant(tenant=tenant, by=operator, reason="merged")
    data = {"title": "T", "user": "person", "email": "a@example.com", "role": "viewer"}
    response = signed_in(operator).post(f"/tenants/retail/{place}", data)
    assert response.status_code == 422
    assert "The tenant retail is closed." in response.content.decode()


# ---- roles -------------------------------------------------------------------------------------------------


def test_the_page_of_roles_tells_every_right_of_every_role(signed_in, person):
    html = html_of(signed_in(person), "/tenants/roles/")
    for right in RIGHTS:
        (row,) = [part for part in html.split("<tr>") if f">{right}<" in part]
        assert row.count("is-ok") == sum(right in role.permissions for role in ROLES.values()), right


# ---- the switch --------------------------------------------------------------------------------------------


def switch_of(html):
    start = html.index('popovertarget="tenants"')
    return html[start : html.index("</nav></div>", start)]


def test_the_switch_offers_the_persons_tenants_and_remembers_the_last_one_opened(
    signed_in, tenant, other_tenant, person
):
    for one in (tenant, other_tenant):
        members.add_member(tenant=one, user=person, role="viewer", by=None)
    client = signed_in(person)
    assert "Tenant: Logistics. Change" in html_of(client, "/")
    client.get("/tenants/retail/")
    html = html_of(client, "/preferences/")
    assert "Tenant: Retail. Change" in html
    assert '/tenants/retail/" aria-current="true"' in switch_of(html)
    assert "/tenants/logistics/" in switch_of(html)
    assert 'href="/tenants/retail/members/" title="Members &amp; quota"' in html


def test_the_switch_never_shows_a_tenant_the_person_left(signed_in, tenant, other_tenant, person):
    members.add_member(tenant=tenant, user=person, role="viewer", by=None)
    client = signed_in(person)
    client.get("/tenants/retail/")
    members.remove_member(member=Membership.objects.get(), by=None)
    assert 'popovertarget="tenants"' not in html_of(client, "/")


def test_opening_a_foreign_tenant_is_not_remembered(signed_in, tenant, other_tenant, join):
    client = signed_in(join(tenant, "owner"))
    assert client.get("/tenants/logistics/").status_code == 404
    assert "Tenant: Retail. Change" in html_of(client, "/")


def test_with_many_tenants_the_switch_leads_to_the_list(signed_in, operator, person):
    make_many(person, 12)
    part = switch_of(html_of(signed_in(operator), "/"))
    assert part.count('class="kc-opt"') == 9
    assert "More tenants" in part


# ---- overview ----------------------------------------------------------------------------------------------


def test_a_members_first_page_shows_tenants_work_and_what_needs_the_person(
    signed_in, tenant, other_tenant, join, environment
):
    for whose, state in ((tenant, State.FAILED), (other_tenant, State.FAILED)):
        Operation.objects.create(
            kind="x",
            subject_type="a",
            subject_id=str(whose.pk),
            subject_name=f"{whose.name}-thing",
            tenant=whose,
            state=state,
            failure={"what": "It broke."},
        )
    type(environment).objects.update(state="drifted")
    html = main_of(html_of(signed_in(join(tenant, "viewer")), "/"))
    assert "retail-thing" in html
    assert "It broke." in html
    assert "Drifted" in html
    assert "logistics" not in html


def test_an_auditor_sees_the_operators_first_page_without_its_buttons(signed_in, auditor, operator):
    Cluster.objects.create(name="east", state="ready", health="down")
    seen = html_of(signed_in(auditor), "/")
    assert "east" in seen
    assert "Plan a cluster" not in seen
    assert "Plan a cluster" in html_of(signed_in(operator), "/")
