"""A portal knows its own processes from those of another portal on the same machine."""

import os
import secrets
import signal
import subprocess

import pytest

from kcloud_site.operations import children, portal, runner, services
from kcloud_site.operations.models import Operation, Portal, State
from kcloud_site.operations.services import Subject
from tests.operations import processes
from tests.operations.sample_kinds import registered, step


def test_the_name_is_made_once_and_kept(db):
    name = portal.identity()
    assert len(name) == 32
    assert portal.identity() == name
    assert list(Portal.objects.values_list("identity", flat=True)) == [name]


def test_another_portal_has_another_name(db):
    name = portal.identity()
    Portal.objects.all().delete()  # as on a copy of the database, or on a new one
    assert portal.identity() != name


def test_processes_that_ask_at_the_same_moment_agree(real_database, tmp_path):
    start = tmp_path / "start"

    def ask(number):
        processes.until(start.exists)
        (tmp_path / f"said-{number}").write_text(portal.identity())

    pids = [processes.fork(lambda number=number: ask(number)) for number in range(6)]
    start.touch()
    assert [processes.wait(pid) for pid in pids] == [0] * 6
    assert {path.read_text() for path in tmp_path.glob("said-*")} == {portal.identity()}


@pytest.fixture
def left_behind(db):
    """A process as a dead worker's step leaves it, for operation `pk` of the portal called `name`."""
    started = []

    def leave(name, pk):
        marks = {children.PORTAL: name, children.OPERATION: str(pk), children.FENCING: "0"}
        environment = {**os.environ, **marks}
        started.append(subprocess.Popen(["sleep", "1000"], env=environment, start_new_session=True))
        return started[-1]

    yield leave
    for process in started:
        process.kill()
        process.wait()


def test_a_run_ends_what_its_own_portal_left_and_not_what_another_did(left_behind):
    with registered("test.portal", [step("one")]):
        operation = services.request_operation(
            kind="test.portal", subject=Subject("clusters.cluster", "1", "east"), by=None, inputs={}
        )
        ours, theirs = (
            left_behind(portal.identity(), operation.pk),
            left_behind(secrets.token_hex(16), operation.pk),
        )
        runner.run(operation.pk)
    assert Operation.objects.get(pk=operation.pk).state == State.SUCCEEDED
    assert ours.wait() == -signal.SIGKILL
    assert theirs.poll() is None


def test_programs_of_a_step_carry_the_portals_name(db):
    said = []
    with registered("test.portal", [step("one", lambda context: said.append(children.environment(context)))]):
        operation = services.request_operation(
            kind="test.portal", subject=Subject("clusters.cluster", "1", "east"), by=None, inputs={}
        )
        runner.run(operation.pk)
    assert said == [
        {
            "KCLOUD_PORTAL": portal.identity(),
            "KCLOUD_OPERATION": str(operation.pk),
            "KCLOUD_FENCING": "1",
        }
    ]
