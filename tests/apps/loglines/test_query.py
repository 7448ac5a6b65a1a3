"""Following many streams loses no line and shows none twice, however they lag behind each other."""

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.loglines.lines import merged, numbered
from apps.loglines.patterns import read_pattern
from apps.loglines.positions import LONGEST, Positions, read_positions
from apps.loglines.query import Query, page_of

ENTRIES = st.lists(st.tuples(st.integers(min_value=1, max_value=30), st.sampled_from("abc")), max_size=25)


@settings(max_examples=300)
@given(st.lists(ENTRIES, min_size=1, max_size=4), st.data())
def test_following_gives_every_line_once(all_entries, data):
    """Each time of asking, each stream has got some lines further, in its own order."""
    streams = [numbered(f"pod-{n}", "app", sorted(entries)) for n, entries in enumerate(all_entries)]
    there, shown, positions = [0] * len(streams), [], None
    for turn in range(60):
        for n, stream in enumerate(streams):
            left = len(stream) - there[n]
            there[n] += left if turn > 6 else data.draw(st.integers(min_value=0, max_value=left))
        limit = data.draw(st.integers(min_value=1, max_value=9)) if turn <= 6 else 9
        query = Query(after=positions, limit=limit, oldest_first=True)
        page = page_of(query, [stream[: there[n]] for n, stream in enumerate(streams)])
        shown += page.lines
        positions = read_positions(str(page.positions))
        if turn > 6 and not page.more:
            break
    assert len(shown) == len({line.point for line in shown})
    assert sorted(line.point for line in shown) == [line.point for line in merged(streams)]


@given(ENTRIES, st.integers(min_value=1, max_value=9))
def test_the_newest_page_and_what_follows_fit_together(entries, limit):
    stream = numbered("pod", "app", sorted(entries))
    half = stream[: len(stream) // 2]
    first = page_of(Query(limit=limit), [half])
    assert list(first.lines) == half[-limit:]
    assert first.earlier == (len(half) > limit)
    second = page_of(Query(after=first.positions, limit=100, oldest_first=True), [stream])
    assert list(second.lines) == stream[len(half) :]


def test_positions_move_over_lines_the_filter_leaves_out():
    stream = numbered("pod", "app", [(1, "yes"), (2, "no")])
    page = page_of(Query(words="YES"), [stream])
    assert [line.text for line in page.lines] == ["yes"]
    assert page_of(Query(after=page.positions), [stream]).lines == []


def test_a_pod_that_started_meanwhile_is_read_from_the_start_of_the_window():
    first = page_of(Query(since=5), [numbered("old", "app", [(6, "a")])])
    late = numbered("new", "app", [(4, "before"), (5, "b"), (7, "c")])
    page = page_of(Query(after=first.positions), [late])
    assert [line.text for line in page.lines] == ["b", "c"]


def test_lines_are_chosen_by_window_pod_container_severity_and_pattern():
    streams = [
        numbered("web-1", "app", [(1, "ERROR one"), (2, "INFO two"), (3, "ERROR three")]),
        numbered("web-2", "side", [(2, "WARN four")]),
    ]

    def texts(**asked):
        return [line.text.split()[-1] for line in page_of(Query(**asked), streams).lines]

    assert texts() == ["one", "two", "four", "three"]
    assert texts(since=2, until=3) == ["two", "four"]
    assert texts(pods=("web-2",)) == ["four"]
    assert texts(container="app", severity="error") == ["one", "three"]
    assert texts(severity="warning") == ["one", "four", "three"]
    assert texts(pattern=read_pattern("o[nu]e?")) == ["one", "four"]


@given(st.dictionaries(st.text(max_size=9), st.integers(min_value=0, max_value=2**62), max_size=100))
def test_positions_read_back_from_their_address_and_fit_into_one(known):
    found = Positions(floor=7).moved(
        line.point for pod, at in known.items() for line in numbered(pod, "c", [(at, "x"), (at, "y")])
    )
    assert len(str(found)) <= LONGEST
    assert read_positions(str(found)) == found


@given(st.text(max_size=60))
def test_any_other_text_is_no_position(text):
    found = read_positions(text)
    assert found is None or isinstance(found, Positions)
