"""Pages of how hosts are powered off: kept, tried, and done for a lost node."""

import pytest
from django.urls import reverse
from django.utils import timezone

from clusters.healing.nodes import Verdict, Witness
from clusters.models import FencingMethod, Node
from clusters.services import fencing, node_decisions
from kcloud_site.operations.models import Operation
from tests.clusters.kube_objects import make_cluster, make_host

pytestmark = pytest.mark.django_db
FORM = {
    "program": "/usr/bin/ipmitool",
    "off_arguments": "-H\n{host}-bmc\n\nchassis power off",
    "status_arguments": "status",
    "off_text": "is off",
    "seconds": "30",
    "mode": "automatic",
    "secret": "sesame",
}


@pytest.fixture
def host():
    return make_host("w1", cluster=make_cluster(), address="127.77.0.1", role="worker")


@pytest.fixture
def page(client, operator):
    client.force_login(operator)
    return reverse("clusters:host_fencing", args=["w1"])


def test_a_way_is_kept_and_its_secret_never_shown(client, page, host):
    assert client.post(page, FORM).status_code == 303
    made = FencingMethod.objects.get()
    assert made.off_arguments == ["-H", "{host}-bmc", "chassis power off"]
    shown = client.get(page)
    assert b"{host}-bmc" in shown.content
    assert b"sesame" not in shown.content


def test_what_is_refused_is_said_at_its_field(client, page, host):
    answer = client.post(page, {**FORM, "off_arguments": "{password}"})
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"off_arguments"}
    assert client.post(page, {**FORM, "program": "/bin/sh"}).status_code == 422


def test_the_regions_way_counts_for_a_host_without_its_own(client, page, host):
    assert client.post(reverse("clusters:region_fencing", args=["lab"]), FORM).status_code == 303
    assert client.get(page).context["in_force"].region.name == "lab"
    answer = client.post(reverse("clusters:host_fencing_try", args=["w1"]))
    operation = Operation.objects.get(kind=fencing.KIND)
    assert answer.headers["Location"] == reverse("operations:detail", args=[operation.pk])
    client.post(reverse("clusters:region_fencing", args=["lab"]), {"forget": "1"})
    assert not FencingMethod.objects.exists()


def test_a_lost_nodes_page_offers_to_power_its_machine_off(client, page, host):
    cluster = host.cluster
    Node.objects.create(cluster=cluster, name="w1", uid="u", seen_at=timezone.now())
    witnesses = (Witness("probe", "2"), Witness("peer", "w2"))
    verdict = Verdict("w1", "lost", "witnesses", witnesses)
    node_decisions.record(cluster_pk=cluster.pk, verdict=verdict, failing_since=None)
    off = reverse("clusters:node_power_off", args=[cluster.name, "w1"])
    node = reverse("clusters:node", args=[cluster.name, "w1"])
    assert off.encode() not in client.get(node).content
    assert client.post(off).headers["Location"] == node
    client.post(page, FORM)
    assert off.encode() in client.get(node).content
    client.post(off)
    operation = Operation.objects.get(kind=fencing.KIND)
    assert operation.requested_by_name == "operator"


def test_the_admin_lists_ways_and_shows_no_secret(client, page, host):
    client.post(page, FORM)
    answer = client.get(reverse("admin:clusters_fencingmethod_changelist"))
    assert answer.status_code == 200
    assert b"/usr/bin/ipmitool" in answer.content
