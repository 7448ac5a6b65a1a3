"""Pages of logs and commands: who may, what is shown, what is recorded, and foreign text that stays text."""

import pytest
from django.urls import reverse

from apps.models import Workload
from clusters.adapters.execution import Execution
from kcloud_site.audit.models import AuditEvent
from tests.apps.things import make_app, make_environment, make_release

pytestmark = pytest.mark.django_db
PODS = "/api/v1/namespaces/retail-dev/pods"
LINES = (
    b"2026-01-02T03:04:05.000000001Z INFO started\n"
    b"2026-01-02T03:04:06.000000001Z ERROR <script>alert(1)</script> {% now %}\n"
)


@pytest.fixture
def fake(monkeypatch, tenant):
    environment, fake = make_environment(monkeypatch, tenant)
    app = make_app(tenant)
    release = make_release(app)
    Workload.objects.create(tenant=tenant, app=app, environment=environment, release=release)
    for name in ("web-1", "web-2"):
        add_pod(fake, name, "web")
    fake.raw[f"{PODS}/web-1/log"] = LINES
    fake.raw[f"{PODS}/web-2/log"] = b"2026-01-02T03:04:05.500000000Z WARN between\n"
    return fake


def add_pod(fake, name, app):
    fake.objects[f"{PODS}/{name}"] = {
        "metadata": {"name": name, "labels": {"kcloud.local/app": app}},
        "spec": {"containers": [{"name": "web"}]},
        "status": {"phase": "Running"},
    }


def address(name):
    return reverse(f"apps:{name}", args=["retail", "web", "dev"])


def as_role(client, join, tenant, role):
    client.force_login(join(tenant, role))
    return client


def test_lines_of_all_pods_are_shown_by_time_and_foreign_text_stays_text(client, join, tenant, fake):
    page = as_role(client, join, tenant, "viewer").get(address("logs")).content.decode()
    places = [page.index(word) for word in ("INFO started", "WARN between", "ERROR &lt;script&gt;")]
    assert places == sorted(places)
    assert "<script>alert(1)" not in page
    assert "{% now %}" in page
    assert 'class="is-bad"' in page


def test_following_shows_what_is_new_only_and_goes_on_where_it_was(client, join, tenant, fake):
    viewer = as_role(client, join, tenant, "viewer")
    first = viewer.get(address("logs"))
    following = first.context["next"]
    fake.raw[f"{PODS}/web-1/log"] = LINES + b"2026-01-02T03:04:05.900000000Z late\n"
    fake.raw[f"{PODS}/web-2/log"] += b"2026-01-02T03:04:05.600000000Z behind\n"
    answer = viewer.get(following, headers={"HX-Request": "true"})
    assert [line.text for line in answer.context["lines"]] == ["behind"]
    again = viewer.get(answer.context["next"], headers={"HX-Request": "true"})
    assert list(again.context["lines"]) == []
    assert "hx-get" in again.content.decode()


def test_the_right_is_asked_each_time(client, join, tenant, fake):
    viewer = as_role(client, join, tenant, "viewer")
    following = viewer.get(address("logs")).context["next"]
    tenant.memberships.all().delete()
    assert viewer.get(following, headers={"HX-Request": "true"}).status_code == 404


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"q": "STARTED"}, ["INFO started"]),
        ({"severity": "warning"}, ["WARN between", "ERROR <script>alert(1)</script> {% now %}"]),
        ({"q": "^(INFO|WARN)", "pattern": "1"}, ["INFO started", "WARN between"]),
        ({"pod": "web-2"}, ["WARN between"]),
        ({"window": "15m"}, []),
        ({"since": "2026-01-02T03:04:05.2Z", "until": "2026-01-02T03:04:06Z"}, ["WARN between"]),
    ],
)
def test_the_filter_narrows(client, join, tenant, fake, asked, shown):
    answer = as_role(client, join, tenant, "viewer").get(address("logs"), asked)
    assert [line.text for line in answer.context["lines"]] == shown


def test_a_pattern_that_is_none_is_said_beside_it(client, join, tenant, fake):
    answer = as_role(client, join, tenant, "viewer").get(address("logs"), {"q": "(a+)+", "pattern": "1"})
    assert answer.status_code == 422
    assert "must not repeat" in answer.content.decode()


def test_a_line_has_an_address_that_shows_it_marked_with_its_neighbours(client, join, tenant, fake):
    viewer = as_role(client, join, tenant, "viewer")
    point = str(viewer.get(address("logs")).context["lines"][1].point)
    answer = viewer.get(address("logs"), {"line": point})
    assert len(answer.context["lines"]) == 3
    assert not answer.context["follows"]
    page = answer.content.decode()
    assert page[page.index('aria-current="true"', page.index(f'id="L{point}"')) :]


def test_a_pod_that_cannot_be_read_is_told_and_the_others_are_shown(client, join, tenant, fake):
    del fake.raw[f"{PODS}/web-2/log"]
    page = as_role(client, join, tenant, "viewer").get(address("logs")).content.decode()
    assert "nothing at" in page
    assert "INFO started" in page


def test_a_cluster_that_does_not_answer_is_told_and_asked_again(client, join, tenant, fake):
    from clusters.errors import ClusterUnreachable

    fake.down = ClusterUnreachable("The cluster's API server does not answer.")
    answer = as_role(client, join, tenant, "viewer").get(address("logs"))
    assert answer.status_code == 200
    assert "does not answer" in answer.content.decode()
    assert answer.context["follows"]


def test_a_download_holds_the_lines_and_is_recorded(client, join, tenant, fake):
    answer = as_role(client, join, tenant, "viewer").get(address("log_download"), {"severity": "warning"})
    text = b"".join(answer.streaming_content).decode()
    assert text.splitlines() == [
        "2026-01-02T03:04:05.500000000Z web-2/web WARN between",
        "2026-01-02T03:04:06.000000001Z web-1/web ERROR <script>alert(1)</script> {% now %}",
    ]
    assert "attachment" in answer["Content-Disposition"]
    event = AuditEvent.objects.get(action="log.download")
    assert event.after == {"severity": "warning"}


def test_a_download_that_is_too_long_says_where_it_was_cut(client, join, tenant, fake, monkeypatch):
    monkeypatch.setattr("apps.views.logs.DOWNLOADED_LINES", 2)
    answer = as_role(client, join, tenant, "viewer").get(address("log_download"))
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("# Cut here")


# --- commands -----------------------------------------------------------------------------------


def send(client, command="ls -l 'a b'", **more):
    given = {"place": "web-1/web", "command": command, "seconds": "5", **more}
    return client.post(address("command"), given)


def test_a_developer_runs_a_command_and_sees_what_it_said(client, join, tenant, fake):
    fake.execution = Execution(b"<b>total 0</b>\n", "exited", 3)
    page = send(as_role(client, join, tenant, "developer")).content.decode()
    ((path, words, container),) = fake.executed
    assert (path, words[-3:], container) == (f"{PODS}/web-1", ["ls", "-l", "a b"], "web")
    assert "Exit code 3." in page
    assert "&lt;b&gt;total 0" in page
    event = AuditEvent.objects.get(action="command.run")
    assert (event.after["command"], event.after["exit_code"]) == (["ls", "-l", "a b"], 3)
    assert "total" not in str(event.after)


def test_a_shell_is_there_when_asked_for(client, join, tenant, fake):
    send(as_role(client, join, tenant, "developer"), "echo $HOME | wc", shell="on")
    assert fake.executed[0][1][-3:] == ["/bin/sh", "-c", "echo $HOME | wc"]


def answering(fake, monkeypatch, *answers):
    """The next commands answer these, one after another."""
    left, execute = list(answers), fake.execute

    def answer(*words, **bounds):
        execute(*words, **bounds)
        return left.pop(0)

    monkeypatch.setattr(fake, "execute", answer)


@pytest.mark.parametrize(
    ("ended", "code", "rest", "told"),
    [("time", 0, "ended", "were ended"), ("size", 1, "left", "could not be ended")],
)
def test_a_command_at_its_bound_is_ended_by_its_mark(
    client, join, tenant, fake, monkeypatch, ended, code, rest, told
):
    answering(fake, monkeypatch, Execution(b"begun", ended), Execution(b"", "exited", code))
    page = send(as_role(client, join, tenant, "developer")).content.decode()
    assert told in page
    (_path, begun, _name), (_same, end, container) = fake.executed
    assert (end[-1] in begun, container) == (True, "web")
    assert AuditEvent.objects.get(action="command.run").after["rest"] == rest


def test_in_an_image_without_a_shell_it_runs_as_it_is_and_the_rest_is_told(
    client, join, tenant, fake, monkeypatch
):
    none = Execution(b"", "broken", None, 'exec: "/bin/sh": stat /bin/sh: no such file or directory')
    answering(fake, monkeypatch, none, Execution(b"begun", "time"))
    page = send(as_role(client, join, tenant, "developer")).content.decode()
    assert "no shell to end it with" in page
    assert [words for _path, words, _name in fake.executed][1:] == [["ls", "-l", "a b"]]


@pytest.mark.parametrize(
    "wrong",
    [{"command": "'open"}, {"command": " "}, {"place": "db-0/web"}, {"seconds": "61"}, {"seconds": "0"}],
)
def test_what_cannot_be_run_is_said_at_its_field(client, join, tenant, fake, wrong):
    add_pod(fake, "db-0", "db")
    answer = send(as_role(client, join, tenant, "developer"), **wrong)
    assert answer.status_code == 422
    assert fake.executed == []


def test_a_viewer_runs_nothing_and_a_developer_nothing_where_it_is_protected(client, join, tenant, fake):
    assert send(as_role(client, join, tenant, "viewer")).status_code == 403
    Workload.objects.get().environment.__class__.objects.update(protected=True)
    assert send(as_role(client, join, tenant, "developer")).status_code == 403
    assert send(as_role(client, join, tenant, "operator")).status_code == 200
    assert len(fake.executed) == 1


# --- the API ------------------------------------------------------------------------------------

API = "/api/v1/tenants/retail/apps/web/in/dev"


def test_the_api_pages_through_lines_without_gap_or_double(client, join, tenant, fake):
    viewer = as_role(client, join, tenant, "viewer")
    first = viewer.get(f"{API}/logs", {"after": "0", "limit": 2}).json()
    second = viewer.get(f"{API}/logs", {"after": first["next"], "limit": 2}).json()
    texts = [each["text"].split()[0] for each in first["lines"] + second["lines"]]
    assert texts == ["INFO", "WARN", "ERROR"]
    assert (first["more"], second["more"]) == (True, False)
    assert first["lines"][0]["time"] == "2026-01-02T03:04:05.000000001Z"


@pytest.mark.parametrize(
    "wrong", [{"after": "~"}, {"limit": 0}, {"q": "(", "pattern": "1"}, {"window": "1y"}]
)
def test_the_api_says_what_it_does_not_understand(client, join, tenant, fake, wrong):
    answer = as_role(client, join, tenant, "viewer").get(f"{API}/logs", wrong)
    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_the_api_runs_a_command(client, join, tenant, fake):
    developer = as_role(client, join, tenant, "developer")
    fake.execution = Execution(b"ok\n", "exited", 0)
    body = {"pod": "web-1", "container": "web", "command": ["true"], "reason": "see"}
    answer = developer.post(f"{API}/commands", body, content_type="application/json")
    assert answer.json() == {"ended": "exited", "exit_code": 0, "output": "ok\n", "why": "", "rest": ""}
    assert AuditEvent.objects.get(action="command.run").reason == "see"
    body["pod"] = "none"
    assert developer.post(f"{API}/commands", body, content_type="application/json").status_code == 409


def test_the_way_to_commands_is_shown_to_whoever_may_run_them(client, join, tenant, fake):
    assert (
        address("command")
        not in as_role(client, join, tenant, "viewer").get(address("logs")).content.decode()
    )
    assert (
        address("command") in as_role(client, join, tenant, "developer").get(address("logs")).content.decode()
    )
