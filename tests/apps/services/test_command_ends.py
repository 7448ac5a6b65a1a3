"""Commands are ended by their mark: with the shell and the processes of this machine."""

import subprocess
import sys

import pytest

from apps.services import command_ends
from clusters.adapters.execution import BROKEN, EXITED, TIME, Execution
from clusters.errors import ClusterUnreachable
from tests.operations.processes import until

CHILD = "import subprocess, sys; print(subprocess.Popen(['sleep', '300']).pid, flush=True); sys.stdin.read()"


class Here:
    """Runs what it is given on this machine, as a container would."""

    def execute(self, path, command, *, container, seconds, max_output):
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        return Execution(done.stdout, EXITED, done.returncode)


class Gone:
    def execute(self, *_words, **_bounds):
        raise ClusterUnreachable("gone")


def begin(command, mark):
    return subprocess.Popen(
        command_ends.marked(command, mark), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_command_its_children_and_nothing_else_end():
    mark, other = command_ends.new_mark(), command_ends.new_mark()
    mine, theirs = (begin([sys.executable, "-c", CHILD], each) for each in (mark, other))
    child, neighbour = int(mine.stdout.readline()), int(theirs.stdout.readline())
    try:
        assert command_ends.end(Here(), "", "", mark) == "ended"
        assert mine.wait(10) != 0
        until(lambda: not runs(child), 10)
        assert theirs.poll() is None
        assert runs(neighbour)
    finally:
        command_ends.end(Here(), "", "", other)
        theirs.wait(10)


def test_one_that_does_not_listen_is_killed():
    mark = command_ends.new_mark()
    deaf = begin(["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], mark)
    assert deaf.stdout.readline() == "ready\n"
    assert command_ends.end(Here(), "", "", mark) == "ended"
    assert deaf.wait(10) == -9


def test_one_that_is_gone_has_ended_and_an_unreachable_cluster_leaves_it():
    assert command_ends.end(Here(), "", "", command_ends.new_mark()) == "ended"
    assert command_ends.end(Gone(), "", "", command_ends.new_mark()) == "left"


@pytest.mark.parametrize("words", [["echo", "a  b", "$HOME", "'"], ["true"]])
def test_words_reach_the_program_as_they_are(words):
    done = subprocess.run(command_ends.marked(words, "m"), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, " ".join(words[1:]) + "\n" if words[1:] else "")


@pytest.mark.parametrize(
    ("execution", "none"),
    [
        (Execution(b"", BROKEN, None, 'exec: "/bin/sh": stat /bin/sh: no such file or directory'), True),
        (Execution(b"", BROKEN, None, "container not found"), False),
        # What the command itself says is no word of the runtime.
        (Execution(b'exec: "/bin/sh": no such file', EXITED, 127), False),
        (Execution(b"", TIME), False),
    ],
)
def test_only_the_runtimes_word_tells_that_there_is_no_shell(execution, none):
    assert command_ends.has_no_shell(execution) is none
