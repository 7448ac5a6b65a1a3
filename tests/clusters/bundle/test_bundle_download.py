"""Downloads: they continue where they stopped, and keep nothing without its published checksum."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.bundle.download import download, fetch_text, published_sha256
from clusters.bundle.errors import ChecksumWrong, DownloadFailed

CONTENT = bytes(range(256)) * 4000
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def url(mirror):
    mirror.files["/file"] = CONTENT
    return f"{mirror.url}/file"


def test_a_file_comes_down_whole_and_leaves_no_part(url, tmp_path):
    shares = []
    download(url, tmp_path / "new" / "file", SUM, shares.append)
    assert (tmp_path / "new" / "file").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_broken_line_is_taken_up_where_it_broke(url, mirror, tmp_path):
    mirror.cut_after = [300_000, 200_000]
    download(url, tmp_path / "file", SUM)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert mirror.asked == [("/file", None), ("/file", "bytes=300000-"), ("/file", "bytes=500000-")]


def test_the_part_of_an_earlier_run_is_continued(url, mirror, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    download(url, tmp_path / "file", SUM)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert mirror.asked == [("/file", "bytes=1000-")]


def test_a_part_that_is_already_whole_is_taken(url, mirror, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    download(url, tmp_path / "file", SUM)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_dropped_and_fetched_anew(url, mirror, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT + b"more")
    download(url, tmp_path / "file", SUM)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_sends_all_and_the_part_is_replaced(url, mirror, tmp_path):
    mirror.ranges = False
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    download(url, tmp_path / "file", SUM)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_file_that_is_here_is_not_fetched_again(url, mirror, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    download(url, tmp_path / "file", SUM)
    assert mirror.asked == []


def test_a_file_with_other_bytes_is_fetched_again(url, tmp_path):
    (tmp_path / "file").write_bytes(b"older")
    download(url, tmp_path / "file", SUM)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_with_the_files_name_and_nothing_stays(url, tmp_path):
    with pytest.raises(ChecksumWrong) as caught:
        download(url, tmp_path / "file", "0" * 64)
    assert caught.value.file == "file"
    assert url in str(caught.value)
    assert "mirror" in caught.value.remedy
    assert list(tmp_path.glob("file*")) == []


def test_a_part_of_another_file_ends_in_a_refusal_and_the_next_run_succeeds(url, tmp_path):
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    with pytest.raises(ChecksumWrong):
        download(url, tmp_path / "file", SUM)
    download(url, tmp_path / "file", SUM)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_line_that_always_breaks_is_given_up_and_the_part_is_kept(url, mirror, tmp_path):
    mirror.cut_after = [100] * 50
    with pytest.raises(DownloadFailed, match="broke") as caught:
        download(url, tmp_path / "file", SUM)
    assert caught.value.url == url
    assert (tmp_path / "file.part").read_bytes() == CONTENT[: 100 * len(mirror.asked)]
    assert not (tmp_path / "file").exists()


def test_a_missing_file_names_the_address_and_what_to_do(mirror, tmp_path):
    with pytest.raises(DownloadFailed, match="404") as caught:
        download(f"{mirror.url}/other", tmp_path / "other", SUM)
    assert f"{mirror.url}/other" in str(caught.value)
    assert "--url" in caught.value.remedy
    assert list(tmp_path.glob("other*")) == []


def test_a_server_that_is_away_is_named(mirror, tmp_path):
    url = mirror.url
    mirror.close()
    with pytest.raises(DownloadFailed, match=url) as caught:
        download(f"{url}/file", tmp_path / "file", SUM)
    assert "reach" in caught.value.remedy


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "mirror", ""])
def test_only_http_addresses_are_followed(address, tmp_path):
    with pytest.raises(DownloadFailed, match="not an http"):
        download(address, tmp_path / "file", SUM)
    with pytest.raises(DownloadFailed, match="not an http"):
        fetch_text(address)


def test_a_text_is_read(mirror):
    mirror.files["/SHA256SUMS"] = b"abc\n"
    assert fetch_text(f"{mirror.url}/SHA256SUMS") == "abc\n"
    with pytest.raises(DownloadFailed, match="404"):
        fetch_text(f"{mirror.url}/none")


@pytest.mark.parametrize(
    "text",
    [
        SUM,
        f"{SUM}\n",
        SUM.upper(),
        f"{SUM}  file.tar.gz\n",
        f"{SUM} *file.tar.gz",
        f"{'0' * 64}  other.tar.gz\n{SUM}  file.tar.gz\n",
        f"{SUM}  release/file.tar.gz\n",
        f"# comment\n\n{SUM}  file.tar.gz",
    ],
)
def test_published_sums_are_read_in_the_forms_projects_use(text):
    assert published_sha256(text, "file.tar.gz", "http://mirror/sums") == SUM


@pytest.mark.parametrize(
    "text",
    ["", "<html>Not found</html>", f"{SUM}  other.tar.gz", SUM[:-1], f"{SUM}\n{SUM}", f"{SUM}  xfile.tar.gz"],
)
def test_a_text_without_the_files_sum_is_refused_with_its_address(text):
    with pytest.raises(DownloadFailed, match=r"no sha256 of file\.tar\.gz") as caught:
        published_sha256(text, "file.tar.gz", "http://mirror/sums")
    assert caught.value.url == "http://mirror/sums"


@given(st.text(max_size=300))
def test_any_text_gives_a_sum_or_is_refused(text):
    try:
        found = published_sha256(text, "f", "http://mirror/sums")
    except DownloadFailed:
        return
    assert found in text.lower()
    assert len(found) == 64
