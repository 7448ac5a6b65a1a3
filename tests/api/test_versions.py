"""ETag and If-Match: of two who change the same thing, the second is told."""

import pytest

from clusters.models import Credential, Host, Region
from tests.clusters.deployments import plan_data


@pytest.fixture
def hosts(db):
    region = Region.objects.create(name="east")
    key = Credential.objects.create(name="key", username="root", sealed_secret=b"x")
    for number, name in enumerate(("m1", "w1", "w2"), 1):
        Host.objects.create(
            name=name, region=region, address=f"10.0.0.{number}", credential=key, state="ready"
        )


def test_a_change_names_the_version_it_is_meant_for(api):
    version = api.post("regions", {"name": "east"})["ETag"]
    answer = api.patch("regions/east", {"spec": {"title": "East"}}, If_Match=version)
    assert answer.status_code == 200
    assert answer["ETag"] != version
    assert answer.json()["spec"]["title"] == "East"


def test_without_a_version_nothing_is_changed(api):
    api.post("regions", {"name": "east"})
    answer = api.patch("regions/east", {"spec": {"title": "East"}})
    assert (answer.status_code, answer.json()["code"]) == (428, "version_required")
    assert Region.objects.get().title == ""


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_an_old_version_is_refused(api, method):
    old = api.post("regions", {"name": "east"})["ETag"]
    api.patch("regions/east", {"spec": {"title": "East"}}, If_Match=old)
    answer = getattr(api, method)("regions/east", {"spec": {"title": "Mine"}}, If_Match=old)
    assert (answer.status_code, answer.json()["code"]) == (412, "version_changed")
    assert Region.objects.get().title == "East"


@pytest.mark.parametrize("header", ['W/"{}"', '"x"', "x", '""'])
def test_only_the_strong_tag_of_the_version_fits(api, header):
    version = api.post("regions", {"name": "east"})["ETag"]
    sent = header.format(version.strip('"'))
    assert api.patch("regions/east", {"spec": {"title": "x"}}, If_Match=sent).status_code == 412


def test_any_version_may_be_meant(api):
    version = api.post("regions", {"name": "east"})["ETag"]
    assert api.patch("regions/east", {"spec": {"title": "a"}}, If_Match="*").status_code == 200
    several = f'"other", {api.get("regions/east")["ETag"]}'
    assert api.patch("regions/east", {"spec": {"title": "b"}}, If_Match=several).status_code == 200
    assert api.delete("regions/east", If_Match=version).status_code == 412
    assert api.delete("regions/east").status_code == 204


def test_a_plan_is_changed_from_its_generation(api, hosts):
    made = api.post("clusters", {"spec": plan_data()})
    assert made.status_code == 201, made.content
    assert made.json()["generation"] == 1
    read = api.get("clusters/prod/plan")
    assert read["ETag"] == '"1"'
    wanted = {**read.json()["spec"], "network": {**read.json()["spec"]["network"], "pod_cidr": "10.9.0.0/16"}}
    assert api.put("clusters/prod/plan", {"spec": wanted}).status_code == 428
    saved = api.put("clusters/prod/plan", {"spec": wanted, "note": "more room"}, If_Match='"1"')
    assert (saved.status_code, saved["ETag"], saved.json()["generation"]) == (200, '"2"', 2)
    assert api.put("clusters/prod/plan", {"spec": wanted}, If_Match='"1"').status_code == 412
    revisions = api.get("clusters/prod/plan/revisions").json()
    assert [row["generation"] for row in revisions["results"]] == [2, 1]
    assert api.delete("clusters/prod").status_code == 204
