"""Configuration by the API: versions, refusals at their place, publishing, and secrets that never come out."""

import json

import pytest

from apps.access import open_secrets
from apps.models import ConfigRevision
from clusters.models import Environment
from tests.apps.services.test_configurations import (  # noqa: F401
    PLAIN,
    PLANTED,
    SECRET,
    app,
    cluster,
    draft,
    environment,
    place,
    protect,
    publish,
    running,
)

AT = "tenants/retail/apps/web/in/dev/configuration"


@pytest.fixture
def developer(program, tenant, join):
    return program(join(tenant, "developer"), tenant=tenant, role="developer")


def save(developer, *entries, **headers):
    return developer.put(AT, {"entries": list(entries), "note": "n"}, **headers)


def test_a_draft_is_saved_published_and_followed(developer, running):  # noqa: F811
    assert developer.get(AT).json()["number"] == 0
    answer = save(developer, PLAIN, SECRET)
    assert answer.status_code == 200, answer.content
    assert answer["ETag"] == '"1.1"'
    assert PLANTED not in answer.content.decode()
    assert {each["name"]: each["value"] for each in answer.json()["entries"]} == {
        "CACHE_MB": "64",
        "DB_PASSWORD": None,
    }
    answer = developer.post(f"{AT}/revisions/1/publish")
    assert answer.status_code == 202, answer.content
    assert answer["Location"].startswith("/api/v1/operations/")
    assert developer.get(f"{AT}/revisions/1").json()["state"] == "published"


def test_a_change_names_the_version_it_is_meant_for(developer, app, environment):  # noqa: F811
    save(developer, PLAIN)
    assert save(developer, PLAIN).status_code == 428
    assert save(developer, PLAIN, If_Match='"1.9"').status_code == 412
    assert save(developer, PLAIN, If_Match='"1.1"')["ETag"] == '"1.2"'


def test_what_is_wrong_is_named_by_its_place(developer, app, environment):  # noqa: F811
    answer = save(
        developer, PLAIN, {"name": "a.json", "kind": "file", "format": "json", "value": f"{{{PLANTED}"}
    )
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/entries/1/value"]
    assert answer.json()["code"] == "configuration_invalid"
    assert save(developer, PLAIN).status_code == 200


@pytest.mark.parametrize("entries", [None, {}, "x", [1], [{"name": []}], [{"name": "A", "value": 1}]])
def test_odd_entries_are_refused(developer, app, environment, entries):  # noqa: F811
    assert developer.put(AT, {"entries": entries}).status_code == 422


def test_differences_rolling_back_and_withdrawing(developer, app, environment):  # noqa: F811
    save(developer, PLAIN, SECRET)
    assert developer.post(f"{AT}/revisions/1/publish").status_code == 200
    tag = developer.get(AT)["ETag"]
    save(developer, {**PLAIN, "value": "32"}, {**SECRET, "value": f"x{PLANTED}"}, If_Match=tag)
    changes = developer.get(f"{AT}/revisions/2/diff").json()
    assert [(each["name"], each["what"], each["secret"]) for each in changes] == [
        ("CACHE_MB", "changed", False),
        ("DB_PASSWORD", "changed", True),
    ]
    assert PLANTED not in json.dumps(changes)
    assert developer.post(f"{AT}/revisions/2/withdraw").json()["state"] == "withdrawn"
    assert developer.post(f"{AT}/revisions/1/rollback").json()["number"] == 3
    assert [each["number"] for each in developer.get(f"{AT}/revisions").json()["results"]] == [3, 2, 1]


def test_a_copy_is_without_the_secrets_of_there(developer, publish, environment, tenant):  # noqa: F811
    publish(PLAIN, SECRET)
    Environment.objects.create(
        tenant=tenant, cluster=environment.cluster, name="test", namespace="r-test", state="ready"
    )
    there = AT.replace("/dev/", "/test/")
    developer.put(there, {"entries": [{**SECRET, "name": "OWN"}]})
    assert developer.post(f"{there}/revisions/1/publish").status_code == 200
    answer = developer.post(f"{there}/copy", {"from_environment": "dev", "note": "as in dev"})
    assert answer.status_code == 200, answer.content
    assert (answer.json()["number"], answer.json()["state"], answer.json()["note"]) == (
        2,
        "draft",
        "as in dev",
    )
    assert [(each["name"], each["value"]) for each in answer.json()["entries"]] == [
        ("CACHE_MB", "64"),
        ("OWN", None),
    ]
    assert developer.post(f"{there}/copy", {"from_environment": "dev"}).status_code == 409
    assert developer.post(f"{there}/copy", {"from_environment": "nowhere"}).status_code == 404
    assert developer.post(f"{there}/copy", {}).status_code == 422
    assert open_secrets(ConfigRevision.objects.get(environment__name="test", number=2)) == {"OWN": PLANTED}


@pytest.mark.parametrize("form", ["env", "properties", "json", "yaml"])
def test_what_is_exported_is_previewed_and_imported_again(developer, publish, form):  # noqa: F811
    publish(PLAIN, SECRET, {"name": "a.txt", "kind": "file", "value": "x"})
    answer = developer.get(f"{AT}/revisions/1/export?as={form}").json()
    assert PLANTED not in answer["text"]
    sent = {"format": form, "text": answer["text"].replace("64", "32"), "note": "n"}
    seen = developer.post(f"{AT}/import/preview", sent).json()
    assert [(each["name"], each["what"]) for each in seen["changes"]] == [("CACHE_MB", "changed")]
    assert (seen["kept"], seen["count"], seen["files_stay"]) == (
        ["DB_PASSWORD"],
        3,
        form in ("env", "properties"),
    )
    assert ConfigRevision.objects.count() == 1
    assert developer.post(f"{AT}/import", sent).status_code == 428
    made = developer.post(f"{AT}/import", sent, If_Match=developer.get(AT)["ETag"])
    assert (made.status_code, made.json()["number"], made.json()["state"]) == (200, 2, "draft")
    assert open_secrets(ConfigRevision.objects.get(number=2)) == {"DB_PASSWORD": PLANTED}


def test_an_import_of_what_is_none_is_refused(developer, app, environment):  # noqa: F811
    for sent in ({"format": "json", "text": "{}"}, {"format": "env", "text": "A=<secret: not exported>"}):
        refused = developer.post(f"{AT}/import", sent)
        assert (refused.status_code, refused.json()["code"]) == (422, "configuration_invalid")
        assert developer.post(f"{AT}/import/preview", sent).status_code == 422
    assert developer.post(f"{AT}/import", {"format": "toml", "text": ""}).status_code == 422
    assert not ConfigRevision.objects.exists()


def test_an_export_in_no_known_format_is_refused(developer, publish):  # noqa: F811
    publish(PLAIN)
    assert developer.get(f"{AT}/revisions/1/export").json()["format"] == "json"
    assert developer.get(f"{AT}/revisions/1/export?as=toml").status_code == 422


def test_who_reads_which_key(developer, running, publish):  # noqa: F811
    assert developer.get(f"{AT}/readers").json() == []
    publish(PLAIN, {"name": "a.txt", "kind": "file", "value": "x"})
    assert developer.get(f"{AT}/readers").json() == [
        {
            "name": "CACHE_MB",
            "kind": "variable",
            "secret": False,
            "readers": [{"container": "web", "path": "", "hidden": False}],
        },
        {
            "name": "a.txt",
            "kind": "file",
            "secret": False,
            "readers": [{"container": "web", "path": "/etc/app/a.txt", "hidden": False}],
        },
    ]


def test_staging_answers_the_operation_and_marks_odd_numbers(developer, running):  # noqa: F811
    save(developer, PLAIN)
    refused = developer.post(f"{AT}/revisions/1/stage", {"share": 0})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/share"
    answer = developer.post(f"{AT}/revisions/1/stage", {"share": 50, "seconds": 30})
    assert (answer.status_code, answer.json()["kind"]) == (202, "apps.config_stage")
    assert ConfigRevision.objects.get().state == "trial"


def test_four_eyes_hold_at_the_api_too(program, tenant, join, environment, app):  # noqa: F811
    protect(environment)
    operator_of_tenant = program(join(tenant, "operator"), tenant=tenant, role="operator")
    save(operator_of_tenant, PLAIN)
    assert operator_of_tenant.post(f"{AT}/revisions/1/propose").status_code == 200
    answer = operator_of_tenant.post(f"{AT}/revisions/1/publish")
    assert (answer.status_code, answer.json()["code"]) == (403, "four_eyes")


# ---- stages

STAGES = {"stages": [{"share": 5, "seconds": 60}, {"share": 50, "seconds": 60}], "patience": 60}


def test_stages_are_planned_begun_followed_held_and_given_back(developer, running):  # noqa: F811
    save(developer, PLAIN)
    at = f"{AT}/revisions/1"
    planned = developer.post(f"{at}/plan", STAGES).json()
    assert [(each["share"], each["pods"]) for each in planned] == [(5, 1), (50, 1), (100, 2)]
    assert ConfigRevision.objects.get().state == "draft"
    assert developer.get(f"{at}/trial").status_code == 409
    assert developer.post(f"{at}/stage", STAGES).status_code == 202
    ConfigRevision.objects.update(trial_stage=1)
    seen = developer.get(f"{at}/trial").json()
    assert [(each["number"], each["state"]) for each in seen["stages"]] == [
        (1, "now"),
        (2, "next"),
        (3, "next"),
    ]
    assert (seen["held"], seen["patience"], seen["kind"]) == (False, 60, "Deployment")
    assert developer.post(f"{at}/trial/hold").json()["held"] is True
    assert developer.post(f"{at}/trial/proceed", {"stage": 2}).status_code == 412
    assert developer.post(f"{at}/trial/proceed", {"stage": 1}).json()["held"] is False
    assert ConfigRevision.objects.get().trial_passed == 1
    assert developer.post(f"{at}/trial/return").status_code == 202
    assert ConfigRevision.objects.get().state == "draft"


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({"stages": [{"share": 50, "seconds": 60}, {"share": 20, "seconds": 60}]}, "/share"),
        ({"share": 50, "seconds": 5}, "/seconds"),
        ({"patience": 5}, "/patience"),
        ({"stages": [{"share": n, "seconds": 60} for n in range(1, 9)]}, "/stages"),
    ],
)
def test_odd_stages_are_marked(developer, running, sent, pointer):  # noqa: F811
    save(developer, PLAIN)
    refused = developer.post(f"{AT}/revisions/1/stage", sent)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
