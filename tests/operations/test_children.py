"""Programs of a step: they die with the worker, are stopped on request, and the next worker clears what is left."""

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcloud_site.operations import children, estimate, launcher, processes
from tests.operations import processes as real

# Other runs of these tests on this machine have other names.
OURS, THEIRS = secrets.token_hex(16), secrets.token_hex(16)
PORTALS = {"ours": OURS, "theirs": THEIRS}
CONTEXT = SimpleNamespace(portal=OURS, operation=SimpleNamespace(pk=4711), fencing=3)
# Says its own number and that of a child of its own, then both sleep.
FAMILY = "sleep 1000 & echo $$ $! > {path}; wait"


def alive(pid):
    return processes.start_time(pid) is not None


def family(tmp_path):
    """A running program and the numbers of it and its child."""
    path = tmp_path / "pids"
    child = children.start(CONTEXT, ["sh", "-c", FAMILY.format(path=path)])
    return child, [int(pid) for pid in real.until(lambda: path.exists() and path.read_text().split())]


def test_the_programs_exit_status_and_output_are_its_own():
    child = children.start(CONTEXT, ["sh", "-c", "echo out; exit 7"], stdout=subprocess.PIPE)
    out, _err = child.communicate()
    assert (child.returncode, out) == (7, "out\n")


def test_a_program_ended_by_a_signal_says_so_as_a_shell_would():
    assert children.start(CONTEXT, ["sh", "-c", "kill -9 $$"]).wait() == 128 + 9


def test_a_program_that_is_not_there_is_named():
    child = children.start(CONTEXT, ["/no/such/program"], stderr=subprocess.PIPE)
    _out, err = child.communicate()
    assert (child.returncode, err) == (127, "/no/such/program: No such file or directory\n")


def test_the_program_is_marked_with_portal_and_operation_and_keeps_its_environment():
    names = ["KCLOUD_PORTAL", "KCLOUD_OPERATION", "KCLOUD_FENCING", "COLOUR"]
    code = f"import os; print(*(os.environ[name] for name in {names}))"
    child = children.start(
        CONTEXT, [sys.executable, "-c", code], env={**os.environ, "COLOUR": "red"}, stdout=subprocess.PIPE
    )
    assert child.communicate()[0] == f"{OURS} 4711 3 red\n"


def test_stopping_ends_the_program_and_all_it_started(tmp_path):
    child, pids = family(tmp_path)
    children.stop(child)
    assert real.until(lambda: not any(map(alive, pids)))


def test_a_program_that_does_not_listen_is_killed(tmp_path):
    ready = tmp_path / "ready"
    child = children.start(CONTEXT, ["sh", "-c", f"trap '' TERM; echo > {ready}; while :; do sleep 1; done"])
    real.until(ready.exists)
    assert children.stop(child, grace=0.1) == 128 + 9


def test_stopping_what_has_ended_answers_its_status():
    child = children.start(CONTEXT, ["true"])
    child.wait()
    assert children.stop(child) == 0


def test_nothing_a_program_started_outlives_it(tmp_path):
    path = tmp_path / "pid"
    child = children.start(CONTEXT, ["sh", "-c", f"sleep 1000 & echo $! > {path}"])
    assert child.wait() == 0
    assert real.until(lambda: not alive(int(path.read_text())))


def test_a_program_dies_with_its_worker_and_with_it_all_it_started(tmp_path):
    worker = real.fork(lambda: family(tmp_path) and signal.pause())
    path = tmp_path / "pids"
    pids = [int(pid) for pid in real.until(lambda: path.exists() and path.read_text().split())]
    assert all(map(alive, pids))
    real.kill(worker)
    assert real.until(lambda: not any(map(alive, pids)))


# Each generation leaves the group and the session, notes its number and lives on beside its child.
GENERATIONS = """
import os, sys, time
for _generation in range(int(sys.argv[2])):
    if os.fork():
        break
    os.setsid()
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(1000)
"""


@pytest.mark.parametrize("generations", [1, 6, 12, 24])
def test_no_generation_outlives_the_worker_however_far_it_went(tmp_path, generations):
    path = tmp_path / "pids"
    argv = [sys.executable, "-S", "-c", GENERATIONS, str(path), str(generations)]
    worker = real.fork(lambda: children.start(CONTEXT, argv) and signal.pause())
    pids = real.until(
        lambda: path.exists() and len(path.read_text().split()) > generations and path.read_text().split()
    )
    real.kill(worker)
    assert real.until(lambda: not [pid for pid in map(int, pids) if alive(pid)])


def test_a_child_read_before_its_parent_died_is_found_through_the_dead(monkeypatch):
    read = {10: (1, False), 11: (10, True), 12: (11, False), 13: (1, False)}
    monkeypatch.setattr(launcher, "_processes", lambda: read)
    assert launcher._descendants(10) == [12]


def test_one_empty_look_does_not_end_the_killing(monkeypatch):
    """A child whose parent has vanished between two reads is seen only by the next look."""
    looks = iter([{}, {12: (os.getpid(), False)}, {}, {}])
    killed = []
    monkeypatch.setattr(launcher, "_processes", lambda: next(looks))
    monkeypatch.setattr(launcher.os, "kill", lambda pid, _number: killed.append(pid))
    monkeypatch.setattr(launcher.os, "killpg", lambda *_arguments: None)
    launcher.Launcher(1)._kill_all()
    assert killed == [12]
    assert next(looks, None) is None


def test_a_program_whose_worker_died_while_it_was_started_does_not_start():
    command = children.command(["echo", "started"])
    command[command.index(str(os.getpid()))] = "1"  # a parent that is not ours
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (137, "")


@pytest.fixture
def stray():
    """A process with marks that no parent and no group lead to: `stray(portal=…, operation=…, fencing=…)`."""
    started = []

    def start(**marks):
        if "portal" in marks:
            marks["portal"] = PORTALS.get(marks["portal"], marks["portal"])
        environment = {
            **os.environ,
            **{f"KCLOUD_{name.upper()}": str(value) for name, value in marks.items()},
        }
        process = subprocess.Popen(["sleep", "1000"], env=environment, start_new_session=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_what_an_earlier_worker_left_is_ended(stray):
    left = [stray(portal="ours", operation=4711, fencing=number) for number in (1, 2)]
    assert children.end_survivors(4711, portal=OURS, before=3) == 2
    assert [process.wait() for process in left] == [-signal.SIGKILL] * 2


@pytest.mark.parametrize(
    "marks",
    [
        {"portal": "ours", "operation": 4711, "fencing": 3},
        {"portal": "ours", "operation": 4711, "fencing": 4},
        {"portal": "ours", "operation": 471, "fencing": 1},
        {"portal": "ours", "operation": 4711},
        {"portal": "ours", "operation": 4711, "fencing": "x"},
        {"portal": "ours", "fencing": 1},
        {"portal": "theirs", "operation": 4711, "fencing": 1},
        {"portal": "", "operation": 4711, "fencing": 1},
        {"operation": 4711, "fencing": 1},
        {},
    ],
    ids=str,
)
def test_what_is_ours_now_or_not_of_this_operation_or_portal_is_left_alone(stray, marks):
    process = stray(**marks)
    real.until(lambda: b"sleep" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
    assert children.end_survivors(4711, portal=OURS, before=3) == 0
    assert process.poll() is None


def test_two_portals_with_the_same_operation_end_only_their_own(stray):
    ours, theirs = (stray(portal=name, operation=4711, fencing=1) for name in PORTALS)
    assert children.end_survivors(4711, portal=OURS, before=2) == 1
    assert ours.wait() == -signal.SIGKILL
    assert theirs.poll() is None
    assert children.end_survivors(4711, portal=THEIRS, before=2) == 1
    assert theirs.wait() == -signal.SIGKILL


def test_a_portal_without_a_name_ends_nothing(stray):
    process = stray(portal="", operation=4711, fencing=1)
    with pytest.raises(ValueError, match="identity"):
        children.end_survivors(4711, portal="", before=3)
    assert process.poll() is None


def test_this_process_is_alive_to_itself():
    assert processes.fate(processes.identity()) == "alive"


def test_identities_differ_even_within_one_process():
    assert processes.identity() != processes.identity()
    assert len(processes.identity()) <= 120


def test_a_process_that_has_ended_is_dead_even_before_it_is_waited_for():
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    place = processes.identity().rsplit(":", 3)[0]
    owner = f"{place}:{process.pid}:{processes.start_time(process.pid)}:aa"
    assert processes.fate(owner) == "alive"
    process.stdin.close()
    assert real.until(lambda: processes.fate(owner) == "dead")
    process.wait()
    assert processes.fate(owner) == "dead"


def test_another_process_with_the_same_number_is_not_the_owner():
    place, pid, started, mark = processes.identity().rsplit(":", 3)
    assert processes.fate(f"{place}:{pid}:{int(started) - 1}:{mark}") == "dead"


@pytest.mark.parametrize("owner", ["", "other", "elsewhere:7:1:2:aa", "a:b:c:d:e:f"])
def test_of_a_process_elsewhere_nothing_is_known(owner):
    assert processes.fate(owner) == "unknown"


STEPS = [("a", "succeeded"), ("b", "running"), ("c", "pending")]


def test_the_time_left_is_what_the_steps_took_before():
    earlier = {"a": [100], "b": [10, 30, 20], "c": [5, 7]}
    assert estimate.seconds_left(STEPS, 8, earlier) == 20 - 8 + 6


def test_a_step_that_takes_longer_than_ever_adds_nothing():
    assert estimate.seconds_left(STEPS, 1000, {"b": [20], "c": [5]}) == 5


def test_no_time_is_told_when_a_step_to_come_was_never_seen():
    assert estimate.seconds_left(STEPS, 0, {"b": [20]}) is None


def test_steps_that_have_ended_need_no_history():
    assert estimate.seconds_left([("a", "succeeded"), ("b", "failed"), ("c", "skipped")], 0, {}) == 0


@given(
    st.dictionaries(st.sampled_from("abc"), st.lists(st.floats(0, 1e4), min_size=1), min_size=3),
    st.floats(0, 1e5),
)
def test_the_time_left_is_never_negative_and_only_shrinks(earlier, running_for):
    now = estimate.seconds_left(STEPS, running_for, earlier)
    later = estimate.seconds_left(STEPS, running_for + 10, earlier)
    assert 0 <= later <= now
