"""What a build needs is said before it starts, and a disk that is too small is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.bundle import catalogue
from clusters.bundle.catalogue import MB, Cost
from clusters.bundle.errors import NotEnoughDisk, VersionUnknown
from clusters.bundle.preflight import (
    Disk,
    Estimate,
    announcement,
    duration_text,
    estimate,
    refuse_full_disk,
    size_text,
)

costs = st.lists(
    st.builds(Cost, seconds=st.integers(0, 900), scratch=st.integers(0, 10**10), stays=st.integers(0, 10**9))
)


def test_the_need_is_what_stays_and_what_is_scratch_and_a_margin():
    need = estimate([Cost(100, 900, 100), Cost(20, 0, 0)], cpus=2, keep_cache=False)
    assert need == Estimate(store=110, scratch=990, stays=100, seconds=120)


def test_a_kept_cache_stays():
    assert estimate([Cost(1, 900, 100)], cpus=2, keep_cache=True).stays == 1000


@pytest.mark.parametrize(("cpus", "seconds"), [(0, 240), (1, 240), (2, 120), (4, 60), (64, 15)])
def test_more_processors_take_less_time(cpus, seconds):
    assert estimate([Cost(120, 0, 0)], cpus=cpus, keep_cache=False).seconds == seconds


@given(costs, costs, st.integers(1, 64), st.booleans())
def test_more_to_make_never_needs_less(some, more, cpus, keep):
    one = estimate(some, cpus=cpus, keep_cache=keep)
    both = estimate(some + more, cpus=cpus, keep_cache=keep)
    assert (both.peak, both.stays, both.seconds) >= (one.peak, one.stays, one.seconds)
    assert one.peak >= one.store
    assert one.peak >= one.stays


@given(costs, st.integers(0, 10**12))
def test_a_build_is_refused_exactly_when_it_does_not_fit(some, free):
    need = estimate(some, cpus=2, keep_cache=False)
    disk = Disk(1, free, "/store")
    if need.store + need.scratch > free:
        with pytest.raises(NotEnoughDisk):
            refuse_full_disk(need, store=disk, cache=disk)
    else:
        refuse_full_disk(need, store=disk, cache=disk)


@given(costs, st.integers(0, 10**11), st.integers(0, 10**11))
def test_two_disks_are_asked_each_for_its_own_part(some, store, cache):
    need = estimate(some, cpus=2, keep_cache=False)
    disks = {"store": Disk(1, store, "/store"), "cache": Disk(2, cache, "/cache")}
    if need.store > store or need.scratch > cache:
        with pytest.raises(NotEnoughDisk) as caught:
            refuse_full_disk(need, **disks)
        assert ("/store" if need.store > store else "/cache") in str(caught.value)
    else:
        refuse_full_disk(need, **disks)


def test_the_refusal_says_how_much_is_needed_where_and_what_to_do():
    disk = Disk(1, 2_000 * MB, "/store")
    with pytest.raises(NotEnoughDisk) as caught:
        refuse_full_disk(Estimate(400 * MB, 7_000 * MB, 0, 0), store=disk, cache=disk)
    assert str(caught.value) == "The build needs 7.4 GB of free disk in /store, and 2.0 GB are free."
    assert "KCLOUD_BUNDLES" in caught.value.remedy


def test_the_announcement_says_disk_and_time():
    text = announcement(Estimate(700 * MB, 6_300 * MB, 700 * MB, 540), free=80_000 * MB, keep_cache=False)
    assert text == "Needs 7.0 GB of disk while it builds, 700 MB of it stay; about 9 min. Free: 80 GB."


def test_the_announcement_says_that_a_kept_cache_is_included():
    assert "compiler cache included" in announcement(Estimate(2, 2, 2, 2), free=1, keep_cache=True)


def test_nothing_to_do_is_said_too():
    assert "nothing to build" in announcement(
        estimate([], cpus=2, keep_cache=False), free=0, keep_cache=False
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1_500_000, "1.5 MB"),
        (15_000_000, "15 MB"),
        (999_600_000, "1.0 GB"),
        (7_012_000_000, "7.0 GB"),
        (2_500_000_000_000, "2.5 TB"),
    ],
)
def test_sizes_are_written_for_people(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (45, "45 s"),
        (89, "89 s"),
        (90, "2 min"),
        (3590, "1 h 0 min"),
        (4200, "1 h 10 min"),
    ],
)
def test_durations_are_written_for_people(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize("version", ["1.32.0", "1.34", "v1.34.4", "", "1.34.5"])
def test_an_unknown_version_is_refused_with_the_known_ones(version):
    with pytest.raises(VersionUnknown) as caught:
        catalogue.kubernetes_build(version)
    assert "1.34.4" in caught.value.remedy
    assert "1.33.13" in caught.value.remedy


@pytest.mark.parametrize("version", catalogue.KUBERNETES)
def test_every_version_reports_itself_and_has_its_pinned_module(version):
    build = catalogue.kubernetes_build(version)
    assert f"gitVersion=v{version}" in build.linker_flags
    assert set(build.packages) == set(catalogue.KUBERNETES_BINARIES)


def test_the_versions_lie_one_minor_apart_so_that_upgrading_is_real():
    minors = [int(version.split(".")[1]) for version in catalogue.KUBERNETES]
    assert minors == list(range(minors[0], minors[0] - len(minors), -1))
    assert len(minors) >= 2
