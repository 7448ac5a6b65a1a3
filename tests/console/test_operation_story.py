"""An operation from request to resume, carried out by the real runner and followed on its page."""

import re

import pytest

from kcloud_site.audit import trail
from kcloud_site.operations import kinds, runner, services
from kcloud_site.operations.errors import StepFailed
from kcloud_site.operations.models import State

pytestmark = pytest.mark.django_db(transaction=True)

KIND = "console.story"
HOSTS = ("m1", "w1", "w2")
broken: set[str] = set()


def _send(context):
    for host in context.pending_targets:
        context.target_started(host)
        if host in broken:
            context.target_failed(host, what="No room", why="3 GiB free", remedy="Free some space.")
        else:
            context.log("sent\nand unpacked", target=host)
            context.target_succeeded(host)


def _check(context):
    if "portal" in broken:
        raise StepFailed(what="The plan has no master", why="it names none", remedy="Name one.")
    context.log("checked")


def _steps(operation):
    return [
        kinds.StepDefinition("check", "Check the plan", _check),
        kinds.StepDefinition("send", "Send to nodes", _send, targets=HOSTS),
    ]


@pytest.fixture
def operation(client, operator, monkeypatch):
    monkeypatch.setattr("kcloud_site.operations.queue.wake_after_commit", lambda *given: None)
    known = dict(kinds._KINDS)
    kinds._KINDS[KIND] = kinds.Kind(key=KIND, title="Tell a story", steps=_steps)
    broken.clear()
    client.force_login(operator)
    subject = trail.Subject("clusters.cluster", "1", "gz-prod-02")
    yield services.request_operation(kind=KIND, subject=subject, by=operator, inputs={})
    kinds._KINDS.clear()
    kinds._KINDS.update(known)


def page_of(client, operation):
    return client.get(f"/operations/{operation.pk}/").content.decode()


def band_of(html):
    return html[html.index('id="op-band"') : html.index('id="op-tiles"')]


def test_a_host_that_failed_is_explained_and_done_again_alone(client, operation):
    broken.add("w1")
    runner.run(operation.pk)
    html = page_of(client, operation)
    band = band_of(html)
    for part in ("1 of 3 hosts failed", "w1", "No room", "3 GiB free", "Free some space."):
        assert part in band
    line = re.search(r"\?line=(\d+)#L\1", band).group(1)
    assert "No room" in html.split(f'<li id="L{line}"')[1].split("</li>")[0]

    broken.clear()
    client.post(f"/operations/{operation.pk}/resume/")
    runner.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == State.SUCCEEDED
    assert "kc-why" not in page_of(client, operation)
    sent = operation.lines.filter(text="sent").values_list("target", flat=True)
    assert sorted(sent) == ["m1", "w1", "w2"]


def test_a_step_of_the_portal_that_failed_is_explained(client, operation):
    broken.add("portal")
    runner.run(operation.pk)
    band = band_of(page_of(client, operation))
    for part in ("Failed", "The plan has no master", "it names none", "Name one.", "Resume"):
        assert part in band
    assert "hosts failed" not in band


def test_a_waiting_operation_is_cancelled_at_once_and_may_be_resumed(client, operation):
    client.post(f"/operations/{operation.pk}/cancel/", {"confirmed": "1"})
    operation.refresh_from_db()
    assert operation.state == State.CANCELLED
    assert "Somebody cancelled it." in band_of(page_of(client, operation))
    client.post(f"/operations/{operation.pk}/resume/")
    runner.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == State.SUCCEEDED


def test_every_line_of_the_journal_is_on_the_page_in_order(client, operation):
    runner.run(operation.pk)
    operation.refresh_from_db()
    numbers = [int(number) for number in re.findall(r'<li id="L(\d+)"', page_of(client, operation))]
    assert numbers == list(range(1, operation.last_line + 1))
    assert "and unpacked" in page_of(client, operation)


def test_who_asked_cancelled_and_resumed_is_on_the_trail(client, operation):
    client.post(f"/operations/{operation.pk}/cancel/", {"confirmed": "1"})
    client.post(f"/operations/{operation.pk}/resume/")
    html = client.get(f"/audit/?operation={operation.pk}").content.decode()
    actions = re.findall(r"<code>(operation\.\w+)</code>", html)
    assert actions == ["operation.resume", "operation.cancel", "operation.request"]
