"""What the demo prints while a person waits."""

import io
import json

import time_machine
from hypothesis import given
from hypothesis import strategies as st

from kcloud_site.demo.progress import BAR_CELLS, Progress, StageName, Times, bar, in_words

PORTAL = StageName("portal", "Portal", 10)
DEPLOY = StageName("deploy", "Deploy", 50)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def make(tmp_path, out=None):
    out = out or io.StringIO()
    return Progress([PORTAL, DEPLOY], Times(tmp_path / "times.json"), out), out


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_bar_always_has_the_same_width(share):
    assert len(bar(share)) == BAR_CELLS


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_bar_never_shrinks_when_more_is_done(one, other):
    low, high = sorted((one, other))
    assert bar(low).count("█") <= bar(high).count("█")


def test_seconds_are_said_in_words():
    assert in_words(48.4) == "48 s"
    assert in_words(200) == "3 min 20 s"
    assert in_words(-1) == "0 s"


def test_time_left_is_what_the_stages_took_the_last_time(tmp_path):
    (tmp_path / "times.json").write_text(json.dumps({"portal": 4, "deploy": 40}))
    progress, out = make(tmp_path)
    with time_machine.travel(0, tick=False):
        progress.begin(PORTAL)
    assert "[1/2] Portal" in out.getvalue()
    assert "about 44 s left" in out.getvalue()


def test_an_unreadable_record_of_times_is_no_obstacle(tmp_path):
    (tmp_path / "times.json").write_text("not json")
    progress, out = make(tmp_path)
    progress.begin(DEPLOY)
    assert "about 50 s left" in out.getvalue()


def test_a_finished_stage_says_how_long_it_took_and_remembers_it(tmp_path):
    progress, out = make(tmp_path)
    progress.begin(PORTAL)
    progress.end()
    assert out.getvalue().splitlines()[-1].startswith("[1/2] Portal")
    assert "done in" in out.getvalue()
    assert "portal" in json.loads((tmp_path / "times.json").read_text())


def test_a_log_file_gets_a_line_only_when_the_text_changes(tmp_path):
    progress, out = make(tmp_path)
    progress.begin(DEPLOY)
    before = len(out.getvalue().splitlines())
    progress.say("step 3", 0.3)
    progress.say("step 3", 0.35)
    progress.say("step 4", 0.4)
    assert len(out.getvalue().splitlines()) == before + 2


def test_a_terminal_redraws_one_line(tmp_path):
    progress, out = make(tmp_path, Terminal())
    progress.begin(DEPLOY)
    progress.say("step 3", 0.3)
    progress.say("step 3", 0.4)
    assert "\n" not in out.getvalue()
    progress.end()
    assert out.getvalue().count("\n") == 1


def test_saying_something_between_stages_writes_nothing(tmp_path):
    progress, out = make(tmp_path)
    progress.say("early")
    progress.end()
    assert out.getvalue() == ""
