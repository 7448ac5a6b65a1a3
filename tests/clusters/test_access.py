"""Clients for clusters: one per cluster, made anew when its access changes, allowed to go where they must
and no further."""

import pytest

from clusters import access
from clusters.errors import AddressRefused, ClusterUnreachable
from clusters.kubeconfigs import kubeconfig
from clusters.selectors import nodes as seeing
from clusters.services import cluster_secrets
from kcloud_site.outbound.addresses import refusal
from kcloud_site.tenants.encryption import SecretUnreadable
from tests.clusters.control_plane import free_port
from tests.clusters.hostile_api import HostileServer
from tests.clusters.kube_certificates import authority, client
from tests.clusters.kube_objects import make_cluster
from tests.outbound.test_addresses import address

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster():
    made = make_cluster()
    give_access(made)
    yield made
    access.forget(made.pk)


def give_access(cluster, *, key=None):
    pair = key or client()
    config = kubeconfig.Kubeconfig(
        "ctx", "https://203.0.113.1", authority().certificate, pair.certificate, pair.key
    )
    cluster_secrets.put(cluster, access.ADMIN_KUBECONFIG, kubeconfig.render(config).encode())


def at(cluster, *servers):
    cluster.endpoints = [server if isinstance(server, str) else server.url for server in servers]
    cluster.save()
    return cluster


def answering(body=b'{"gitVersion": "v1.34.4"}', status=200):
    return HostileServer(lambda handler: handler.reply(status, body))


def test_the_same_cluster_gets_the_same_client(cluster):
    assert access.kubernetes_for(cluster) is access.kubernetes_for(cluster)


def test_new_access_or_new_addresses_mean_a_new_client_and_the_old_one_is_closed(cluster):
    first = access.kubernetes_for(cluster)
    give_access(cluster, key=authority().sign("portal-2", group="system:masters"))
    second = access.kubernetes_for(cluster)
    assert second is not first
    with pytest.raises(ClusterUnreachable):
        first.get("/version")
    assert access.kubernetes_for(at(cluster, "https://203.0.113.2")) is not second


def test_another_time_limit_means_another_client(cluster):
    assert access.kubernetes_for(cluster) is not access.kubernetes_for(cluster, timeout=1.0)


def test_a_cluster_without_access_is_unreachable_and_says_what_to_do():
    with pytest.raises(ClusterUnreachable) as caught:
        access.kubernetes_for(make_cluster("bare"))
    assert "bare" in caught.value.what
    assert caught.value.remedy


def test_another_master_key_opens_nothing(cluster, settings):
    access.forget(cluster.pk)
    settings.MASTER_KEY = "A" * 43 + "="
    with pytest.raises(SecretUnreadable):
        access.kubernetes_for(cluster)


def test_a_deployed_clusters_own_endpoints_are_open_even_inside_and_nothing_else_is(cluster):
    with answering() as server:
        assert access.kubernetes_for(at(cluster, server)).version() == "v1.34.4"
    rule = access.address_rule(cluster)
    assert refusal(address("127.0.0.1"), rule) == ""
    assert refusal(address("127.0.0.2"), rule) == "loopback"


def test_an_imported_clusters_address_is_judged_at_every_connect(cluster):
    cluster.origin = "imported"
    with answering() as server:
        with pytest.raises(AddressRefused):
            access.kubernetes_for(at(cluster, server)).version()
        cluster.allow_internal = True
        assert access.kubernetes_for(at(cluster, server)).version() == "v1.34.4"


def test_each_api_server_is_asked_about_itself(cluster):
    with (
        answering(b"[+]ping ok\nreadyz check passed") as well,
        answering(b"[+]ping ok\n[-]etcd failed", 500) as ill,
    ):
        dead = f"https://127.0.0.1:{free_port()}"
        found = seeing.control_plane(at(cluster, well, ill, dead))
    assert [master.ready for master in found.masters] == [True, False, False]
    assert found.masters[1].failing == ("etcd",)
    assert found.masters[2].problem
    assert not found.store_is_well
    assert found.ready_masters == 1


def test_nobody_is_asked_for_leases_when_no_api_server_is_ready(cluster):
    with answering(b"[-]etcd failed", 500) as ill:
        found = seeing.control_plane(at(cluster, ill))
        assert len(ill.requests) == 1
    assert found.leaders == []


def test_certificates_are_listed_by_their_end_and_keys_stay_closed(cluster):
    cluster_secrets.put_all(
        cluster, {"ca.crt": authority().certificate, "ca.key": b"key", "bad.crt": b"no certificate"}
    )
    assert [name for name, _end in access.certificate_ends(cluster)] == ["ca"]


def test_an_own_client_is_the_callers_to_close(cluster):
    mine = access.open_kubernetes(cluster)
    assert mine is not access.kubernetes_for(cluster)
    mine.close()
    with answering() as server:
        assert access.kubernetes_for(at(cluster, server)).version() == "v1.34.4"
