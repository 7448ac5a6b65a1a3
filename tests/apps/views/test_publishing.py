"""Publishing through fields: what is prefilled, what a refusal marks, rows, and the way to the text and back."""

import re

import pytest
from django.urls import reverse

from apps.forms.releases import pack
from apps.models import Release
from apps.specs.fields import fields_of
from apps.specs.reading import parse
from apps.specs.spec import as_json
from tests.apps.things import make_app, make_release, web_spec

pytestmark = pytest.mark.django_db
BUNDLED = "kcloud.local/shop-web:1.0"
ADDRESS = "/tenants/retail/apps/web/releases/new/"


@pytest.fixture
def developer(client, tenant, join):
    client.force_login(join(tenant, "developer"))
    return client


@pytest.fixture
def app(tenant):
    return make_app(tenant)


def _sent(spec=None, **changed):
    """What a browser sends of the page that shows `spec`."""
    fields = fields_of(parse(spec or web_spec(BUNDLED)))
    data = {"version": "1.0", "notes": "First", **fields.flat(), "rest": pack(fields.rest)}
    return {name: text for name, text in (data | changed).items() if text != ""}


def _inputs(page):
    """{name: value} of every text input of a page."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name:
            found[name.group(1)] = value.group(1) if value else ""
    return found


def _marked(page):
    """The names of the inputs a page shows as refused."""
    tags = re.findall(r'<(?:input|textarea|select)[^>]*aria-invalid="true"[^>]*>', page)
    return {re.search(r'name="([^"]*)"', tag).group(1) for tag in tags}


def test_addresses_stay(app):
    assert reverse("apps:publish", args=["retail", "web"]) == ADDRESS


def test_the_first_release_is_published_from_what_is_prefilled(developer, app):
    page = developer.get(ADDRESS).content.decode()
    assert _inputs(page)["image"].endswith("/retail/web:1.0")
    answer = developer.post(ADDRESS, _sent(cpu_request="200m"))
    assert (answer.status_code, answer["Location"]) == (303, ADDRESS.replace("new", "1"))
    made = Release.objects.get()
    assert (made.version, made.notes) == ("1.0", "First")
    assert made.spec["containers"][0]["resources"]["requests"] == {"cpu": "200m"}
    assert made.spec["service"]["ports"] == [{"name": "http", "port": 80, "target": "http"}]


def test_the_next_begins_as_the_newest_one_is_and_keeps_all_of_it(developer, app):
    document = web_spec(BUNDLED, service={"ports": [{"name": "public", "port": 80, "target": "http"}]})
    document["containers"].append({"name": "beside", "image": BUNDLED, "args": ["--all"]})
    newest = make_release(app, "1.0", document)
    page = developer.get(ADDRESS).content.decode()
    assert "<code>containers</code>" in page
    assert "<code>service</code>" in page
    assert "ports-0-service" not in page
    sent = _sent(document, version="1.1", rest=_inputs(page)["rest"])
    assert developer.post(ADDRESS, sent).status_code == 303
    assert app.releases.get(version="1.1").spec == newest.spec


def test_a_hidden_part_that_was_changed_on_its_way_is_no_form(developer, app):
    sent = _sent(rest=pack({"containers": []})[:-2] + "xx")
    assert developer.post(ADDRESS, sent).status_code == 400
    assert not Release.objects.exists()


def test_every_refusal_marks_its_field_and_says_the_remedy(developer, app):
    bad = {
        "version": "",
        "image": "Not One",
        "cpu_request": "lots",
        "ports-0-port": "0",
        "readiness-type": "http",
        "readiness-port": "99999",
        "variables-rows": "2",
        "variables-1-name": "1A",
        "variables-1-value": "x",
        "command": "sh -c 'exec",
    }
    answer = developer.post(ADDRESS, _sent(**bad))
    page = answer.content.decode()
    assert answer.status_code == 422
    expected = {
        "version",
        "image",
        "cpu_request",
        "ports-0-port",
        "readiness-port",
        "variables-1-name",
        "command",
    }
    assert _marked(page) == expected
    assert "Write amounts as Kubernetes does" in page
    assert "From 1 to 65535." in page
    assert "Close the quote" in page
    # What was typed is still there, the row nobody filled too.
    assert _inputs(page)["cpu_request"] == "lots"
    assert 'name="variables-0-name"' in page
    assert not Release.objects.exists()


def test_an_image_that_cannot_be_found_marks_the_image(developer, app):
    answer = developer.post(ADDRESS, _sent(image="registry.kcloud.local:5000/other/web:1.0"))
    assert answer.status_code == 422
    assert _marked(answer.content.decode()) == {"image"}


def test_a_version_that_is_taken_marks_the_version(developer, app):
    make_release(app, "1.0")
    answer = developer.post(ADDRESS, _sent())
    assert _marked(answer.content.decode()) == {"version"}


@pytest.mark.parametrize("group", ["ports", "variables", "volumes"])
def test_a_row_comes_and_goes_and_what_was_typed_stays(developer, app, group):
    answer = developer.post(ADDRESS, _sent(add=group, version="2.0", cpu_request="lots"))
    assert answer.status_code == 200
    inputs = _inputs(answer.content.decode())
    rows = int(inputs[f"{group}-rows"])
    assert f"{group}-{rows - 1}-name" in inputs
    assert (inputs["version"], inputs["cpu_request"], inputs["ports-0-port"]) == ("2.0", "lots", "8080")
    sent = {name: text for name, text in inputs.items() if name != "csrfmiddlewaretoken"}
    answer = developer.post(ADDRESS, {**sent, "remove": f"{group}-{rows - 1}"})
    assert int(_inputs(answer.content.decode())[f"{group}-rows"]) == rows - 1
    assert not Release.objects.exists()


@pytest.mark.parametrize("pressed", [{"add": "x"}, {"remove": "ports-x"}, {"remove": "x-1"}])
def test_a_button_there_is_not_publishes_as_any_other(developer, app, pressed):
    assert developer.post(ADDRESS, _sent(**pressed)).status_code == 303


def test_the_text_says_what_the_fields_say_and_leads_back_to_them(developer, app):
    typed = {"version": "3.0", "notes": "Why", "args": "--name 'two words'", "cpu_limit": "2"}
    text = developer.post(ADDRESS, _sent(**typed, switch="text"))
    page = text.content.decode()
    assert text.status_code == 200
    assert "two words" in page
    document = text.context["form"]["spec"].value()
    back = developer.post(ADDRESS, {"version": "3.0", "notes": "Why", "spec": document, "switch": "fields"})
    inputs = _inputs(back.content.decode())
    assert (inputs["version"], inputs["cpu_limit"]) == ("3.0", "2")
    assert back.context["form"]["args"].value() == "--name 'two words'"
    assert not Release.objects.exists()


def test_fields_that_are_wrong_are_shown_as_text_all_the_same(developer, app):
    page = developer.post(ADDRESS, _sent(**{"ports-0-port": "soon", "switch": "text"}))
    assert "port: soon" in page.context["form"]["spec"].value()


def test_what_no_text_can_say_stays_with_the_fields(developer, app):
    answer = developer.post(ADDRESS, _sent(command="'", switch="text"))
    assert answer.status_code == 422
    assert _marked(answer.content.decode()) == {"command"}


@pytest.mark.parametrize("text", ["containers: [", "containers: [{name: web}]", "a: 1\n---\nb: 2"])
def test_a_text_that_is_no_release_stays_a_text(developer, app, text):
    answer = developer.post(ADDRESS, {"version": "1.0", "spec": text, "switch": "fields"})
    assert answer.status_code == 422
    assert answer.context["form"]["spec"].value() == text


def test_a_carriage_return_is_for_the_text_alone(developer, app):
    document = web_spec(BUNDLED)
    document["containers"][0]["environment"] = {"A": "one\rtwo"}
    make_release(app, "1.0", document)
    page = developer.get(ADDRESS)
    assert "spec" in page.context["form"].fields
    sent = {"version": "1.1", "spec": page.context["form"]["spec"].value()}
    assert developer.post(ADDRESS, {**sent, "switch": "fields"}).status_code == 422
    assert developer.post(ADDRESS, sent).status_code == 303
    assert as_json(parse(app.releases.get(version="1.1").spec)) == as_json(parse(document))


def test_the_text_is_an_address_of_its_own(developer, app):
    assert "spec" in developer.get(f"{ADDRESS}?as=text").context["form"].fields


def test_a_page_with_many_rows_stays_small(developer, app):
    document = web_spec(BUNDLED)
    document["containers"][0]["environment"] = {f"NAME_{n}": "value" for n in range(40)}
    make_release(app, "1.0", document)
    assert len(developer.get(ADDRESS).content) < 100_000
