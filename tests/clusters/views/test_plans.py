"""The plan pages: forms answer 422 with the field marked, saves 303, others 403, and what is hostile stays text."""

import html

import pytest
from django.urls import reverse

from clusters.models import Bundle, Cluster, Credential, Host, PreflightCheck, Region
from clusters.selectors import plans as selectors
from clusters.services import plans
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations.models import Operation, State

pytestmark = pytest.mark.django_db


@pytest.fixture
def hosts():
    region = Region.objects.create(name="east")
    credential = Credential.objects.create(name="lab", username="kcloud", sealed_secret=b"x")
    return [
        Host.objects.create(
            name=name, region=region, address=f"172.30.0.{n}", credential=credential, state="ready"
        )
        for n, name in enumerate(["m1", "m2", "m3", "w1", "w2"], start=11)
    ]


@pytest.fixture
def bundle():
    return Bundle.objects.create(
        version="1.34.4",
        path="/bundles/1.34.4",
        manifest_sha256="0" * 64,
        state="verified",
        verified_at="2026-01-01T00:00:00Z",
        components={"created_at": "2026-01-01T00:00:00Z"},
    )


@pytest.fixture
def console(client, operator):
    client.force_login(operator)
    return client


def values(**changes):
    """What a browser sends for a plan of one master and two workers."""
    data = {
        "pool_rows": "2",
        "name": "prod",
        "region": "east",
        "version": "1.34.4",
        "runtime": "containerd",
        "use-m1": "on",
        "role-m1": "master",
        "use-w1": "on",
        "role-w1": "worker",
        "pool-w1": "workers",
        "use-w2": "on",
        "role-w2": "worker",
        "pool-w2": "",
        "pools-0-name": "workers",
        "pools-0-count": "",
        "pools-0-labels": "tier=web\nexample.com/disk=ssd\n",
        "pools-0-taints": "",
        "pools-1-name": "",
        "pods": "",
        "pod_cidr": "10.244.0.0/16",
        "service_cidr": "10.96.0.0/16",
        "dns_domain": "cluster.local",
        "node_ports": "30000-32767",
        "proxy_mode": "iptables",
        "default_class": "none",
        "addons": ["coredns"],
        "window_day": "6",
        "window_start": "02:00",
        "window_hours": "4",
        "window_time_zone": "UTC",
        "note": "first",
        "action": "save",
    }
    return {key: value for key, value in {**data, **changes}.items() if value is not None}


@pytest.fixture
def cluster(hosts, operator):
    return plans.create_cluster(
        spec={
            "name": "prod",
            "region": "east",
            "version": "1.34.4",
            "masters": ["m1"],
            "pools": [{"name": "workers", "hosts": ["w1", "w2"]}],
        },
        by=operator,
    )


def text_of(answer):
    return html.unescape(answer.content.decode())


def test_a_new_plan_offers_networks_that_no_other_cluster_has(console, cluster):
    page = text_of(console.get(reverse("clusters:plan_create")))
    assert 'value="10.245.0.0/16"' in page
    assert 'value="10.97.0.0/16"' in page


def test_a_new_plan_lists_hosts_and_verified_versions(console, hosts, bundle):
    page = text_of(console.get(reverse("clusters:plan_create")))
    assert 'aria-label="Use m1"' in page
    assert "1.34.4, bundle of 2026-01-01, signature checked" in page


def test_without_hosts_and_bundles_the_page_names_the_next_action(console):
    page = text_of(console.get(reverse("clusters:plan_create")))
    assert "No spare host" in page
    assert "build one first" in page


def test_saving_a_new_plan_makes_a_draft_and_answers_303(console, hosts):
    answer = console.post(reverse("clusters:plan_create"), values())
    assert (answer.status_code, answer.url) == (303, "/clusters/prod/plan/")
    revision, spec = selectors.current_plan(Cluster.objects.get(name="prod"))
    assert revision.note == "first"
    assert spec.masters == ("m1",)
    assert spec.pools[0].hosts == ("w1", "w2")
    assert spec.pools[0].labels == {"tier": "web", "example.com/disk": "ssd"}


def test_save_and_check_starts_a_preflight(console, hosts):
    console.post(reverse("clusters:plan_create"), values(action="check"))
    operation = Operation.objects.get()
    assert (operation.kind, operation.inputs["revision"]) == ("clusters.preflight", 1)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": "Bad Name"}, "id_name_error", "cannot name a cluster"),
        ({"name": "new"}, "id_name_error", "is the address of a page"),
        ({"name": ""}, "id_name_error", "has no name"),
        ({"version": "latest"}, "id_version_error", "not a Kubernetes version"),
        ({"role-w1": "master"}, "id_hosts_error", "2 masters need 2 for a majority"),
        ({"use-w1": None, "use-w2": None}, "id_hosts_error", "no worker"),
        ({"pod_cidr": "10.96.0.0/14"}, "id_pod_cidr_error", "Free here: 10.100.0.0/14."),
        ({"pod_cidr": "10.244.1.7/16"}, "id_pod_cidr_error", "Did you mean 10.244.0.0/16?"),
        ({"service_cidr": "8.8.0.0/16"}, "id_service_cidr_error", "not inside a private range"),
        ({"dns_domain": "Not_A_Domain"}, "id_dns_domain_error", "not a DNS domain"),
        ({"node_ports": "6000-7000"}, "id_node_ports_error", "6443"),
        ({"pools-0-count": "-1"}, "id_pools-0-count_error", "cannot ask for -1"),
        ({"pools-0-labels": "kubernetes.io/x=y"}, "id_pools-0-labels_error", "belongs to Kubernetes"),
        ({"pools-0-taints": "a=b:Never"}, "id_pools-0-taints_error", "Choose one of: NoSchedule"),
        ({"pools-1-name": "Bad Pool", "pools-1-count": "1"}, "id_pools-1-name_error", "cannot name a pool"),
        ({"window": "on", "window_hours": "30"}, "id_window_hours_error", "1 to 24 hours"),
        ({"window": "on", "window_time_zone": "../etc"}, "id_window_time_zone_error", "not a time zone"),
        ({"region": "west"}, "id_region_error", "west"),
        ({"proxy_mode": "ipvs"}, "id_proxy_mode_error", "ipvs"),
    ],
)
def test_a_refused_plan_answers_422_marks_the_field_and_saves_nothing(console, hosts, changes, field, words):
    answer = console.post(reverse("clusters:plan_create"), values(**changes))
    page = text_of(answer)
    assert answer.status_code == 422
    assert f'id="{field}"' in page
    assert words in page
    assert not Cluster.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_refused_plan_keeps_what_was_typed(console, hosts):
    page = text_of(
        console.post(reverse("clusters:plan_create"), values(name="Bad Name", pod_cidr="10.9.0.0/16"))
    )
    assert 'value="Bad Name"' in page
    assert 'value="10.9.0.0/16"' in page
    assert "example.com/disk=ssd" in page


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "{{ 7|add:7 }}", "'; DROP TABLE x; --", "\u202egnp.exe"]
)
def test_hostile_values_come_back_as_text(console, hosts, hostile):
    fields = ("name", "version", "pod_cidr", "dns_domain", "node_ports", "pools-0-labels", "pool-w1", "note")
    answer = console.post(reverse("clusters:plan_create"), values(**dict.fromkeys(fields, hostile)))
    assert answer.status_code == 422
    assert b"<script>alert" not in answer.content
    assert not Cluster.objects.exists()


@pytest.mark.parametrize("rows", ["-1", "99999999999999999999", "x", "", "1e9", "٣"])
def test_a_hostile_number_of_pool_rows_is_bounded(console, hosts, rows):
    answer = console.post(reverse("clusters:plan_create"), values(pool_rows=rows, name=""))
    assert answer.status_code == 422
    assert answer.content.count(b'-taints"') < 30


def test_hosts_of_other_clusters_cannot_be_smuggled_in(console, hosts, cluster):
    other = Cluster.objects.create(name="other")
    Host.objects.filter(name="m3").update(cluster=other)
    changes = {"revision": "1", "use-m3": "on", "role-m3": "worker"}
    console.post(reverse("clusters:plan", args=["prod"]), values(**changes))
    assert "m3" not in str(selectors.current_plan(cluster)[1])


def test_the_plan_page_shows_the_saved_plan(console, cluster, bundle):
    page = text_of(console.get(reverse("clusters:plan", args=["prod"])))
    assert "revision 1" in page
    assert 'name="use-m1" checked' in page
    assert "If you deploy" in page


def test_a_deploy_button_is_only_live_when_everything_passed(console, cluster):
    page = text_of(console.get(reverse("clusters:plan", args=["prod"])))
    assert 'form="deploy"' not in page


def test_an_edit_makes_a_revision(console, cluster):
    answer = console.post(reverse("clusters:plan", args=["prod"]), values(revision="1", note="labels"))
    assert answer.status_code == 303
    assert selectors.current_plan(cluster)[0].number == 2


def test_an_edit_of_an_old_revision_answers_412_and_says_who_was_faster(console, cluster, person):
    spec = {
        "name": "prod",
        "region": "east",
        "version": "1.34.4",
        "masters": ["m2"],
        "pools": [{"name": "workers", "hosts": ["w1"]}],
    }
    plans.revise_plan(cluster=cluster, spec=spec, by=person, expected_revision=1)
    answer = console.post(reverse("clusters:plan", args=["prod"]), values(revision="1"))
    assert answer.status_code == 412
    assert "person saved revision 2" in text_of(answer)
    assert selectors.current_plan(cluster)[0].number == 2


@pytest.mark.parametrize("revision", ["", "x", "-5", "99"])
def test_a_missing_or_wrong_revision_never_overwrites(console, cluster, revision):
    answer = console.post(reverse("clusters:plan", args=["prod"]), values(revision=revision))
    assert answer.status_code in (412, 422)
    assert selectors.current_plan(cluster)[0].number == 1


def test_editing_waits_while_the_cluster_is_deployed(console, cluster):
    Cluster.objects.update(state="deploying")
    assert console.post(reverse("clusters:plan", args=["prod"]), values(revision="1")).status_code == 409


def test_discard_forgets_the_draft(console, cluster):
    from clusters.errors import PlanLocked  # noqa: F401  (what a cluster beyond a draft is answered with)

    plans.discard_draft(cluster=cluster, by=cluster_operator(cluster))
    assert console.get(reverse("clusters:plan", args=["prod"])).status_code == 404


def cluster_operator(cluster):
    from kcloud_site.tenants.models import User

    return User.objects.get(username=cluster.created_by)


def test_history_shows_what_each_revision_changed(console, cluster):
    console.post(reverse("clusters:plan", args=["prod"]), values(revision="1", pod_cidr="10.100.0.0/16"))
    page = text_of(console.get(reverse("clusters:plan_history", args=["prod"])))
    assert "network.pod_cidr: 10.244.0.0/16" in page
    assert "network.pod_cidr: 10.100.0.0/16" in page
    assert page.index("Revision 2") < page.index("Revision 1")


def test_a_plan_goes_out_as_yaml_and_comes_back_the_same(console, cluster, hosts, operator):
    text = console.get(reverse("clusters:plan_yaml", args=["prod"])).content.decode()
    before = selectors.current_plan(cluster)[1]
    plans.discard_draft(cluster=cluster, by=operator)
    answer = console.post(reverse("clusters:plan_upload"), {"text": text})
    assert answer.status_code == 303
    assert selectors.current_plan(Cluster.objects.get(name="prod"))[1] == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "[1, 2]",
        "a: &x [1]\nb: *x",
        "name: !!python/object/apply:os.system ['id']",
        "name: x\nextra: 1",
        "name: [",
        "\x00",
        "name: prod\nregion: east\nversion: 1.34.4\nmasters: [m1, m2]\npools: [{name: w, hosts: [w1]}]",
    ],
)
def test_a_bad_file_is_refused_with_422_and_leaves_nothing(console, hosts, text):
    answer = console.post(reverse("clusters:plan_upload"), {"text": text})
    assert answer.status_code == 422
    assert "id_text_error" in text_of(answer)
    assert not Cluster.objects.exists()


@pytest.mark.parametrize("revision", ["0", "7", "x", "1" * 30])
def test_a_revision_that_is_not_there_is_404(console, cluster, revision):
    assert (
        console.get(reverse("clusters:plan_yaml", args=["prod"]), {"revision": revision}).status_code == 404
    )


PAGES = [
    ("clusters:plan_create", []),
    ("clusters:plan_upload", []),
    ("clusters:plan", ["prod"]),
    ("clusters:plan_history", ["prod"]),
    ("clusters:plan_yaml", ["prod"]),
    ("clusters:preflight", ["prod"]),
    ("clusters:bundles", []),
]


@pytest.mark.parametrize(("name", "args"), PAGES)
def test_only_operators_see_plans(client, person, cluster, name, args):
    client.force_login(person)
    assert client.get(reverse(name, args=args)).status_code == 403
    assert client.post(reverse(name, args=args), values()).status_code in (403, 405)


@pytest.mark.parametrize(("name", "args"), PAGES)
def test_strangers_are_sent_to_the_sign_in(client, cluster, name, args):
    answer = client.get(reverse(name, args=args))
    assert answer.status_code == 302
    assert "sign-in" in answer.url


def test_an_imported_cluster_has_no_plan_page(console):
    Cluster.objects.create(name="foreign", origin="imported")
    assert console.get(reverse("clusters:plan", args=["foreign"])).status_code == 404


@pytest.fixture
def checked(cluster):
    """A finished preflight with one block, a warning on two hosts, and a pass."""
    operation = Operation.objects.create(
        kind="clusters.preflight",
        subject_type="clusters.cluster",
        subject_id=str(cluster.pk),
        subject_name="prod",
        requested_by_name="operator",
        state=State.SUCCEEDED,
        finished_at="2026-01-01T00:00:00Z",
        inputs={
            "revision": 1,
            "masters": ["m1"],
            "workers": {"w1": "workers", "w2": "workers"},
            "missing": 0,
        },
    )
    revision = selectors.current_plan(cluster)[0]
    rows = [
        ("ports", "w1", "block", {"code": "busy", "ports": "10250 (<b>nginx</b>)"}),
        ("cgroup", "w1", "warn", {"code": "deprecated", "version": "1.34.4"}),
        ("cgroup", "w2", "warn", {"code": "deprecated", "version": "1.34.4"}),
        ("memory", "w1", "pass", {"code": "ok", "found": "8.0"}),
    ]
    for key, host, verdict, facts in rows:
        PreflightCheck.objects.create(
            revision=revision,
            operation_id=operation.pk,
            key=key,
            host=host,
            verdict=verdict,
            facts=facts,
            checked_at="2026-01-01T00:00:00Z",
        )
    return operation


def test_the_rail_shows_problems_first_and_merges_what_hosts_share(console, checked):
    page = text_of(console.get(reverse("clusters:plan", args=["prod"])))
    assert "This plan cannot be deployed yet." in page
    assert page.count("<b>w1, w2</b>") == 1
    assert page.index("10250") < page.index("<b>w1, w2</b>")


def test_what_a_host_answered_is_shown_as_text(console, checked):
    answer = console.get(reverse("clusters:plan", args=["prod"]))
    assert b"<b>nginx" not in answer.content
    assert b"&lt;b&gt;nginx" in answer.content


def test_the_same_rows_read_in_chinese_ground_are_still_the_facts(console, checked):
    answer = console.get(reverse("clusters:plan", args=["prod"]), headers={"accept-language": "zh-hans"})
    assert b"10250" in answer.content


def test_accepting_a_warning_accepts_it_on_all_hosts_that_share_it(console, checked):
    warning = PreflightCheck.objects.get(key="cgroup", host="w1")
    answer = console.post(
        reverse("clusters:preflight_accept", args=["prod", warning.pk]),
        {"reason": "moving to 1.35 next year"},
    )
    assert answer.status_code == 303
    assert set(PreflightCheck.objects.exclude(overridden_by="").values_list("host", flat=True)) == {
        "w1",
        "w2",
    }
    assert (
        AuditEvent.objects.filter(action="preflight.accept", reason="moving to 1.35 next year").count() == 2
    )


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_accepting_without_a_reason_changes_nothing(console, checked, reason):
    warning = PreflightCheck.objects.get(key="cgroup", host="w1")
    console.post(reverse("clusters:preflight_accept", args=["prod", warning.pk]), {"reason": reason})
    assert not PreflightCheck.objects.exclude(overridden_by="").exists()


def test_a_block_cannot_be_accepted_through_its_address(console, checked):
    block = PreflightCheck.objects.get(verdict="block")
    console.post(reverse("clusters:preflight_accept", args=["prod", block.pk]), {"reason": "let me"})
    block.refresh_from_db()
    assert block.overridden_by == ""


def test_a_check_of_another_cluster_is_404(console, checked):
    Cluster.objects.create(name="other")
    block = PreflightCheck.objects.get(verdict="block")
    address = reverse("clusters:preflight_accept", args=["other", block.pk])
    assert console.post(address, {"reason": "x"}).status_code == 404


def test_check_again_leads_back_to_the_plan_and_the_card_follows_live(console, cluster):
    answer = console.post(reverse("clusters:preflight", args=["prod"]))
    assert (answer.status_code, answer.url) == (303, "/clusters/prod/plan/")
    page = text_of(console.get(reverse("clusters:plan", args=["prod"])))
    assert 'hx-trigger="load delay:1s"' in page


def test_the_live_part_stops_asking_when_the_preflight_has_ended(console, checked):
    answer = console.get(reverse("clusters:preflight", args=["prod"]), headers={"hx-request": "true"})
    page = text_of(answer)
    assert "hx-trigger" not in page
    assert 'hx-swap-oob="innerHTML:#plan-band"' in page
    assert 'hx-swap-oob="innerHTML:#host-w1"' in page


def test_a_second_preflight_is_answered_409_with_the_way_to_the_first(console, cluster):
    console.post(reverse("clusters:preflight", args=["prod"]))
    answer = console.post(reverse("clusters:preflight", args=["prod"]))
    assert answer.status_code == 409
    assert f"/operations/{Operation.objects.get().pk}/" in text_of(answer)


def test_many_hosts_cost_no_more_queries(console, cluster, checked, django_assert_max_num_queries):
    region, credential = Region.objects.get(), Credential.objects.get()
    Host.objects.bulk_create(
        Host(name=f"x{n}", region=region, address=f"10.1.{n // 250}.{n % 250}", credential=credential)
        for n in range(150)
    )
    with django_assert_max_num_queries(32):
        console.get(reverse("clusters:plan", args=["prod"]))


def test_a_page_of_many_hosts_stays_bounded(console, hosts):
    region, credential = Region.objects.get(), Credential.objects.get()
    Host.objects.bulk_create(
        Host(name=f"x{n:04}", region=region, address=f"10.1.{n // 250}.{n % 250}", credential=credential)
        for n in range(600)
    )
    page = console.get(reverse("clusters:plan_create")).content
    assert page.count(b'name="use-') == 200
