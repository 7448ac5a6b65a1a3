"""The first page, search, and the frame around every page."""

import pytest
from django.utils import timezone

from apps.models import App, Workload
from clusters.models import Cluster, Credential, Environment, Host, Node, Region, TenantRequest
from kcloud_site.operations.models import Operation, State
from kcloud_site.tenants.models import Tenant
from tests.console import samples
from tests.markup import squeezed

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed_in(client, operator):
    client.force_login(operator)
    return client


@pytest.fixture
def region(db):
    return Region.objects.create(name="gz", title="Guangzhou")


def make_host(region, name, **fields):
    credential, _ = Credential.objects.get_or_create(
        name="key", defaults={"username": "root", "sealed_secret": b""}
    )
    count = Host.objects.count()
    return Host.objects.create(
        name=name,
        region=region,
        credential=credential,
        address=f"10.0.{count // 250}.{count % 250 + 1}",
        **fields,
    )


def make_cluster(name, health="healthy", state="ready", **fields):
    return Cluster.objects.create(name=name, health=health, state=state, **fields)


def html_of(client, address="/"):
    return client.get(address).content.decode()


def test_a_new_portal_says_how_to_begin(signed_in):
    html = html_of(signed_in)
    assert "How to begin" in html
    assert "Add a region and its hosts" in html
    assert "Import a cluster you have" in html


def test_somebody_without_rights_is_told_whom_to_ask(client, person):
    client.force_login(person)
    html = html_of(client)
    assert "Ask the owner of one to invite you" in html
    assert "/operations/" not in html
    assert client.get("/search/?q=x").status_code == 403


def test_what_needs_somebody_is_listed_worst_first(signed_in):
    make_cluster("slow", health="degraded", health_reason="1 of 3 nodes is not ready")
    make_cluster("gone", health="down")
    make_cluster("fine")
    html = html_of(signed_in)
    todo = html[html.index('id="need"') : html.index('id="cl"')]
    assert todo.index("gone") < todo.index("slow")
    assert "1 of 3 nodes is not ready" in todo
    assert "fine" not in todo


def test_a_failed_operation_stays_until_something_comes_after_it(signed_in):
    cluster = make_cluster("gz-prod-02", state="failed")
    failed = samples.operation(name="gz-prod-02", subject_id=str(cluster.pk))
    samples.fail(failed)
    assert "Free space on the host" in html_of(signed_in)
    samples.operation(state=State.SUCCEEDED, name="gz-prod-02", subject_id=str(cluster.pk))
    assert "Free space on the host" not in html_of(signed_in)


def test_a_failed_deployment_of_an_application_waits_for_somebody(signed_in, tenant):
    cluster = make_cluster("shared")
    place = Environment.objects.create(tenant=tenant, cluster=cluster, name="dev", namespace="retail-dev")
    app = App.objects.create(tenant=tenant, name="web")
    workload = Workload.objects.create(tenant=tenant, app=app, environment=place)
    about = {"subject_type": "apps.workload", "name": "retail-dev/web", "tenant": tenant}
    samples.fail(samples.operation(**about, subject_id=str(workload.pk)))
    page = html_of(signed_in)
    todo = page[page.index('id="need"') : page.index('id="cl"')]
    assert "retail-dev/web" in todo
    workload.delete()
    assert "Nothing waits for you" in html_of(signed_in)


def test_a_failure_about_a_kind_of_thing_that_is_no_more_breaks_nothing(signed_in):
    make_cluster("other")
    samples.fail(samples.operation(subject_type="once.upon", name="removed", subject_id="1"))
    assert "Nothing waits for you" in html_of(signed_in)


def test_a_failure_about_something_deleted_waits_for_nobody(signed_in):
    make_cluster("other")
    failed = samples.operation(name="removed", subject_id="999999")
    samples.fail(failed)
    assert "Nothing waits for you" in html_of(signed_in)


def test_a_drifted_environment_waits_for_somebody_and_leads_to_its_page(signed_in, tenant):
    drift = [{"kind": "NetworkPolicy", "name": "kcloud-openings", "what": "missing"}]
    values = {"tenant": tenant, "cluster": make_cluster("a"), "name": "dev", "namespace": "retail-dev"}
    Environment.objects.create(**values, state="drifted", drift=drift)
    page = signed_in.get("/").content.decode()
    assert "kcloud-openings" in page
    assert "/environments/retail-dev/" in page


def test_hosts_in_a_cluster_or_out_of_reach_are_not_spare(signed_in, region):
    cluster = make_cluster("one")
    make_host(region, "spare", state="ready")
    make_host(region, "busy", state="ready", cluster=cluster)
    make_host(region, "lost", state="unreachable", state_reason="No route")
    html = squeezed(html_of(signed_in))
    assert "<small>Spare hosts</small><b>1</b>" in html
    assert "No route" in html


def test_the_overview_costs_the_same_queries_however_much_there_is(
    signed_in, region, django_assert_max_num_queries
):
    def grow(start, count):
        for number in range(start, start + count):
            cluster = make_cluster(f"c{number}", health="degraded", region=region)
            make_host(region, f"h{number}", state="unreachable")
            Node.objects.create(cluster=cluster, name=f"n{number}", uid=str(number), seen_at=timezone.now())
            samples.fail(samples.operation(subject_id=str(cluster.pk)))
            tenant = Tenant.objects.create(name=f"t{number}", title=f"T{number}")
            TenantRequest.objects.create(tenant=tenant, kind="quota", wanted={"amount": {"cpu": "1"}})
            Environment.objects.create(
                tenant=tenant, cluster=cluster, name="dev", namespace=f"t{number}", cpu=1
            )

    grow(0, 2)
    with django_assert_max_num_queries(26) as few:
        signed_in.get("/")
    grow(10, 12)
    with django_assert_max_num_queries(len(few)):
        html = html_of(signed_in)
    assert len(html) < 100_000


def test_the_frame_counts_what_is_wrong_and_what_runs(signed_in):
    make_cluster("slow", health="degraded")
    samples.operation()
    html = squeezed(html_of(signed_in))
    assert '<b class="kc-s is-run">1<span class="kc-vh">running</span></b>' in html
    assert "operations running</span>" in html


@pytest.mark.parametrize(
    ("text", "found"), [("gz-p", "gz-prod-02"), ("GZ-PROD", "gz-prod-02"), ("10.0.0.", "h1")]
)
def test_search_finds_by_part_of_a_name_or_address(signed_in, region, text, found):
    make_cluster("gz-prod-02")
    make_host(region, "h1")
    assert found in html_of(signed_in, f"/search/?q={text}")


def test_search_finds_an_operation_by_its_number(signed_in):
    operation = samples.operation(name="whatever")
    assert f'href="/operations/{operation.pk}/"' in html_of(signed_in, f"/search/?q=op-{operation.pk}")


@pytest.mark.parametrize("text", ["", "%", "'; DROP TABLE", "<script>", "9" * 300, "op-99999999999999999999"])
def test_search_takes_any_text(signed_in, text):
    response = signed_in.get("/search/", {"q": text})
    assert response.status_code == 200
    assert b"<script>" not in response.content.replace(b"<script src", b"")
    assert Operation.objects.count() == 0
