"""The pages of operations: what they say, what they ask for next, what they refuse."""

import re

import pytest
from django.urls import reverse

from kcloud_site.operations.models import Operation, State
from tests.console import samples
from tests.markup import squeezed

pytestmark = pytest.mark.django_db

HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture(autouse=True)
def _signed_in(client, operator):
    client.force_login(operator)


def page_of(client, operation, query=""):
    return client.get(reverse("operations:detail", args=[operation.pk]) + query).content.decode()


def numbers(html):
    return [int(number) for number in re.findall(r'<li id="L(\d+)"', html)]


# ---- the log -----------------------------------------------------------------------------------------------


def test_a_page_shows_the_newest_lines_and_asks_for_what_comes_after_them(client):
    operation = samples.operation(lines=250)
    html = page_of(client, operation)
    assert numbers(html) == list(range(151, 251))
    assert "?after=250&amp;idle=0" in html
    assert "?before=151" in html


def test_following_a_growing_log_shows_every_line_once(client):
    operation = samples.operation(lines=5)
    seen = numbers(page_of(client, operation))
    after = 5
    for batch in (1, 0, 450, 3):
        samples.write(operation, *["more"] * batch)
        while True:
            html = client.get(f"/operations/{operation.pk}/?after={after}&idle=0", **HTMX).content.decode()
            seen += numbers(html)
            after = int(re.search(r"after=(\d+)", html).group(1))
            if "delay:0s" not in html:
                break
    assert seen == list(range(1, operation.last_line + 1))


def test_lines_not_yet_counted_are_left_for_the_next_question(client):
    # The writer commits lines and `last_line` together; a page that read `last_line` before must not run ahead of it.
    operation = samples.operation(lines=10)
    Operation.objects.filter(pk=operation.pk).update(last_line=8)
    html = client.get(f"/operations/{operation.pk}/?after=5", **HTMX).content.decode()
    assert numbers(html) == [6, 7, 8]
    assert "after=8" in html


def test_the_next_question_comes_later_while_nothing_happens(client):
    operation = samples.operation(lines=1)
    delays = []
    for idle in (0, 1, 3, 6, 60):
        html = client.get(f"/operations/{operation.pk}/?after=1&idle={idle}", **HTMX).content.decode()
        delays.append(int(re.search(r"delay:(\d+)s", html).group(1)))
    assert delays == sorted(delays)
    assert delays[0] == 1
    assert delays[-1] == 10


def test_no_question_is_left_when_the_operation_has_ended_and_all_is_told(client):
    operation = samples.operation(state=State.SUCCEEDED, lines=3)
    html = client.get(f"/operations/{operation.pk}/?after=1", **HTMX).content.decode()
    assert numbers(html) == [2, 3]
    assert "hx-get" not in html
    page = page_of(client, operation)
    # The panel of changes is asked for once.
    assert page.count("hx-get") == page.count('hx-get="/audit/about/') == 1


def test_an_ended_operation_is_asked_on_until_the_last_line_is_told(client):
    operation = samples.operation(state=State.SUCCEEDED, lines=500)
    html = client.get(f"/operations/{operation.pk}/?after=0", **HTMX).content.decode()
    assert numbers(html)[-1] == 200
    assert "after=200" in html


def test_a_line_address_shows_the_line_without_script(client):
    operation = samples.operation(lines=500)
    html = page_of(client, operation, "?line=412")
    assert '<li id="L412" aria-current="true">' in html
    assert numbers(html)[0] == 362
    assert numbers(html)[-1] == 462
    assert "hx-trigger" not in html.split('class="kc-log"')[1].split("</ol>")[0]


def test_earlier_and_later_pages_join_without_gap(client):
    operation = samples.operation(lines=350)
    html, seen = page_of(client, operation), []
    while True:
        seen = numbers(html) + seen
        link = re.search(r'href="(\?before=\d+)"', html)
        if link is None:
            break
        html = page_of(client, operation, link.group(1))
    assert seen == list(range(1, 351))


def test_the_log_is_filtered_by_host_and_step_and_the_follower_keeps_the_filter(client):
    operation = samples.operation(lines=3)
    samples.write(operation, "mine", target="gz-w02", step="runtime")
    samples.write(operation, "not mine", target="gz-w01", step="runtime")
    html = page_of(client, operation, "?host=gz-w02&step=runtime")
    assert numbers(html) == [4]
    assert "?host=gz-w02&amp;step=runtime&amp;after=5" in html


def test_hostile_log_text_and_names_are_shown_as_text(client):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    operation = samples.operation(name=hostile)
    samples.write(operation, hostile, target='"><b>')
    samples.fail(operation, line=1)
    Operation.objects.update(failure={"what": hostile, "why": hostile, "remedy": hostile, "line": 1})
    for address in ("", "cancel/"):
        html = client.get(f"/operations/{operation.pk}/{address}").content.decode()
        assert "<script>alert" not in html
        assert "<img" not in html
        assert '"><b>' not in html
    assert "<script>alert" not in client.get("/operations/").content.decode()


def test_very_long_lines_do_not_make_a_page_heavy(client):
    operation = samples.operation(hosts=[f"host-{number:03}" for number in range(300)])
    samples.write(operation, *["x" * 16_000] * 120)
    assert len(client.get(f"/operations/{operation.pk}/").content) < 100_000


def test_the_raw_log_is_a_download_with_every_line(client):
    operation = samples.operation(lines=1200)
    response = client.get(reverse("operations:log", args=[operation.pk]))
    text = b"".join(response.streaming_content).decode()
    assert response["Content-Type"].startswith("text/plain")
    assert "attachment" in response["Content-Disposition"]
    assert [int(line.split()[0]) for line in text.splitlines()] == list(range(1, 1201))


# ---- state, cause, what now --------------------------------------------------------------------------------


def test_a_failed_operation_says_what_why_and_what_to_do_on_top(client):
    operation = samples.operation(lines=9)
    samples.fail(operation, line=7)
    html = page_of(client, operation)
    band = html[html.index("kc-why is-bad") : html.index('id="op-tiles"')]
    for part in (
        "No room for the container runtime.",
        "12 GiB are needed",
        "Free space",
        "?line=7#L7",
        "Resume",
    ):
        assert part in band
    assert "1 of 3 hosts failed" in band


def test_the_failed_host_stands_first_among_the_hosts(client):
    operation = samples.operation()
    samples.fail(operation, host="gz-w02")
    rows = re.findall(
        r'<th scope="row" class="kc-nowrap">([a-z0-9-]+)</th>', squeezed(page_of(client, operation))
    )
    assert rows == ["gz-w02", "gz-m01", "gz-w01"]


def test_a_well_operation_has_no_band(client):
    assert "kc-why" not in page_of(client, samples.operation(state=State.SUCCEEDED))


def test_time_left_is_told_only_from_earlier_runs(client):
    operation = samples.operation()
    assert "no earlier run to compare" in page_of(client, operation)
    samples.operation(state=State.SUCCEEDED)
    assert "from 1 earlier run" in page_of(client, operation)


def test_an_unknown_kind_still_opens(client):
    operation = samples.operation(kind="from.the.past")
    assert "from.the.past" in page_of(client, operation)


def test_the_panel_sends_the_table_only_when_a_state_changed(client):
    operation = samples.operation()
    html = page_of(client, operation)
    seen = re.search(r"seen=([0-9a-f]+)", html).group(1)
    address = f"/operations/{operation.pk}/panel/?seen={seen}&idle=0"
    assert "kc-matrix" not in client.get(address, **HTMX).content.decode()
    samples.fail(operation)
    changed = client.get(address, **HTMX).content.decode()
    assert "kc-matrix" in changed
    assert "No room for the container runtime." in changed
    assert "hx-get" not in changed


# ---- cancel and resume -------------------------------------------------------------------------------------


def test_cancelling_needs_the_name_typed(client):
    operation = samples.operation()
    response = client.post(f"/operations/{operation.pk}/cancel/", {"name": "wrong"})
    operation.refresh_from_db()
    assert response.status_code == 422
    assert "Type gz-prod-02 to confirm" in response.content.decode()
    assert operation.cancel_requested_at is None


def test_cancelling_with_the_name_asks_the_operation_to_stop(client):
    operation = samples.operation()
    response = client.post(f"/operations/{operation.pk}/cancel/", {"name": "gz-prod-02"})
    operation.refresh_from_db()
    assert response.status_code == 303
    assert operation.cancel_requested_at is not None
    assert "Cancelling" in page_of(client, operation)


def test_cancelling_what_has_ended_changes_nothing_and_says_so(client):
    operation = samples.operation(state=State.SUCCEEDED)
    response = client.post(f"/operations/{operation.pk}/cancel/", {"name": "gz-prod-02"}, follow=True)
    assert "had ended already" in response.content.decode()
    operation.refresh_from_db()
    assert operation.cancel_requested_at is None


def test_resuming_queues_the_same_operation_again(client):
    operation = samples.operation()
    samples.fail(operation)
    assert client.post(f"/operations/{operation.pk}/resume/").status_code == 303
    operation.refresh_from_db()
    assert operation.state == State.PENDING


def test_resuming_what_succeeded_is_refused_in_words(client):
    operation = samples.operation(state=State.SUCCEEDED)
    html = client.post(f"/operations/{operation.pk}/resume/", follow=True).content.decode()
    assert "nothing left to do" in html


def test_resuming_while_another_works_on_the_subject_answers_409_with_the_way_there(client):
    failed = samples.operation()
    samples.fail(failed)
    other = samples.operation(
        subject_id=failed.subject_id, active_subject=f"clusters.cluster:{failed.subject_id}"
    )
    response = client.post(f"/operations/{failed.pk}/resume/")
    assert response.status_code == 409
    assert f'href="/operations/{other.pk}/"' in response.content.decode()


@pytest.mark.parametrize("name", ["cancel", "resume"])
def test_a_get_changes_nothing(client, name):
    operation = samples.operation()
    assert client.get(f"/operations/{operation.pk}/{name}/").status_code in (200, 405)
    operation.refresh_from_db()
    assert operation.cancel_requested_at is None


# ---- the list ----------------------------------------------------------------------------------------------


def test_the_list_puts_what_is_at_work_first(client):
    running = samples.operation(name="at-work")
    samples.operation(state=State.SUCCEEDED, name="newer-but-done")
    html = client.get("/operations/").content.decode()
    assert html.index("at-work") < html.index("newer-but-done")
    assert f"op-{running.pk}" in html


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("state=failed", {"broken"}),
        ("state=active", {"at-work"}),
        ("q=done", {"done"}),
        ("kind=console.sample", {"broken", "at-work", "done"}),
        ("kind=other", set()),
        ("state=nonsense", {"broken", "at-work", "done"}),
    ],
)
def test_the_list_is_filtered_by_its_address(client, query, names):
    samples.fail(samples.operation(name="broken"))
    samples.operation(name="at-work")
    samples.operation(state=State.SUCCEEDED, name="done")
    html = client.get(f"/operations/?{query}").content.decode()
    shown = html[html.index('id="rows"') :]
    assert {name for name in ("broken", "at-work", "done") if name in shown} == names


def test_the_list_costs_the_same_queries_however_long_it_is(client, django_assert_max_num_queries):
    for _ in range(3):
        samples.operation(state=State.SUCCEEDED)
    with django_assert_max_num_queries(14) as few:
        client.get("/operations/")
    for _ in range(30):
        samples.operation(state=State.SUCCEEDED)
    with django_assert_max_num_queries(len(few)):
        client.get("/operations/")


def test_an_operation_costs_the_same_queries_however_many_hosts_it_has(client, django_assert_max_num_queries):
    small = samples.operation(hosts=["a"], lines=1)
    large = samples.operation(hosts=[f"host-{number}" for number in range(200)], lines=90)
    with django_assert_max_num_queries(25) as few:
        page_of(client, small)
    with django_assert_max_num_queries(len(few)):
        page_of(client, large)


def test_the_live_list_answers_its_rows_alone(client):
    samples.operation(name="at-work")
    html = client.get("/operations/", **HTMX).content.decode()
    assert html.lstrip().startswith('<div id="rows"')
    assert "<html" not in html


def test_an_empty_list_names_the_next_action(client):
    html = client.get("/operations/").content.decode()
    assert "No operations here" in html
