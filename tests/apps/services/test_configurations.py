"""Drafting, proposing, publishing, rolling back: what becomes of revisions and of the cluster; secrets stay inside."""

import json

import pytest
from django.core import serializers

from apps.access import open_secrets
from apps.errors import ConfigurationChanged, ConfigurationInvalid, ConfigurationRefused, FourEyes
from apps.models import ConfigRevision, Workload
from apps.selectors import configurations as reading
from apps.services import configurations, deployments
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations.models import LogLine, Operation
from tests.apps.things import carry_out, make_app, make_environment, make_release, web_spec

pytestmark = pytest.mark.django_db
PLANTED = "hunter2-planted-secret"
PLAIN = {"name": "CACHE_MB", "value": "64"}
SECRET = {"name": "DB_PASSWORD", "secret": True, "value": PLANTED}
CONFIGS = "/api/v1/namespaces/retail-dev/configmaps/web-variables"
SECRETS = "/api/v1/namespaces/retail-dev/secrets/web-secret-variables"
WEB = "/apis/apps/v1/namespaces/retail-dev/deployments/web"


@pytest.fixture
def place(monkeypatch, tenant):
    return make_environment(monkeypatch, tenant)


@pytest.fixture
def environment(place):
    return place[0]


@pytest.fixture
def cluster(place):
    return place[1]


@pytest.fixture
def app(tenant):
    return make_app(tenant)


@pytest.fixture
def running(app, environment, operator):
    spec = web_spec(configuration={"environment": True, "path": "/etc/app"})
    release = make_release(app, spec=spec)
    made = carry_out(
        deployments.deploy_release(app=app, environment=environment, release=release, by=operator, replicas=2)
    )
    assert made.state == "succeeded", made.reason
    return Workload.objects.get()


@pytest.fixture
def draft(app, environment, person):
    def save(*entries, by=person, **values):
        base = reading.open_revision(app, environment) or reading.published(app, environment)
        values.setdefault("expected", base.etag if base else "")
        return configurations.save_draft(
            app=app, environment=environment, entries=list(entries), by=by, **values
        )

    return save


@pytest.fixture
def publish(draft, operator):
    def make(*entries, **values):
        made = configurations.publish(revision=draft(*entries, **values), by=operator)
        if made:
            carry_out(made)
            assert made.state == "succeeded", made.reason
        return reading.revisions(*_place(made)).first() if made else ConfigRevision.objects.first()

    return make


def _place(deployment):
    return deployment.workload.app, deployment.workload.environment


def protect(environment):
    type(environment).objects.filter(pk=environment.pk).update(protected=True)
    environment.refresh_from_db()


# ---- drafts


def test_a_draft_keeps_plain_values_in_the_row_and_secrets_sealed(draft):
    row = draft(PLAIN, SECRET)
    assert (row.number, row.state, row.base) == (1, "draft", 0)
    assert PLANTED not in json.dumps(row.entries)
    assert PLANTED.encode() not in bytes(row.sealed)
    assert open_secrets(row) == {"DB_PASSWORD": PLANTED}


def test_saving_again_keeps_the_number_and_a_secret_without_a_value(draft):
    draft(PLAIN, SECRET)
    row = draft({**PLAIN, "value": "32"}, {"name": "DB_PASSWORD", "secret": True, "value": None})
    assert (row.number, row.edition, ConfigRevision.objects.count()) == (1, 2, 1)
    assert open_secrets(row) == {"DB_PASSWORD": PLANTED}


def test_a_secret_that_is_not_there_cannot_stay_as_it_is(draft):
    with pytest.raises(ConfigurationInvalid, match="value is missing"):
        draft({"name": "DB_PASSWORD", "secret": True, "value": None})
    assert not ConfigRevision.objects.exists()


def test_of_two_editors_the_second_learns_of_the_first(draft, operator):
    first = draft(PLAIN)
    draft({**PLAIN, "value": "1"}, by=operator)
    with pytest.raises(ConfigurationChanged, match="Somebody else"):
        draft({**PLAIN, "value": "2"}, expected=first.etag.replace("2", "1"))
    assert ConfigRevision.objects.get().entries[0]["value"] == "1"


def test_of_two_that_begin_at_once_one_gets_the_draft(draft, app, environment, person, monkeypatch):
    draft(PLAIN)
    monkeypatch.setattr(reading, "open_revision", lambda *_: None)
    with pytest.raises(ConfigurationChanged):
        configurations.save_draft(app=app, environment=environment, entries=[PLAIN], by=person)
    assert ConfigRevision.objects.count() == 1


def test_one_who_saw_an_older_edition_writes_nothing(draft):
    row = draft(PLAIN)
    stale = ConfigRevision.objects.get(pk=row.pk)
    draft({**PLAIN, "value": "1"})
    for act in (configurations.propose, configurations.withdraw):
        with pytest.raises(ConfigurationChanged):
            act(revision=stale, by=None)


# ---- publishing


def test_publishing_makes_objects_of_it_and_restarts_the_pods(running, publish, cluster):
    row = publish(PLAIN, SECRET)
    assert (row.state, Workload.objects.get().config_revision) == ("published", 1)
    made = cluster.objects[f"{CONFIGS}-1"]
    assert (made["data"], made["immutable"]) == ({"CACHE_MB": "64"}, True)
    assert cluster.objects[f"{SECRETS}-1"]["stringData"] == {"DB_PASSWORD": PLANTED}
    template = cluster.objects[WEB]["spec"]["template"]
    assert template["metadata"]["annotations"]["kcloud.local/config"] == "1"


def test_the_one_before_is_superseded_and_its_secret_sealed_anew_for_the_next(running, publish):
    publish(PLAIN, SECRET)
    row = publish({**PLAIN, "value": "32"}, {"name": "DB_PASSWORD", "secret": True})
    first = ConfigRevision.objects.get(number=1)
    assert (first.state, row.number, row.base) == ("superseded", 2, 1)
    assert bytes(first.sealed) != bytes(row.sealed)
    assert open_secrets(first) == open_secrets(row)


def test_before_the_first_deployment_it_waits_for_that(draft, app, environment, operator):
    assert configurations.publish(revision=draft(PLAIN), by=operator) is None
    assert Workload.objects.get().config_revision == 1


def test_undoing_a_publication_brings_the_older_revision_back(running, publish, operator):
    publish(PLAIN)
    publish({**PLAIN, "value": "32"})
    workload = Workload.objects.get()
    carry_out(deployments.undo_deployment(workload=workload, by=operator))
    states = dict(ConfigRevision.objects.values_list("number", "state"))
    assert states == {1: "published", 2: "superseded"}


def test_a_revision_under_which_no_pod_comes_up_gives_way_and_is_withdrawn(
    running, publish, draft, operator, cluster
):
    publish(PLAIN)
    cluster.bad_configs.add("2")
    made = carry_out(configurations.publish(revision=draft({**PLAIN, "value": "x"}), by=operator))
    assert made.state == "returned"
    workload = Workload.objects.get()
    assert (workload.config_revision, workload.state) == (1, "healthy")
    withdrawn = ConfigRevision.objects.get(number=2)
    assert withdrawn.state == "withdrawn"
    assert "does not come up" in withdrawn.reason["what"]
    assert ConfigRevision.objects.get(number=1).state == "published"


# ---- four eyes


def test_in_a_protected_environment_the_editor_cannot_publish(draft, environment, person):
    protect(environment)
    row = configurations.propose(revision=draft(PLAIN), by=person)
    with pytest.raises(FourEyes):
        configurations.publish(revision=row, by=person)
    assert ConfigRevision.objects.get().state == "proposed"


def test_nor_one_who_only_touched_the_draft_of_another(draft, environment, person, operator):
    protect(environment)
    draft(PLAIN)
    row = configurations.propose(revision=draft({**PLAIN, "value": "1"}, by=operator), by=person)
    for each in (person, operator, None):
        with pytest.raises(FourEyes):
            configurations.publish(revision=row, by=each)


def test_a_second_person_publishes_what_was_proposed_but_not_a_mere_draft(
    draft, environment, person, operator
):
    protect(environment)
    row = draft(PLAIN)
    with pytest.raises(ConfigurationRefused, match="not been proposed"):
        configurations.publish(revision=row, by=operator)
    configurations.propose(revision=row, by=person)
    configurations.publish(revision=row, by=operator)
    row.refresh_from_db()
    assert (row.state, row.proposed_by, row.approved_by) == ("published", row.proposed_by, row.published_by)
    assert row.proposed_by != row.approved_by


def test_what_is_saved_after_proposing_must_be_proposed_again(draft, person):
    configurations.propose(revision=draft(PLAIN), by=person)
    assert draft({**PLAIN, "value": "1"}).state == "draft"


# ---- back, and from elsewhere


def test_rolling_back_makes_a_draft_equal_to_the_old_one_with_its_secrets(
    running, publish, app, environment, operator
):
    publish(PLAIN, SECRET)
    publish({**PLAIN, "value": "32"}, {**SECRET, "value": "other"})
    row = configurations.roll_back(revision=ConfigRevision.objects.get(number=1), by=operator)
    assert (row.number, row.state, open_secrets(row)) == (3, "draft", {"DB_PASSWORD": PLANTED})
    assert not reading.changes(ConfigRevision.objects.get(number=1), row)
    assert {each.name for each in reading.changes(ConfigRevision.objects.get(number=2), row)} == {
        "CACHE_MB",
        "DB_PASSWORD",
    }


def test_while_a_draft_is_open_there_is_no_second_one(publish, draft, operator):
    row = publish(PLAIN)
    draft({**PLAIN, "value": "1"})
    with pytest.raises(ConfigurationRefused, match="still open"):
        configurations.roll_back(revision=row, by=operator)


def test_copying_from_another_environment_takes_no_secret_along(
    publish, app, environment, tenant, operator, draft
):
    from tests.clusters.environments import make

    publish(PLAIN, SECRET)
    other = make(tenant, environment.cluster, "test")
    row = configurations.copy_from(app=app, environment=other, source=environment, by=operator)
    assert [each["name"] for each in row.entries] == ["CACHE_MB"]
    assert bytes(row.sealed) == b""


# ---- secrets


def test_a_secret_is_in_no_audit_event_no_log_line_no_operation_and_no_dump(
    running, publish, draft, operator
):
    publish(PLAIN, SECRET)
    with pytest.raises(ConfigurationInvalid) as refused:
        draft(
            PLAIN,
            {**SECRET, "kind": "file", "format": "json", "name": "a.json", "value": f'{{"{PLANTED}'},
            {
                "name": "b.json",
                "kind": "file",
                "format": "json",
                "secret": True,
                "value": json.dumps(PLANTED),
                "schema": {"type": "object"},
            },
            {"name": "c.yaml", "kind": "file", "format": "yaml", "secret": True, "value": f"a: [{PLANTED}"},
        )
    assert len(refused.value.problems) == 3
    rows = [
        *AuditEvent.objects.all(),
        *Operation.objects.all(),
        *LogLine.objects.all(),
        *ConfigRevision.objects.all(),
    ]
    told = serializers.serialize("json", rows) + str(refused.value) + repr(refused.value.problems)
    assert PLANTED not in told
    assert "DB_PASSWORD" in told


def test_a_secret_moved_to_another_row_does_not_open(publish, draft):
    from kcloud_site.tenants.encryption import SecretUnreadable

    row = publish(PLAIN, SECRET)
    other = draft(PLAIN)
    ConfigRevision.objects.filter(pk=other.pk).update(sealed=bytes(row.sealed))
    with pytest.raises(SecretUnreadable):
        open_secrets(ConfigRevision.objects.get(pk=other.pk))


# ---- files that are read again while running


def test_with_hot_reload_only_changed_variables_restart_the_pods(running, publish, app, cluster):
    type(app).objects.update(reload="hot")
    page = {"name": "app.properties", "kind": "file", "format": "properties", "value": "a=1"}
    publish(PLAIN, page)
    first = cluster.objects[WEB]["spec"]["template"]
    publish(PLAIN, {**page, "value": "a=2"})
    assert cluster.objects[WEB]["spec"]["template"] == first
    files = cluster.objects["/api/v1/namespaces/retail-dev/configmaps/web-files"]
    assert files["data"] == {"app.properties": "a=2"}
    assert "immutable" not in files
    publish({**PLAIN, "value": "1"}, {**page, "value": "a=2"})
    assert cluster.objects[WEB]["spec"]["template"] != first
