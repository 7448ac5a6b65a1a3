"""Regions: named once, described at will, kept while something stands there."""

import pytest

from clusters.errors import StillInUse, ValueRefused
from clusters.models import Cluster, Credential, Host, Region
from clusters.services import regions
from kcloud_site.audit.models import AuditEvent


@pytest.fixture
def region(operator):
    return regions.create_region(name="beijing", title="Beijing", by=operator)


@pytest.fixture
def console(client, operator):
    client.force_login(operator)
    return client


def put_host(region, **more):
    credential, _made = Credential.objects.get_or_create(name="c", username="u", sealed_secret=b"")
    number = Host.objects.count() + 1
    values = {"name": f"h{number}", "address": f"10.0.0.{number}", "credential": credential, **more}
    return Host.objects.create(region=region, **values)


def test_a_region_is_created_with_an_audit_row(region):
    assert Region.objects.get().title == "Beijing"
    assert AuditEvent.objects.get(action="region.create").object_name == "beijing"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "Beijing"}, "name"),
        ({"name": "-x"}, "name"),
        ({"name": "a" * 41}, "name"),
        ({"name": "new"}, "name"),
        ({"name": "beijing"}, "name"),
        ({"name": "北京"}, "name"),
        ({"name": "ok", "title": "x" * 101}, "title"),
    ],
)
def test_a_bad_value_is_refused_by_its_field(region, operator, values, field):
    with pytest.raises(ValueRefused) as refused:
        regions.create_region(**values, by=operator)
    assert refused.value.field == field
    assert Region.objects.count() == 1


def test_the_title_may_be_in_any_language(operator):
    assert str(regions.create_region(name="bj", title="北京亦庄", by=operator)) == "北京亦庄"


def test_describing_writes_only_what_changed(region, operator):
    regions.describe_region(region=region, title="Beijing", description="", by=operator)
    assert not AuditEvent.objects.filter(action="region.describe").exists()
    regions.describe_region(region=region, title="Yizhuang", description="hall 2", by=operator)
    event = AuditEvent.objects.get(action="region.describe")
    assert (event.before["title"], event.after["title"]) == ("Beijing", "Yizhuang")


def test_a_region_with_hosts_or_clusters_stays(region, operator):
    host = put_host(region)
    with pytest.raises(StillInUse, match="1 hosts and 0 clusters"):
        regions.delete_region(region=region, by=operator)
    host.delete()
    cluster = Cluster.objects.create(name="prod", region=region)
    with pytest.raises(StillInUse, match="0 hosts and 1 clusters"):
        regions.delete_region(region=region, by=operator)
    cluster.delete()
    regions.delete_region(region=region, by=operator)
    assert not Region.objects.exists()


class TestPages:
    def test_the_list_counts_without_multiplying(self, console, region):
        prod = Cluster.objects.create(name="prod", region=region)
        Cluster.objects.create(name="test", region=region)
        put_host(region, state="ready", cluster=prod)
        put_host(region, state="ready")
        put_host(region, state="unreachable")
        found = console.get("/regions/").context["regions"][0]
        assert (found.host_total, found.spare_total, found.bad_total, found.cluster_total) == (3, 1, 1, 2)

    def test_a_region_is_created_and_described(self, console):
        answer = console.post("/regions/new/", {"name": "gz", "title": "Guangzhou"})
        assert (answer.status_code, answer["Location"]) == (303, "/regions/gz/")
        assert console.post("/regions/gz/", {"title": "Nansha", "description": "d"}).status_code == 303
        assert Region.objects.get().title == "Nansha"

    def test_a_refused_name_is_marked(self, console, region):
        answer = console.post("/regions/new/", {"name": "beijing"})
        assert answer.status_code == 422
        assert "already" in str(answer.context["form"].errors["name"])

    def test_deleting_asks_for_the_name(self, console, region):
        assert console.post("/regions/beijing/delete/", {"name": "bejing"}).status_code == 422
        assert console.post("/regions/beijing/delete/", {"name": "beijing"}).status_code == 303
        assert not Region.objects.exists()

    def test_deleting_one_in_use_says_why(self, console, region):
        put_host(region)
        answer = console.post("/regions/beijing/delete/", {"name": "beijing"})
        assert answer.status_code == 422
        assert "1 hosts" in answer.content.decode()

    def test_hostile_text_is_only_text(self, console, operator):
        regions.create_region(name="x", title="<script>alert(1)</script>", by=operator)
        for address in ("/regions/", "/regions/x/", "/hosts/"):
            assert "<script>alert" not in console.get(address).content.decode()
