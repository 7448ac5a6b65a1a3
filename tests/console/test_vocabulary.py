"""Words, numbers and icons: the pure parts of the console."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from clusters.models import Bundle, Cluster, Host, PreflightCheck
from kcloud_site import formatting, icons, status
from kcloud_site.management.commands.assets import icons_in_use
from kcloud_site.operations.models import State

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CLASSES = {"is-ok", "is-run", "is-warn", "is-bad", "is-off", "is-unk"}


# ---- states ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "choices", [State, Cluster.State, Cluster.Health, Host.State, Bundle.State, PreflightCheck.Verdict]
)
def test_every_state_a_row_can_have_is_in_the_vocabulary(choices):
    for value in choices.values:
        assert value == "unknown" or status.get(value).word != status.get("unknown").word, value


def test_each_state_has_one_of_six_classes_and_a_word():
    for entry in (*status.VOCABULARY, *status.ALIASES.values()):
        assert entry.css in CLASSES
        assert str(entry.word)


def test_a_state_nobody_knows_is_shown_as_unknown():
    assert status.get("something-new").key == "unknown"


def test_an_alias_keeps_class_and_icon_of_the_state_it_stands_for():
    for alias in status.ALIASES.values():
        entry = status.get(alias.key)
        assert (alias.css, alias.icon, alias.turns) == (entry.css, entry.icon, entry.turns), alias


def test_the_order_is_worst_first():
    order = "down failed unknown degraded approval drifted updating running pending paused cordoned healthy succeeded"
    ranks = [status.rank(key) for key in order.split()]
    assert ranks == sorted(ranks)


@given(st.lists(st.sampled_from([entry.key for entry in status.VOCABULARY]), min_size=1))
def test_the_worst_is_one_of_them_and_none_is_worse(keys):
    worst = status.worst(keys)
    assert worst.key in keys
    assert all(status.rank(key) >= status.rank(worst.key) for key in keys)


def test_of_nothing_nothing_is_worst():
    assert status.worst([]) is None


# ---- numbers -----------------------------------------------------------------------------------------------


def plain(text):
    return text.replace("\u202f", " ").replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (999, "999"),
        (1084, "1 084"),
        (1_420_000, "1 420 000"),
        (1.5, "1.5"),
        (2.0, "2"),
    ],
)
def test_numbers_are_grouped_thinly_and_nothing_is_a_dash(value, text):
    assert plain(formatting.number(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (3_355_443, "3.2 MiB"),
        (150 * 1024**2, "150 MiB"),
        (12 * 1024**3, "12 GiB"),
        (5 * 1024**6, "5120 PiB"),
    ],
)
def test_sizes_are_binary_with_at_most_one_digit(value, text):
    assert plain(formatting.size(value)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.9, "0 s"),
        (-5, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (1072, "17 min 52 s"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (90_000, "1 d 1 h"),
        (86_400, "1 d"),
        (86_460, "1 d"),
    ],
)
def test_durations_have_two_units_at_most(seconds, text):
    assert plain(formatting.duration(seconds)) == text


@given(st.integers(min_value=0, max_value=10**9))
def test_a_duration_never_says_more_than_there_is(seconds):
    size = {"d": 86_400, "h": 3600, "min": 60, "s": 1}
    told = [part.split("\u00a0") for part in formatting.duration(seconds).split(" ")]
    total = sum(int(amount) * size[unit] for amount, unit in told)
    assert total <= seconds
    assert seconds - total < size[told[0][1]]


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (-5, "just now"),
        (0, "just now"),
        (3, "3 s ago"),
        (60, "1 min ago"),
        (7200, "2 h ago"),
        (200_000, "2 days ago"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(ago, text):
    assert formatting.age(NOW - timedelta(seconds=ago), NOW) == text


# ---- icons -------------------------------------------------------------------------------------------------

SPRITE = """<svg><defs>
 <symbol id="box" viewBox="0 0 24 24">
   <path d="M1" />
 </symbol>
 <symbol id="boxes" viewBox="0 0 24 24"><path d="M2" /></symbol>
 <symbol id="x" viewBox="0 0 24 24"><path d="M3" /></symbol>
</defs></svg>"""


def test_icons_are_found_in_templates_and_code():
    template = """{% icon "box" %} {%icon 'x' turns=True%}"""
    code = """Entry(icon="server") {"icon": "hand"} icon = 'ban' silicon="no" """
    assert icons.names_in(template + code) == {"box", "x", "server", "hand", "ban"}


def test_the_sprite_is_cut_to_what_is_used():
    cut = icons.cut(SPRITE, ["x", "box", "x"])
    assert '<symbol id="box" viewBox="0 0 24 24"><path d="M1" /></symbol>' in cut
    assert cut.count("<symbol") == 2


def test_an_icon_that_does_not_exist_is_named():
    with pytest.raises(icons.UnknownIcon, match="bx, cross"):
        icons.cut(SPRITE, ["bx", "box", "cross"])


def test_the_icons_of_states_and_frame_are_in_use():
    used = icons_in_use(settings.BASE_DIR)
    assert {"circle-x", "loader-circle", "layout-dashboard", "menu"} <= used


# ---- words -------------------------------------------------------------------------------------------------


def test_no_word_of_the_vocabulary_is_decided_at_import():
    with translation.override("zh-hans"):
        assert all(not isinstance(entry.word, str) for entry in status.VOCABULARY)
