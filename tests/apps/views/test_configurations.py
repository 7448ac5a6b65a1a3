"""The configuration page: editing without a script, refusals at their fields, secrets that never come back."""

import html
import re

import pytest
from django.urls import reverse

from apps.models import ConfigRevision, Deployment, SeenPods, Workload
from apps.services import configurations as services
from clusters.models import Environment
from kcloud_site.operations.models import Step
from kcloud_site.tenants.models import Membership
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
from tests.apps.things import carry_out
from tests.markup import squeezed

pytestmark = pytest.mark.django_db


@pytest.fixture
def developer(client, tenant, join):
    user = join(tenant, "developer")
    client.force_login(user)
    client.user = user
    return client


def address(name="config", *more):
    return reverse(f"apps:{name}", args=["retail", "web", "dev", *more])


def form_of(page):
    """What a browser would send of the editor, as it stands."""
    text = page.content.decode()
    selects = squeezed(text)
    found = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', text))
    for name, value in re.findall(r'<textarea[^>]*\sname="([\w-]+)"[^>]*>\n?([^<]*)</textarea>', text):
        found[name] = html.unescape(value).replace("\n", "\r\n")
    found.pop("csrfmiddlewaretoken", None)
    for name, options in re.findall(r'<select[^>]* name="([\w-]+)"[^>]*>(.*?)</select>', selects):
        chosen = re.search(r'value="(\w+)" selected', options)
        found[name] = chosen[1] if chosen else "text"
    for number in range(int(found["rows"])):
        found.setdefault(f"kind-{number}", "variable")
    return found


def test_the_first_key_is_written_where_nothing_runs_yet(developer, app, environment):  # noqa: F811
    sent = {**form_of(developer.get(address())), "name-0": "CACHE_MB", "kind-0": "variable", "value-0": "64"}
    answer = developer.post(address(), {**sent, "note": "first"})
    assert (answer.status_code, answer["Location"]) == (303, address())
    row = ConfigRevision.objects.get()
    assert (row.entries, row.note) == (
        [{"name": "CACHE_MB", "kind": "variable", "format": "text", "value": "64"}],
        "first",
    )
    text = developer.get(address()).content.decode()
    assert "What r1 changes" in text
    assert "+ 64" in text


def test_saving_the_page_as_it_is_changes_nothing_and_keeps_the_secret(developer, publish):  # noqa: F811
    page = {
        "name": "a.json",
        "kind": "file",
        "format": "json",
        "value": "{\n}\n",
        "schema": {"type": "object"},
    }
    row = publish(PLAIN, SECRET, page)
    shown = developer.get(address())
    assert PLANTED not in shown.content.decode()
    assert "unchanged; type to replace" in shown.content.decode()
    developer.post(address(), form_of(shown))
    made = ConfigRevision.objects.get(number=2)
    assert made.entries == row.entries
    assert services.open_secrets(made) == {"DB_PASSWORD": PLANTED}


def test_a_key_is_removed_by_its_mark(developer, publish):  # noqa: F811
    publish(PLAIN, SECRET)
    sent = form_of(developer.get(address()))
    developer.post(address(), {**sent, "remove-1": "1"})
    assert [each["name"] for each in ConfigRevision.objects.get(number=2).entries] == ["CACHE_MB"]


def test_add_a_key_gives_another_blank_row_and_saves_nothing(developer, app, environment):  # noqa: F811
    sent = {**form_of(developer.get(address())), "name-0": "A", "value-0": "typed", "more": "1"}
    answer = developer.post(address(), sent)
    assert answer.status_code == 200
    assert 'name="name-1"' in answer.content.decode()
    assert "typed" in answer.content.decode()
    assert not ConfigRevision.objects.exists()


def test_what_is_wrong_is_marked_at_its_field_and_a_typed_secret_is_not_sent_back(developer, publish):  # noqa: F811
    publish(PLAIN)
    sent = form_of(developer.get(address()))
    new = {
        "name-1": "b.json",
        "kind-1": "file",
        "format-1": "json",
        "secret-1": "1",
        "value-1": f"{{{PLANTED}",
    }
    answer = developer.post(address(), {**sent, **new})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert 'aria-invalid="true" aria-describedby="e1"' in text
    assert 'href="#v1"' in text
    assert PLANTED not in text
    assert ConfigRevision.objects.count() == 1


def test_the_second_of_two_editors_sees_that_and_may_save_again(developer, draft, app, environment, operator):  # noqa: F811
    sent = form_of(developer.get(address()))
    draft(PLAIN, by=operator)
    mine = {**sent, "name-0": "B", "kind-0": "variable", "value-0": "mine"}
    answer = developer.post(address(), mine)
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "Somebody else changed the configuration" in text
    assert "mine" in text
    again = form_of(answer)
    assert developer.post(address(), {**mine, "expected": again["expected"]}).status_code == 303
    assert [each["name"] for each in ConfigRevision.objects.get().entries] == ["B"]


def test_publish_from_the_page(developer, running, draft, operator):  # noqa: F811
    draft(PLAIN, by=operator)
    text = developer.get(address()).content.decode()
    assert address("config_publish", 1) in text
    assert address("config_plan", 1) in text
    answer = developer.post(address("config_publish", 1), {"expected": "1.1"}, follow=True)
    assert "r1 is published" in answer.content.decode()
    assert Workload.objects.get().config_revision == 1


def test_staging_from_the_page_and_odd_numbers(developer, running, draft):  # noqa: F811
    draft(PLAIN)
    answer = developer.post(address("config_stage", 1), {"share": "-5", "seconds": "60"}, follow=True)
    assert "not a number from 1 to 100" in answer.content.decode()
    answer = developer.post(address("config_stage", 1), {"share": "50", "seconds": "60"}, follow=True)
    assert "The trial is about to begin." in answer.content.decode()


def test_in_a_protected_environment_a_developer_edits_but_does_not_publish(developer, draft, environment):  # noqa: F811
    draft(PLAIN)
    protect(environment)
    text = developer.get(address()).content.decode()
    assert address("config_act", 1, "propose") in text
    assert address("config_publish", 1) not in text
    assert developer.post(address("config_publish", 1)).status_code == 403
    assert developer.post(address("config_stage", 1)).status_code == 403
    assert developer.post(address("config_act", 1, "propose")).status_code == 303
    assert ConfigRevision.objects.get().state == "proposed"


def test_an_operator_who_wrote_it_is_told_why_they_cannot_publish(client, draft, environment, operator):  # noqa: F811
    services.propose(revision=draft(PLAIN, by=operator), by=operator)
    protect(environment)
    client.force_login(operator)
    answer = client.post(address("config_publish", 1), follow=True)
    assert "You wrote in this revision" in answer.content.decode()


def test_roll_back_withdraw_and_copy(developer, publish, environment, tenant, app):  # noqa: F811
    publish(PLAIN)
    publish({**PLAIN, "value": "32"})
    assert "Roll back to r1" in developer.get(address()).content.decode()
    developer.post(address("config_act", 1, "rollback"))
    assert ConfigRevision.objects.get(number=3).entries == ConfigRevision.objects.get(number=1).entries
    developer.post(address("config_act", 3, "withdraw"))
    assert ConfigRevision.objects.get(number=3).state == "withdrawn"
    Environment.objects.create(
        tenant=tenant, cluster=environment.cluster, name="test", namespace="retail-test"
    )
    there = reverse("apps:config_copy", args=["retail", "web", "test"])
    assert developer.post(there, {"source": "dev"}).status_code == 303
    assert ConfigRevision.objects.get(environment__name="test").entries[0]["value"] == "32"
    compared = developer.get(reverse("apps:config_compare", args=["retail", "web", "test"]), {"with": "dev"})
    assert "CACHE_MB" in compared.content.decode()
    assert developer.post(address("config_act", 1, "explode")).status_code == 404


def test_any_two_revisions_are_compared_and_secrets_only_by_their_change(developer, publish):  # noqa: F811
    publish(PLAIN, SECRET)
    publish({**PLAIN, "value": "32"}, {**SECRET, "value": f"new-{PLANTED}"})
    text = developer.get(address("config_compare"), {"from": "1", "to": "2"}).content.decode()
    text = squeezed(text)
    assert "- 64" in text
    assert "+ 32" in text
    assert "secret, changed" in text
    assert PLANTED not in text
    assert (
        developer.get(address("config_compare"), {"from": "x", "to": "99", "with": "no"}).status_code == 200
    )


def test_who_reads_which_key_and_which_pod_runs_what(developer, running, publish, tenant):  # noqa: F811
    publish(PLAIN, {"name": "a.txt", "kind": "file", "value": "x"})
    SeenPods.objects.create(
        tenant=tenant, workload=running, rows=[{"name": "web-1", "config": "1", "ready": True}], total=1
    )
    text = squeezed(developer.get(address()).content.decode())
    assert "web <code>/etc/app/a.txt</code>" in text
    assert re.search(r"web-1</th><td class=\"num\">r1</td>", text)


def test_a_viewer_sees_it_without_what_changes_it(client, tenant, join, publish, draft):  # noqa: F811
    publish(PLAIN, SECRET)
    draft({**PLAIN, "value": "1"})
    client.force_login(join(tenant, "viewer"))
    text = client.get(address()).content.decode()
    assert "CACHE_MB" in text
    for word in ("Save draft", "Add a key", "/publish/", "/withdraw/", PLANTED):
        assert word not in text
    assert client.post(address(), {}).status_code == 403


def test_the_list_of_the_application_shows_all_environments(developer, publish):  # noqa: F811
    publish(PLAIN)
    text = developer.get(reverse("apps:configurations", args=["retail", "web"])).content.decode()
    assert "r1" in text
    assert address() in text


# ---- what moves by itself


LIVE = {"HX-Request": "true"}


def begin_trial(developer, draft, publish):  # noqa: F811
    publish(PLAIN)
    draft({**PLAIN, "value": "1"})
    developer.post(address("config_stage", 2), {"share": "50", "seconds": "60"})
    assert ConfigRevision.objects.get(number=2).state == "trial"


def test_a_trial_is_watched_without_reloading_until_it_has_ended(developer, running, publish, draft):  # noqa: F811
    publish(PLAIN)
    assert "hx-get" not in live_part(developer.get(address()))
    draft({**PLAIN, "value": "1"})
    developer.post(address("config_stage", 2), {"share": "50", "seconds": "60"})
    page = developer.get(address())
    assert f'hx-get="{address()}?trial=1"' in live_part(page)
    assert "Save draft" not in page.content.decode()
    following = developer.get(address(), {"trial": "1"}, headers=LIVE)
    text = following.content.decode()
    assert "<html" not in text
    assert "hx-get" in live_part(following)
    assert 'id="uses" hx-swap-oob="true"' in text
    ConfigRevision.objects.filter(number=2).update(state="withdrawn")
    ended = developer.get(address(), {"trial": "1"}, headers=LIVE)
    assert (ended["HX-Refresh"], ended.content) == ("true", b"")
    assert "hx-get" not in live_part(developer.get(address()))


def test_a_publication_is_watched_until_all_pods_have_it(developer, running, draft, operator, tenant):  # noqa: F811
    draft(PLAIN)
    developer.post(address("config_publish", 1), {"expected": "1.1"})
    rows = [{"name": "web-1", "config": "1", "ready": True}, {"name": "web-2", "config": "", "ready": True}]
    SeenPods.objects.create(tenant=tenant, workload=running, rows=rows, total=2)
    page = developer.get(address())
    assert f'hx-get="{address()}"' in live_part(page)
    assert "1 of 2 pods have it" in page.content.decode()
    carry_out(Deployment.objects.get(action="config"))
    after = developer.get(address(), headers=LIVE)
    assert "HX-Refresh" not in after  # what is typed in the editor stays
    assert "hx-get" not in live_part(after)


def test_the_plan_is_shown_before_it_begins_and_begins_as_shown(developer, running, draft):  # noqa: F811
    draft(PLAIN)
    answer = developer.get(
        address("config_plan", 1), {"share": ["10", "60"], "seconds": ["20", ""], "patience": "90"}
    )
    text = squeezed(answer.content.decode())
    rows = re.findall(r'<th scope="row">\d</th><td class="num">(\d+) %</td><td class="num">(\d+)</td>', text)
    assert rows == [("10", "1"), ("60", "1"), ("100", "2")]
    assert "ready within 90 s" in text
    assert "Errors of requests are not looked at" in text
    form = text[text.index(f'action="{address("config_stage", 1)}"') :]
    sent = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)"', form):
        sent.setdefault(name, []).append(value)
    sent.pop("csrfmiddlewaretoken", None)
    assert developer.post(address("config_stage", 1), sent).status_code == 303
    facts = ConfigRevision.objects.get().trial
    assert [(each["share"], each["seconds"]) for each in facts["stages"]] == [(10, 20), (60, 60), (100, 0)]
    assert facts["patience"] == 90


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"share": ["50", "20"], "seconds": ["60", "60"]}, "Each stage is larger than the one before."),
        ({"share": "x", "seconds": "60"}, "not a number from 1 to 100"),
        ({"patience": "0"}, "not a number from 10 to 1800"),
    ],
)
def test_what_is_no_plan_is_said(developer, running, draft, given, said):  # noqa: F811
    draft(PLAIN)
    answer = developer.get(address("config_plan", 1), given)
    assert answer.status_code == 422
    assert said in answer.content.decode()


def test_each_stage_is_explained_and_ordered_from_the_page(developer, running, publish, draft):  # noqa: F811
    begin_trial(developer, draft, publish)
    assert "The trial is about to begin." in developer.get(address()).content.decode()
    ConfigRevision.objects.filter(number=2).update(trial_stage=1)
    text = developer.get(address(), {"trial": "1"}, headers=LIVE).content.decode()
    assert "Stage 1 of 2: 1 pods, 50 %." in text
    assert "They have 180 s to become ready." in text
    assert "Then all pods get it." in text
    Step.objects.filter(key="stage-1").update(outcome={"ready": True, "watched": 12.5})
    assert "watched for 12 of 60 s" in developer.get(address()).content.decode()
    developer.post(address("config_order", 2, "hold"))
    text = developer.get(address()).content.decode()
    assert "A person holds it here" in text
    assert address("config_order", 2, "hold") not in text
    developer.post(address("config_order", 2, "proceed"), {"stage": "1"})
    row = ConfigRevision.objects.get(number=2)
    assert (row.trial_held, row.trial_passed) == (False, 1)
    assert developer.post(address("config_order", 2, "explode")).status_code == 404
    developer.post(address("config_order", 2, "return"))
    assert ConfigRevision.objects.get(number=2).state == "draft"


def test_a_viewer_sees_a_trial_without_its_buttons(client, developer, running, publish, draft, tenant, join):  # noqa: F811
    begin_trial(developer, draft, publish)
    ConfigRevision.objects.filter(number=2).update(trial_stage=1)
    client.force_login(join(tenant, "viewer"))
    text = client.get(address()).content.decode()
    assert "Stage 1 of 2" in text
    assert "/trial/" not in text
    assert client.post(address("config_order", 2, "hold")).status_code == 403


def test_whoever_lost_the_right_sees_no_more_of_a_trial(developer, running, publish, draft, tenant):  # noqa: F811
    begin_trial(developer, draft, publish)
    Membership.objects.filter(user=developer.user, tenant=tenant).delete()
    assert developer.get(address(), {"trial": "1"}, headers=LIVE).status_code == 404


def live_part(page):
    return re.search(r'<div id="live"[^>]*>', page.content.decode())[0]


def test_new_keys_have_heads_of_their_own(developer, publish):  # noqa: F811
    publish(PLAIN)
    tables = re.findall(r"<table.*?</table>", developer.get(address()).content.decode(), re.S)
    [new] = [each for each in tables if 'name="name-1"' in each and "<thead>" in each]
    heads = re.findall(r'<th scope="col">([^<]+)</th>', new)
    assert heads == ["New key", "Value", "Kind", "Format", "Secret"]
    fields = re.findall(r'name="(\w+)-1"', new)
    assert fields == ["name", "value", "kind", "format", "secret"]
