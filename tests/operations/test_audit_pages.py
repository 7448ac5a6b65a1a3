"""The audit page: filters, pages, its cost, the export, the panel "what changed here", the state of the chain."""

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from kcloud_site import attention
from kcloud_site.audit import chain, selectors, trail, verification
from kcloud_site.audit.models import AuditEvent
from kcloud_site.audit.trail import Subject
from kcloud_site.operations import audit_pages, jobs
from kcloud_site.operations.audit_pages import Wanted
from kcloud_site.operations.models import DueRow

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def record(name="east", action="cluster.deploy", by=None, tenant=None, minutes=None, **fields):
    subject = fields.pop("subject", None) or Subject("clusters.cluster", "1", name)
    event = trail.record(by=by, action=action, subject=subject, tenant=tenant, **fields)
    if minutes is not None:
        AuditEvent.objects.filter(pk=event.pk).update(at=NOON + timedelta(minutes=minutes))
    return event


@pytest.fixture
def reader(client, operator):
    client.force_login(operator)
    return client


def shown(client, **query):
    """The ids of the events on the page."""
    page = client.get(f"/audit/?{urlencode(query)}").content.decode()
    return [int(part.partition('"')[0]) for part in page.split('id="event-')[1:]]


# ---- filters -------------------------------------------------------------------------------------------------------


@pytest.fixture
def events(operator, tenant):
    """One event for each thing that can be asked for."""
    rule = trail.Actor("rule", "healing", via="disk-full")
    return {
        "deploy": record(by=operator, minutes=0),
        "host": record("h1", "host.enrol", subject=Subject("clusters.host", "7", "h1"), minutes=1),
        "rule": record(by=rule, action="host.drain", minutes=2),
        "tenant": record(action="tenant.describe", tenant=tenant, minutes=3),
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"actor": "operator"}, ["deploy"]),
        ({"kind": "rule"}, ["rule"]),
        ({"via": "disk-full"}, ["rule"]),
        ({"action": "host.enrol"}, ["host"]),
        ({"action": "host"}, ["rule", "host"]),
        ({"type": "clusters.host"}, ["host"]),
        ({"type": "clusters.host", "id": "7"}, ["host"]),
        ({"name": "h1"}, ["host"]),
        ({"tenant": "retail"}, ["tenant"]),
        ({"since": "2026-11-02T12:01", "until": "2026-11-02T12:03"}, ["rule", "host"]),
        ({"until": "2026-11-02T12:01:00+00:00"}, ["deploy"]),
        ({"actor": "operator", "action": "host"}, []),
    ],
)
def test_the_page_is_filtered_by(reader, events, query, expected):
    # What making the tenant recorded has no place in the answer: it is of today.
    known = {event.pk: name for name, event in events.items()}
    assert [known[pk] for pk in shown(reader, **query) if pk in known] == expected


@pytest.mark.parametrize("number", ["op-5", "5"])
def test_the_page_is_filtered_by_the_operation(reader, db, number):
    event = record()
    AuditEvent.objects.filter(pk=event.pk).update(operation_id=5)
    record()
    assert shown(reader, operation=number) == [event.pk]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"operation": "deploy"}, "operation"),
        ({"tenant": "nobody"}, "tenant"),
        ({"kind": "ghost"}, "kind"),
        ({"since": "2026-11-02T12:01", "until": "2026-11-02T12:00"}, "until"),
        ({"actor": "x" * 151}, "actor"),
        ({"name": "a\x00b"}, "name"),
    ],
)
def test_a_filter_that_makes_no_sense_is_answered_with_the_field_and_without_events(reader, db, query, field):
    record()
    response = reader.get(f"/audit/?{urlencode(query)}")
    page = response.content.decode()
    assert response.status_code == 422
    assert f'href="#id_{field}"' in page
    assert 'id="event-' not in page
    refused = reader.post(f"/audit/export/?{urlencode(query)}")
    assert (refused.status_code, refused["Location"].split("?")[0]) == (303, "/audit/")


def test_a_tenant_of_others_is_the_same_as_none(client, tenant, other_tenant, join):
    client.force_login(join(tenant, "operator"))
    absent = client.get("/audit/?tenant=nothing")
    foreign = client.get("/audit/?tenant=logistics")
    assert absent.status_code == foreign.status_code == 422
    assert "no tenant of this name" in absent.content.decode()
    assert "no tenant of this name" in foreign.content.decode()


def test_times_are_in_the_readers_zone(reader, operator, db):
    type(operator).objects.filter(pk=operator.pk).update(time_zone="Asia/Shanghai")
    event = record(minutes=0)
    assert shown(reader, since="2026-11-02T20:00", until="2026-11-02T20:01") == [event.pk]
    assert shown(reader, since="2026-11-02T12:00", until="2026-11-02T12:01") == []


# ---- pages ---------------------------------------------------------------------------------------------------------


def test_pages_go_to_the_oldest_event_and_back_without_gap_or_repetition(db):
    ids = [record(minutes=n // 3).pk for n in range(23)]
    rows = AuditEvent.objects.all()
    page, found, pages = audit_pages.page(rows, size=5), [], 1
    assert page.newer is None
    while True:
        found += [event.pk for event in page.events]
        if page.older is None:
            break
        page, pages = audit_pages.page(rows, older=page.older, size=5), pages + 1
    assert (found, pages) == (ids[::-1], 5)
    while page.newer:
        page = audit_pages.page(rows, newer=page.newer, size=5)
    assert [event.pk for event in page.events] == ids[::-1][:5]


def test_a_mark_that_is_not_among_the_readers_events_is_no_mark(client, tenant, other_tenant, join):
    foreign = record(tenant=other_tenant)
    own = record(tenant=tenant)
    client.force_login(join(tenant, "operator"))
    assert own.pk in shown(client, older=foreign.pk)


def test_links_to_other_pages_keep_the_filter(reader, db):
    for _ in range(audit_pages.EVENTS_A_PAGE + 1):
        record()
    page = reader.get("/audit/?name=east&action=cluster.deploy").content.decode()
    assert "?name=east&amp;action=cluster.deploy&amp;older=" in page


# ---- cost ----------------------------------------------------------------------------------------------------------


def test_the_number_of_queries_does_not_grow_with_the_events(reader, tenant, other_tenant):
    record(tenant=tenant)
    reader.get("/audit/")
    with CaptureQueriesContext(
        connection,
    ) as few:
        reader.get("/audit/")
    for n in range(80):
        record(f"c{n}", tenant=(tenant, other_tenant, None)[n % 3])
    with CaptureQueriesContext(connection) as many:
        reader.get("/audit/")
    assert len(many) == len(few)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(type="clusters.cluster", id="1"),
        Wanted(type="clusters.cluster"),
        Wanted(name="east"),
        Wanted(actor="operator"),
        Wanted(kind="rule"),
        Wanted(via="ci"),
        Wanted(tenant_id=3),
        Wanted(action="cluster.deploy"),
        Wanted(operation=5),
        Wanted(since=NOON, until=NOON + timedelta(days=1)),
        Wanted(until=NOON),
        Wanted(actor="operator", since=NOON),
    ],
)
@pytest.mark.parametrize("turn", ["first", "older", "newer"])
def test_every_filter_reads_an_index_in_its_order_and_counts_nothing(db, wanted, turn):
    """A million events cost what ten do: nothing is scanned through, nothing sorted."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL chooses by the size of the table, and there is none here")
    mark = record()
    with CaptureQueriesContext(connection) as made:
        rows = audit_pages.matching(AuditEvent.objects.all(), wanted)
        audit_pages.page(rows, **({} if turn == "first" else {turn: mark.pk}))
    for query in made.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plan = " | ".join(str(row[3]) for row in cursor.fetchall())
        assert "COUNT(" not in query["sql"]
        assert "TEMP B-TREE" not in plan, plan
        assert "USING INDEX audit_" in plan or "PRIMARY KEY" in plan, plan


def test_names_for_the_lists_of_the_filter_hop_from_one_value_to_the_next(db):
    for action in ("b.x", "a.x", "b.x", "c.x"):
        record(action=action)
    assert selectors.values_of("action") == ["a.x", "b.x", "c.x"]
    assert selectors.values_of("object_type") == ["clusters.cluster"]


# ---- export --------------------------------------------------------------------------------------------------------


def exported(client, query=""):
    response = client.post(f"/audit/export/{query}")
    assert response.status_code == 200
    assert response.streaming
    return [json.loads(line) for line in b"".join(response.streaming_content).decode().splitlines()]


def test_the_export_holds_what_the_filter_shows_oldest_first(reader, db):
    first, _other, last = record(minutes=0), record("west", minutes=1), record(minutes=2)
    assert [line["id"] for line in exported(reader, "?name=east")] == [first.pk, last.pk]


def test_the_export_can_be_checked_by_whoever_holds_it(reader, operator, tenant):
    record(by=operator, before={"名": "旧 <b>"}, after={"f": 1.5}, reason="why\nnot", tenant=tenant)
    record()
    lines, previous = exported(reader), chain.FIRST
    for line in lines:
        assert line["previous_hash"] == previous
        row = AuditEvent.objects.get(pk=line["id"])
        content = {**line, "at": row.at}
        assert datetime.fromisoformat(line["at"]) == row.at
        assert chain.seal(content) == line["hash"]
        previous = line["hash"]
    assert len(lines) >= 2


def test_the_export_is_itself_recorded_and_not_part_of_itself(reader, operator, db):
    newest = record()
    lines = exported(reader, "?name=east")
    event = AuditEvent.objects.get(action="audit.export")
    assert (event.actor, event.tenant_id) == ("operator", None)
    assert event.after == {"events up to": newest.pk, "name": "east"}
    assert event.pk not in [line["id"] for line in lines]


def test_a_tenants_operator_takes_only_the_own_and_the_tenant_sees_that(client, tenant, other_tenant, join):
    own, foreign = record(tenant=tenant), record(tenant=other_tenant)
    person = join(tenant, "operator")
    client.force_login(person)
    ids = [line["id"] for line in exported(client)]
    assert own.pk in ids
    assert foreign.pk not in ids
    assert AuditEvent.objects.get(action="audit.export").tenant_id == tenant.pk


@pytest.mark.parametrize("role", ["viewer", "developer"])
def test_whoever_may_not_read_may_not_export_and_nothing_is_recorded(client, tenant, join, role):
    client.force_login(join(tenant, role))
    assert client.post("/audit/export/").status_code == 403
    assert not AuditEvent.objects.filter(action="audit.export").exists()


def test_the_export_is_asked_for_by_a_form_never_by_a_link(reader, db):
    assert reader.get("/audit/export/").status_code == 405


# ---- the panel -----------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(db):
    from clusters.models import Cluster, Region

    return Cluster.objects.create(name="east", region=Region.objects.create(name="gz"))


def on(thing, action, minutes, **fields):
    return record(action=action, subject=thing, minutes=minutes, **fields)


def without_token(response):
    return re.sub(r'value="[^"]{64}"|/audit/about/tenants.tenant/[0-9]+', "", response.content.decode())


def about(thing, before=None):
    query = f"?{urlencode({'before': before.isoformat()})}" if before else ""
    return f"/audit/about/{thing._meta.label_lower}/{thing.pk}/{query}"


def test_the_panel_shows_the_newest_changes_with_before_and_after(reader, cluster):
    on(cluster, "cluster.plan", 0, before={"v": "1.33"}, after={"v": "1.34"}, reason="upgrade")
    page = reader.get(about(cluster)).content.decode()
    assert "<del>1.33</del> <ins>1.34</ins>" in page
    assert "upgrade" in page


def test_before_a_failure_the_panel_shows_what_came_before_it_alone(reader, cluster):
    on(cluster, "cluster.plan", 0)
    on(cluster, "cluster.reset", 10)
    page = reader.get(about(cluster, NOON + timedelta(minutes=5))).content.decode()
    assert "cluster.plan" in page
    assert "cluster.reset" not in page


def test_the_panel_also_shows_changes_of_what_can_break_the_thing(reader, cluster):
    from clusters.models import Credential, Host

    key = Credential.objects.create(name="root", username="root", sealed_secret=b"")
    host = Host.objects.create(
        name="h1", region=cluster.region, address="10.0.0.1", credential=key, cluster=cluster
    )
    stranger = Host.objects.create(name="h2", region=cluster.region, address="10.0.0.2", credential=key)
    on(key, "credential.replace", 0)
    on(host, "host.edit", 1)
    on(cluster.region, "region.describe", 2)
    on(stranger, "host.stranger", 3)
    page = reader.get(about(cluster)).content.decode()
    assert [action in page for action in ("credential.replace", "host.edit", "region.describe")] == [True] * 3
    assert "host.stranger" not in page
    assert "credential.replace" in reader.get(about(host)).content.decode()


def test_of_an_operation_the_panel_shows_the_changes_of_its_subject(reader, cluster):
    from kcloud_site.operations.models import Operation

    operation = Operation.objects.create(
        kind="x",
        subject_type="clusters.cluster",
        subject_id=str(cluster.pk),
        subject_name="east",
        state="failed",
        finished_at=NOON + timedelta(minutes=5),
        failure={"what": "It broke."},
    )
    on(cluster, "cluster.plan", 0)
    on(cluster.region, "region.describe", 1)
    on(cluster, "cluster.later", 9)
    page = reader.get(about(operation, operation.finished_at)).content.decode()
    assert [action in page for action in ("cluster.plan", "region.describe", "cluster.later")] == [
        True,
        True,
        False,
    ]
    html = reader.get(f"/operations/{operation.pk}/").content.decode()
    assert "What changed before this broke" in html
    assert (
        f'hx-get="/audit/about/operations.operation/{operation.pk}/?before=2026-11-02T12%3A05%3A00%2B00%3A00"'
        in html
    )


def test_pages_of_things_carry_the_panel(reader, cluster):
    from clusters.models import Credential

    Credential.objects.create(name="root", username="root", sealed_secret=b"")
    for address in ("/clusters/east/", "/regions/gz/", "/credentials/root/"):
        assert "/audit/about/clusters." in reader.get(address).content.decode(), address


def test_a_cluster_that_is_not_well_is_asked_about_the_time_before(reader, cluster):
    type(cluster).objects.update(state="ready", health="degraded", health_since=NOON)
    page = reader.get("/clusters/east/").content.decode()
    assert f"/audit/about/clusters.cluster/{cluster.pk}/?before=2026-11-02T12%3A00%3A00%2B00%3A00" in page


def test_the_panel_answers_outsiders_as_if_nothing_were_there(client, tenant, other_tenant, join):
    on(tenant, "tenant.secret-change", 0)
    absent = "/audit/about/tenants.tenant/999999/"
    client.force_login(join(other_tenant, "owner"))
    assert client.get(about(tenant)).status_code == 404
    assert client.get(absent).status_code == 404
    assert without_token(client.get(about(tenant))) == without_token(client.get(absent))
    client.force_login(join(tenant, "viewer"))
    assert client.get(about(tenant)).status_code == 403
    client.force_login(join(tenant, "operator"))
    assert "tenant.secret-change" in client.get(about(tenant)).content.decode()


def test_the_platforms_things_are_not_there_for_a_tenants_owner(client, cluster, tenant, join):
    client.force_login(join(tenant, "owner"))
    assert client.get(about(cluster)).status_code == 404


@pytest.mark.parametrize(
    "rest",
    ["nothing/1", "clusters.nothing/1", "clusters.cluster/x", "clusters.cluster/" + "9" * 30],
)
def test_a_panel_about_nothing_is_not_found(reader, db, rest):
    assert reader.get(f"/audit/about/{rest}/").status_code == 404


def test_the_panel_costs_the_same_however_many_hosts_and_events_there_are(reader, cluster):
    from clusters.models import Credential, Host

    key = Credential.objects.create(name="root", username="root", sealed_secret=b"")

    def hosts(numbers):
        for n in numbers:
            host = Host.objects.create(
                name=f"h{n}", region=cluster.region, address=f"10.0.0.{n}", credential=key, cluster=cluster
            )
            on(host, "host.edit", n)

    hosts(range(1, 3))
    reader.get(about(cluster))
    with CaptureQueriesContext(connection) as few:
        reader.get(about(cluster))
    hosts(range(3, 30))
    with CaptureQueriesContext(connection) as many:
        reader.get(about(cluster))
    assert len(many) == len(few)


# ---- the chain -----------------------------------------------------------------------------------------------------


def test_the_clock_knows_the_check_and_the_job_reads_on(db, monkeypatch):
    from django.core.management import call_command

    monkeypatch.setattr("kcloud_site.operations.clock.Clock.run", lambda self: None)
    call_command("clock")
    row = DueRow.objects.get(name="audit.check")
    assert (row.job, row.every) == ("kcloud_site.operations.jobs.check_audit_trail", 300)
    record()
    jobs.check_audit_trail()
    assert verification.state().end_events == 1


def test_the_page_says_when_the_chain_was_checked_last(reader, db):
    record()
    assert "has not been checked yet" in reader.get("/audit/").content.decode()
    assert reader.post("/audit/check/").status_code == 303
    page = reader.get("/audit/").content.decode()
    assert "Intact" in page
    verification.ChainCheck.objects.update(checked_at=timezone.now() - timedelta(hours=1))
    assert "has not been checked for a while" in reader.get("/audit/").content.decode()


def test_a_broken_chain_is_said_on_the_page_and_waits_on_the_overview(reader, db):
    from clusters.models import Cluster

    Cluster.objects.create(name="east")
    event = record()
    AuditEvent.objects.filter(pk=event.pk).update(actor="somebody-else")
    jobs.check_audit_trail()
    assert f"Event {event.pk} does not fit" in reader.get("/audit/").content.decode()
    assert [item.address for item in attention.overview().items] == ["/audit/"]
    page = reader.get("/").content.decode()
    assert "The audit trail is broken" in page


def test_only_those_who_may_read_all_of_it_check_the_chain(client, auditor, tenant, join):
    client.force_login(auditor)
    assert client.post("/audit/check/").status_code == 303
    client.force_login(join(tenant, "owner"))
    assert client.post("/audit/check/").status_code == 403
    assert "State of the chain" not in client.get("/audit/").content.decode()
