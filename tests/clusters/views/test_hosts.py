"""The pages of hosts, through Django's client and a real sshd: what people see, what is refused, what never shows."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from clusters.models import Cluster, Credential, Host, Region
from clusters.services import credentials, host_facts, hosts, regions
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import runner
from kcloud_site.operations.models import Operation
from kcloud_site.operations.services import request_operation

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def region(operator):
    return regions.create_region(name="beijing", title="Beijing", by=operator)


@pytest.fixture
def credential(operator, loopback_sshd):
    return credentials.create_credential(
        name="site-key", username="root", kind="ssh-key", secret=loopback_sshd.private_key, by=operator
    )


@pytest.fixture
def console(client, operator):
    client.force_login(operator)
    return client


@pytest.fixture
def make_host(region, credential):
    def make(name, *, number=1, **more):
        more = {
            "region": region,
            "credential": credential,
            "address": f"10.1.{number // 250}.{number % 250 + 1}",
            **more,
        }
        return Host.objects.create(name=name, **more)

    return make


@pytest.fixture
def values(region, credential, loopback_sshd):
    """A form that enrols the loopback host."""
    return {
        "name": "w01",
        "region": "beijing",
        "address": loopback_sshd.address,
        "ssh_port": loopback_sshd.port,
        "credential": "site-key",
        "expected_host_key": "",
    }


def text(response):
    return response.content.decode()


class TestList:
    address = "/hosts/"

    def test_an_empty_list_names_the_next_action(self, console):
        page = text(console.get(self.address))
        assert "No hosts yet" in page
        assert reverse("clusters:host_create") in page

    def test_the_worst_stand_first(self, console, make_host):
        make_host("a-ready", number=1, state=Host.State.READY)
        make_host("b-new", number=2)
        make_host("c-conflict", number=3, state_reason="has the machine-id of a-ready")
        make_host("d-dead", number=4, state=Host.State.UNREACHABLE, state_reason="no answer")
        names = [host.name for host in console.get(self.address).context["page"]]
        assert names == ["d-dead", "c-conflict", "b-new", "a-ready"]

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("q=w0", ["w01", "w02"]),
            ("q=10.1.0.3", ["w02"]),
            ("region=beijing", ["w01", "w02"]),
            ("region=nowhere", []),
            ("state=ready", ["s01", "w01"]),
            ("cluster=prod", ["w01"]),
            ("cluster=-", ["s01", "w02"]),
            ("state=ready&cluster=-", ["s01"]),
            ("state=nonsense", ["s01", "w01", "w02"]),
        ],
    )
    def test_the_filter_stands_in_the_address(self, console, make_host, operator, query, names):
        prod = Cluster.objects.create(name="prod")
        other = regions.create_region(name="guangzhou", by=operator)
        make_host("w01", number=1, state=Host.State.READY, cluster=prod)
        make_host("w02", number=2)
        make_host("s01", number=9, state=Host.State.READY, region=other)
        page = console.get(f"{self.address}?{query}").context["page"]
        assert sorted(host.name for host in page) == names

    def test_the_summary_counts_every_sort(self, console, make_host):
        prod = Cluster.objects.create(name="prod")
        for number, (state, cluster) in enumerate(
            [("ready", prod), ("ready", None), ("ready", None), ("new", None), ("unreachable", None)]
        ):
            make_host(f"h{number}", number=number, state=state, cluster=cluster)
        counts = console.get(self.address).context["counts"]
        assert (counts.total, counts.unreachable, counts.new, counts.spare, counts.used) == (5, 1, 1, 2, 1)

    def test_a_long_list_takes_no_more_queries_than_a_short_one(
        self, console, make_host, django_assert_num_queries
    ):
        make_host("h0", number=0, cluster=Cluster.objects.create(name="c0"))
        with CaptureQueriesContext(connection) as short:
            console.get(self.address)
        for number in range(1, 60):
            make_host(f"h{number}", number=number, cluster=Cluster.objects.create(name=f"c{number}"))
        with django_assert_num_queries(len(short)):
            page = text(console.get(self.address))
        assert "?page=3" in page

    def test_hostile_facts_are_only_text(self, console, make_host):
        facts = {"hostname": "h1", "kernel": "6", "cpus": 2, "memory": 1, "clock": 1.0, "os_id": SCRIPT}
        make_host("h1", facts=facts, state_reason=SCRIPT)
        page = text(console.get(self.address))
        assert SCRIPT not in page
        assert page.count("&lt;script&gt;") == 2


class TestEnrol:
    address = "/hosts/new/"

    def test_a_host_that_answers_is_enrolled_with_its_facts(self, console, values, loopback_sshd):
        answer = console.post(self.address, values)
        assert (answer.status_code, answer["Location"]) == (303, "/hosts/w01/")
        host = Host.objects.get()
        assert host.state == Host.State.READY
        assert host.host_key == loopback_sshd.host_key
        assert host.facts["cpus"] >= 1
        assert AuditEvent.objects.filter(action="host.enrol", object_name="w01").exists()

    def test_without_regions_and_credentials_the_page_says_what_comes_first(self, console):
        page = text(console.get(self.address))
        assert reverse("clusters:region_create") in page
        assert reverse("clusters:credential_create") in page

    @pytest.mark.parametrize(
        ("change", "field", "said"),
        [
            ({"name": "Web 1"}, "name", "lower case letters"),
            ({"name": "new"}, "name", "page of the console"),
            ({"name": "a" * 64}, "name", "at most 63"),
            ({"address": "example.com"}, "address", "not an IPv4 address"),
            ({"address": "169.254.169.254"}, "address", "cannot be the address"),
            ({"address": "-oProxyCommand=x"}, "address", "not an IPv4 address"),
            ({"ssh_port": "70000"}, "ssh_port", "65535"),
            ({"ssh_port": "9"}, "address", "Connection refused"),
            ({"region": "mars"}, "region", "not one of the available choices"),
            ({"credential": ""}, "credential", "required"),
            ({"expected_host_key": "SHA256:" + "A" * 43}, "expected_host_key", "shows another key"),
        ],
    )
    def test_a_refused_value_is_marked_and_nothing_is_saved(self, console, values, change, field, said):
        answer = console.post(self.address, {**values, **change})
        assert answer.status_code == 422
        assert said in " ".join(answer.context["form"].errors[field])
        assert not Host.objects.exists()
        assert f'href="#id_{field}"' in text(answer)

    def test_a_credential_the_host_does_not_take_is_marked(self, console, values, operator, tmp_path):
        from tests.clusters.loopback_sshd import make_key

        make_key(tmp_path / "other")
        secret = (tmp_path / "other").read_text()
        credentials.create_credential(
            name="other", username="root", kind="ssh-key", secret=secret, by=operator
        )
        answer = console.post(self.address, {**values, "credential": "other"})
        assert "does not let root sign in" in str(answer.context["form"].errors["credential"])
        assert not Host.objects.exists()

    def test_the_expected_fingerprint_may_be_given(self, console, values, loopback_sshd):
        answer = console.post(self.address, {**values, "expected_host_key": loopback_sshd.host_key})
        assert answer.status_code == 303

    def test_the_same_machine_is_not_enrolled_twice(self, console, values, make_host):
        console.post(self.address, values)
        Host.objects.update(name="first", address="10.9.9.9")
        answer = console.post(self.address, values)
        assert "machine-id of host first" in str(answer.context["form"].errors["address"])
        assert Host.objects.count() == 1

    @pytest.mark.parametrize(("taken", "field"), [("name", "name"), ("address", "address")])
    def test_a_taken_name_or_address_is_marked(self, console, values, make_host, loopback_sshd, taken, field):
        if taken == "name":
            make_host("w01")
        else:
            make_host("other", address=loopback_sshd.address, ssh_port=loopback_sshd.port)
        answer = console.post(self.address, values)
        assert "already" in str(answer.context["form"].errors[field])
        assert Host.objects.count() == 1

    def test_a_node_that_lies_is_refused_and_its_words_are_only_text(self, console, values, loopback_sshd):
        with loopback_sshd.answering(b"", status=3, stderr=SCRIPT.encode()):
            answer = console.post(self.address, values)
        assert answer.status_code == 422
        assert SCRIPT not in text(answer)
        assert "&lt;script&gt;" in text(answer)
        assert not Host.objects.exists()


class TestHost:
    def test_a_ready_host_shows_its_facts_and_no_band(self, console, values):
        console.post("/hosts/new/", values)
        page = text(console.get("/hosts/w01/"))
        facts = Host.objects.get().facts
        assert facts["kernel"] in page
        assert "kc-why" not in page
        assert "SHA256:" in page

    def test_an_unreachable_host_says_why_and_what_now(self, console, make_host):
        make_host("w01", state=Host.State.UNREACHABLE, state_reason="No answer for 8 s.")
        page = text(console.get("/hosts/w01/"))
        assert "No answer for 8 s." in page
        assert "It has never answered." in page
        assert reverse("clusters:host_gather", args=["w01"]) in page

    def test_hostile_facts_are_only_text(self, console, make_host):
        facts = {
            "hostname": SCRIPT, "kernel": SCRIPT, "cpus": 1, "memory": 1, "clock": 1.0, "os_name": SCRIPT,
            "cpu_model": SCRIPT, "virtualization": SCRIPT, "machine_id": SCRIPT, "time_zone": SCRIPT,
            "disks": [{"name": SCRIPT, "size": 1, "model": SCRIPT}],
            "mounts": [{"path": SCRIPT, "size": 1, "free": 1, "device": SCRIPT, "kind": SCRIPT}],
            "nics": [{"name": SCRIPT, "mac": SCRIPT, "addresses": [SCRIPT]}],
            "gpus": [{"slot": "", "vendor": SCRIPT, "model": SCRIPT}],
            "listening": [{"protocol": SCRIPT, "port": 1, "address": SCRIPT, "program": SCRIPT}],
            "signs": [{"kind": "etcd", "what": SCRIPT}], "problems": {SCRIPT: SCRIPT},
            "default_route": {"interface": SCRIPT, "gateway": SCRIPT},
        }  # fmt: skip
        make_host("w01", facts=facts, facts_at=timezone.now(), state="unreachable", state_reason=SCRIPT)
        page = text(console.get("/hosts/w01/"))
        assert "<script>alert" not in page
        assert page.count("&lt;script&gt;") >= 20

    def test_facts_of_another_shape_do_not_break_the_page(self, console, make_host):
        make_host("w01", facts={"cpus": "many", "memory": None})
        assert console.get("/hosts/w01/").status_code == 200
        assert console.get("/hosts/").status_code == 200

    def test_looking_again_is_an_operation_the_page_follows(
        self, console, values, django_capture_on_commit_callbacks
    ):
        console.post("/hosts/new/", values)
        answer = console.post("/hosts/w01/gather/")
        assert (answer.status_code, answer["Location"]) == (303, "/hosts/w01/")
        operation = Operation.objects.get(kind=host_facts.GATHER_KIND)
        assert 'hx-trigger="load delay:2s"' in text(console.get("/hosts/w01/"))
        runner.run(operation.pk)
        operation.refresh_from_db()
        assert operation.state == "succeeded"
        fragment = text(console.get("/hosts/w01/", headers={"HX-Request": "true"}))
        assert "hx-trigger" not in fragment
        assert "<html" not in fragment

    def test_looking_again_while_somebody_looks_leads_to_the_running_operation(
        self, console, make_host, operator
    ):
        host = make_host("w01")
        busy = host_facts.start_gathering(host=host, by=operator)
        answer = console.post("/hosts/w01/gather/")
        assert answer.status_code == 409
        assert reverse("operations:detail", args=[busy.pk]) in text(answer)

    def test_region_and_credential_can_change(self, console, make_host, operator):
        make_host("w01")
        regions.create_region(name="guangzhou", by=operator)
        answer = console.post("/hosts/w01/edit/", {"region": "guangzhou", "credential": "site-key"})
        assert answer.status_code == 303
        assert Host.objects.get().region.name == "guangzhou"
        assert AuditEvent.objects.get(action="host.revise").before["region"] == "beijing"

    def test_the_region_of_a_clusters_host_stays(self, console, make_host, operator):
        make_host("w01", cluster=Cluster.objects.create(name="prod"))
        regions.create_region(name="guangzhou", by=operator)
        answer = console.post("/hosts/w01/edit/", {"region": "guangzhou", "credential": "site-key"})
        assert "belongs to cluster prod" in str(answer.context["form"].errors["region"])

    def test_an_unknown_host_is_not_found(self, console):
        assert console.get("/hosts/nobody/").status_code == 404


class TestKey:
    def test_the_same_key_needs_nothing(self, console, values):
        console.post("/hosts/new/", values)
        page = text(console.get("/hosts/w01/key/"))
        assert "The host shows the recorded key." in page
        assert "Trust the new key" not in page

    def test_a_changed_key_stops_every_run_until_it_is_accepted(self, console, values, loopback_sshd):
        console.post("/hosts/new/", values)
        before = loopback_sshd.host_key
        with loopback_sshd.with_another_host_key():
            runner.run(host_facts.start_gathering(host=Host.objects.get(), by=None).pk)
            host = Host.objects.get()
            assert host.state == Host.State.UNREACHABLE
            assert "another host key" in host.state_reason
            assert host.host_key == before
            seen = console.get("/hosts/w01/key/").context["seen"]
            refused = console.post("/hosts/w01/key/", {"fingerprint": seen})
            assert refused.status_code == 422
            accepted = console.post("/hosts/w01/key/", {"fingerprint": seen, "compared": "on"})
            assert accepted.status_code == 303
            assert Host.objects.get().host_key == loopback_sshd.host_key
            event = AuditEvent.objects.get(action="host.accept_key")
            assert event.after == {"host_key": seen}
            runner.run(Operation.objects.filter(kind=host_facts.GATHER_KIND).first().pk)
            assert Host.objects.get().state == Host.State.READY

    def test_a_key_that_changed_again_meanwhile_is_not_accepted(self, console, values):
        console.post("/hosts/new/", values)
        before = Host.objects.get().host_key
        answer = console.post("/hosts/w01/key/", {"fingerprint": "SHA256:" + "B" * 43, "compared": "on"})
        assert answer.status_code == 422
        assert "yet another host key" in text(answer)
        assert Host.objects.get().host_key == before

    def test_a_silent_host_is_said_so(self, console, make_host, loopback_sshd):
        make_host("w01", address="127.0.0.1", ssh_port=9)
        assert "Connection refused" in text(console.get("/hosts/w01/key/"))


class TestDelete:
    def test_the_name_must_be_typed(self, console, make_host):
        make_host("w01")
        answer = console.post("/hosts/w01/delete/", {"name": "w02"})
        assert answer.status_code == 422
        assert Host.objects.exists()

    def test_a_spare_host_is_forgotten(self, console, make_host):
        make_host("w01")
        answer = console.post("/hosts/w01/delete/", {"name": "w01"})
        assert (answer.status_code, answer["Location"]) == (303, "/hosts/")
        assert not Host.objects.exists()
        assert AuditEvent.objects.get(action="host.delete").before["name"] == "w01"

    def test_a_clusters_host_stays_and_the_cluster_is_named(self, console, make_host):
        make_host("w01", cluster=Cluster.objects.create(name="prod"))
        answer = console.post("/hosts/w01/delete/", {"name": "w01"})
        assert answer.status_code == 422
        assert "It belongs to cluster prod" in text(answer)
        assert Host.objects.exists()
        assert not AuditEvent.objects.filter(action="host.delete").exists()

    def test_a_host_at_work_stays(self, console, make_host):
        host = make_host("w01")
        request_operation(kind=host_facts.GATHER_KIND, subject=host, by=None, inputs={"hosts": ["w01"]})
        assert console.post("/hosts/w01/delete/", {"name": "w01"}).status_code == 409
        assert Host.objects.exists()


PAGES = ["/hosts/", "/hosts/new/", "/hosts/import/", "/hosts/w01/", "/hosts/w01/edit/", "/hosts/w01/key/",
         "/hosts/w01/delete/", "/regions/", "/regions/new/", "/regions/beijing/", "/regions/beijing/delete/",
         "/credentials/", "/credentials/new/", "/credentials/site-key/", "/credentials/site-key/delete/"]  # fmt: skip

READ_ONLY = ("/hosts/", "/hosts/w01/", "/regions/", "/credentials/")


@pytest.mark.parametrize("address", PAGES)
def test_only_operators_see_the_pages(client, person, address):
    assert client.get(address)["Location"].startswith(reverse("login"))
    client.force_login(person)
    assert client.get(address).status_code == 403


@pytest.mark.parametrize("address", [page for page in PAGES if page not in READ_ONLY])
def test_only_operators_change_anything(client, person, make_host, address):
    make_host("w01")
    client.force_login(person)
    assert client.post(address, {"name": "w01"}).status_code == 403
    assert (Host.objects.count(), Region.objects.count(), Credential.objects.count()) == (1, 1, 1)


@pytest.mark.parametrize("address", PAGES)
def test_no_page_shows_a_secret(console, values, loopback_sshd, address):
    console.post("/hosts/new/", values)
    page = text(console.get(address))
    body = "".join(loopback_sshd.private_key.splitlines()[1:-1])
    assert body[100:140] not in page.replace("\n", "")
    assert "BEGIN OPENSSH" not in page
    assert 'style="' not in page


def test_gathering_leaves_no_secret_in_log_or_audit(console, values, loopback_sshd, caplog):
    console.post("/hosts/new/", values)
    runner.run(hosts_operation(Host.objects.get()).pk)
    secret = loopback_sshd.private_key.splitlines()[3]
    told = [str(list(model.objects.values())) for model in (AuditEvent, Operation)]
    told += [str(list(Operation.objects.get().lines.values())), caplog.text]
    assert not any(secret in said for said in told)


def hosts_operation(host):
    return host_facts.start_gathering(host=host, by=None)


def test_a_host_of_a_cluster_is_kept_even_in_a_race(operator, make_host):
    host = make_host("w01")
    Host.objects.update(cluster=Cluster.objects.create(name="prod"))
    with pytest.raises(hosts.StillInUse):
        hosts.delete_host(host=host, by=operator)
    assert Host.objects.exists()
