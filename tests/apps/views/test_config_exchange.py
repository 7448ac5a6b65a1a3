"""Download of a configuration and its import: what leaves, what a preview shows, what a draft gets."""

import json
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.access import open_secrets
from apps.models import ConfigRevision
from kcloud_site.audit.models import AuditEvent
from tests.apps.services.test_configurations import (  # noqa: F401
    PLAIN,
    PLANTED,
    SECRET,
    app,
    cluster,
    draft,
    environment,
    place,
    publish,
)
from tests.markup import squeezed

pytestmark = pytest.mark.django_db
FILE = {"name": "a.json", "kind": "file", "format": "json", "value": "{}\n", "schema": {"type": "object"}}


@pytest.fixture
def developer(client, tenant, join):
    client.force_login(join(tenant, "developer"))
    return client


def address(name, *more):
    return reverse(f"apps:{name}", args=["retail", "web", "dev", *more])


def hidden(page):
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.content.decode()))


def look(developer, text, form="env", **more):
    return developer.post(address("config_import"), {"format": form, "text": text, **more})


def make(developer, page, **changed):
    sent = {name: value for name, value in hidden(page).items() if name != "csrfmiddlewaretoken"}
    return developer.post(address("config_import"), {**sent, **changed})


@pytest.mark.parametrize(
    ("form", "ending", "line"),
    [
        ("env", "env", 'CACHE_MB="64"'),
        ("properties", "properties", "CACHE_MB=64"),
        ("json", "json", '"value": "64"'),
        ("yaml", "yaml", "value: '64'"),
    ],
)
def test_a_revision_is_downloaded_without_its_secrets(developer, publish, form, ending, line):  # noqa: F811
    publish(PLAIN, SECRET, FILE)
    assert f"{address('config_export', 1)}?as={form}" in developer.get(address("config")).content.decode()
    answer = developer.get(address("config_export", 1), {"as": form})
    assert f'filename="retail-dev-web-r1.{ending}"' in answer["Content-Disposition"]
    text = answer.content.decode()
    assert line in text
    assert PLANTED not in text
    assert "<secret: not exported>" in text
    assert AuditEvent.objects.filter(action="configuration.export").exists()


def test_there_are_no_other_formats_and_revisions(developer, publish):  # noqa: F811
    publish(PLAIN)
    assert developer.get(address("config_export", 1), {"as": "toml"}).status_code == 404
    assert developer.get(address("config_export", 9)).status_code == 404


def test_an_export_comes_in_again_and_changes_nothing(developer, publish):  # noqa: F811
    row = publish(PLAIN, SECRET, FILE)
    for number, form in enumerate(("json", "yaml", "env", "properties"), 2):
        text = developer.get(address("config_export", 1), {"as": form}).content.decode()
        page = look(developer, text, form)
        assert "No difference" in page.content.decode(), form
        assert make(developer, page).status_code == 303
        made = ConfigRevision.objects.get(number=number)
        assert made.entries == row.entries, form
        assert open_secrets(made) == {"DB_PASSWORD": PLANTED}
        developer.post(address("config_act", number, "withdraw"))


def test_the_preview_shows_the_change_saves_nothing_and_shows_no_new_secret(developer, publish):  # noqa: F811
    publish(PLAIN, SECRET)
    page = look(developer, f"CACHE_MB=32\nDB_PASSWORD=new-{PLANTED}\n", note="from afar")
    text = squeezed(page.content.decode())
    assert "- 64" in text
    assert "+ 32" in text
    assert "secret, changed" in text
    assert PLANTED not in text
    assert ConfigRevision.objects.count() == 1
    assert make(developer, page).status_code == 303
    made = ConfigRevision.objects.get(number=2)
    assert (made.note, made.state, made.entries[0]["value"]) == ("from afar", "draft", "32")
    assert open_secrets(made) == {"DB_PASSWORD": f"new-{PLANTED}"}


def test_a_file_is_uploaded(developer, publish):  # noqa: F811
    publish(PLAIN, FILE)
    upload = SimpleUploadedFile("x.env", b"CACHE_MB=1\nB=2\n")
    page = developer.post(address("config_import"), {"format": "env", "text": "", "file": upload})
    assert "Files stay as they are" in page.content.decode()
    make(developer, page)
    entries = ConfigRevision.objects.get(number=2).entries
    assert [each["name"] for each in entries] == ["B", "CACHE_MB", "a.json"]


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("env", "A", "Line 1: write NAME=value."),
        ("env", "A=<secret: not exported>", "The value is missing."),
        ("json", "{}", "not an exported configuration"),
        (
            "json",
            json.dumps({"kind": "kcloud-configuration", "entries": [{"name": "1"}]}),
            "no name of a variable",
        ),
        ("env", "", "Choose a file, or paste its text."),
        ("toml", "A=1", "toml"),
    ],
)
def test_what_cannot_be_imported_is_said_and_nothing_is_saved(developer, app, environment, form, text, said):  # noqa: F811
    answer = look(developer, text, form)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not ConfigRevision.objects.exists()


def test_whoever_was_faster_is_not_overwritten(developer, draft, publish, operator):  # noqa: F811
    publish(PLAIN)
    page = look(developer, "CACHE_MB=1")
    draft({**PLAIN, "value": "2"}, by=operator)
    answer = make(developer, page)
    assert answer.status_code == 422
    assert "Somebody else changed the configuration" in answer.content.decode()
    assert ConfigRevision.objects.get(number=2).entries[0]["value"] == "2"


def test_a_preview_of_another_or_garbage_makes_nothing(developer, client, tenant, join, app, environment):  # noqa: F811
    page = look(developer, "A=1")
    assert make(developer, page, sealed="garbage").status_code == 422
    assert make(developer, page, sealed="ä").status_code == 422
    client.force_login(join(tenant, "operator"))
    answer = make(client, page)
    assert answer.status_code == 422
    assert "does not fit any more" in answer.content.decode()
    assert not ConfigRevision.objects.exists()
