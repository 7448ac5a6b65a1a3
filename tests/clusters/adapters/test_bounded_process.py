"""A program gets its time, its output and its children's lives, and no more."""

import os
import sys
import time

import pytest

from clusters.adapters import bounded_process
from clusters.adapters.bounded_process import OutputTooLarge, ProcessTimedOut, run


def python(script):
    return [sys.executable, "-c", script]


def test_it_answers_both_outputs_and_the_status():
    finished = run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), timeout=20)
    assert (finished.status, finished.stdout, finished.stderr) == (3, b"out\n", b"err\n")


def test_a_large_input_and_a_large_output_pass_at_the_same_time():
    data = os.urandom(3 * 1024 * 1024)
    assert run(["cat"], stdin=data, timeout=60).stdout == data


def test_a_program_that_does_not_read_its_input_is_no_trouble():
    assert run(["true"], stdin=b"x" * 10**6, timeout=20).status == 0


def test_too_much_output_ends_it():
    with pytest.raises(OutputTooLarge):
        run(["yes"], timeout=60, limit=10_000)


def test_too_much_on_stderr_ends_it_too():
    with pytest.raises(OutputTooLarge):
        run(["sh", "-c", "yes >&2"], timeout=60, limit=10_000)


def test_when_the_time_is_over_it_is_killed_with_what_it_said():
    with pytest.raises(ProcessTimedOut) as over:
        run(["sh", "-c", "echo waiting >&2; sleep 600"], timeout=1)
    assert over.value.stderr == b"waiting\n"


def test_a_program_that_closed_its_output_but_lives_is_killed_too():
    with pytest.raises(ProcessTimedOut):
        run(["sh", "-c", "exec >&- 2>&- <&-; sleep 600"], timeout=1)


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("timeout", [1, 20])
def test_children_it_left_behind_end_with_it(tmp_path, timeout):
    note = tmp_path / "pid"
    wait = "; sleep 600" if timeout == 1 else ""
    script = f"sleep 600 >/dev/null 2>&1 </dev/null & echo $! > {note}{wait}"
    try:
        run(["sh", "-c", script], timeout=timeout)
    except ProcessTimedOut:
        assert timeout == 1
    child = int(note.read_text())
    deadline = time.monotonic() + 20
    while not is_gone(child):
        assert time.monotonic() < deadline, "the child lives on"


def test_the_environment_is_what_was_given_and_nothing_else(monkeypatch):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/tmp/agent")
    seen = run(["/usr/bin/env"], timeout=20, environment={"A": "1"}).stdout
    assert seen == b"A=1\n"


def test_a_missing_program_is_said_so():
    with pytest.raises(FileNotFoundError):
        run(["/nonexistent/program"], timeout=5)


def test_nothing_goes_through_a_shell(tmp_path):
    run(["echo", f"; touch {tmp_path}/made"], timeout=20)
    assert list(tmp_path.iterdir()) == []


def test_killing_a_group_that_is_gone_is_no_error():
    class Ended:
        pid = 2**22 - 3  # beyond what the kernel gives out here

    bounded_process._kill_group(Ended)
