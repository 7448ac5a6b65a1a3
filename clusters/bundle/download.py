"""Downloads over HTTP that continue where they stopped, and keep nothing that lacks its published checksum.

The part that is already here lies in FILE.part; the server is asked for the rest (Range). A server that ignores the
range sends all, and the part is replaced. Raises DownloadFailed, naming the URL, and ChecksumWrong, naming the file.
"""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from clusters.bundle.errors import ChecksumWrong, DownloadFailed
from clusters.bundle.verification import sha256_of

_TRIES = 5
_BLOCK = 1 << 18
_TIMEOUT = 30.0
_UNREACHABLE = (
    "See whether this machine can reach the address; what is already here is kept for the next run."
)


def fetch_text(url: str) -> str:
    """A small text, such as a checksum file."""
    try:
        with _open(_request(url)) as answer:
            return str(answer.read(1 << 20).decode(errors="replace"))
    except urllib.error.HTTPError as error:
        raise _refused(url, error) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DownloadFailed(url, _why(error), _UNREACHABLE) from error


def published_sha256(text: str, file: str, url: str) -> str:
    """The sha256 of `file` in a checksum file: either one bare sum or lines of `sum  name`. Pure."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    for row in rows:
        named = len(row) > 1 and row[-1].lstrip("*").rpartition("/")[2] == file
        if re.fullmatch(r"[0-9a-fA-F]{64}", row[0]) and (named or (len(row) == 1 and len(rows) == 1)):
            return row[0].lower()
    raise DownloadFailed(
        url, f"it holds no sha256 of {file}", "See whether the address is that of a release mirror."
    )


def download(
    url: str, target: Path, sha256: str, on_progress: Callable[[float], None] = lambda share: None
) -> None:
    """Bring `url` to `target`. A target that already has the checksum is not fetched again."""
    if target.is_file() and sha256_of(target) == sha256:
        on_progress(1.0)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    failures = 0
    while not _fetch_rest(url, part, on_progress):
        failures += 1
        if failures == _TRIES:
            raise DownloadFailed(url, f"the connection broke {_TRIES} times", _UNREACHABLE)
    if sha256_of(part) != sha256:
        part.unlink()
        raise ChecksumWrong(target.name, url)
    part.replace(target)


def _fetch_rest(url: str, part: Path, on_progress: Callable[[float], None]) -> bool:
    """One attempt; answers whether the file is whole now."""
    have = part.stat().st_size if part.exists() else 0
    request = _request(url)
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with _open(request) as answer:
            start = _start_of(answer)
            total = start + int(answer.headers.get("Content-Length") or 0)
            with part.open("r+b" if part.exists() else "wb") as stream:
                # A server may answer an older range than asked for, or all: write where its answer belongs.
                stream.seek(start if start <= have else 0)
                stream.truncate()
                while block := answer.read(_BLOCK):
                    stream.write(block)
                    on_progress(stream.tell() / total if total else 0.0)
            return start <= have and part.stat().st_size >= total
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing after what is here: whole, or the part of an older file
            return _whole_or_cleared(error, part, have)
        raise _refused(url, error) from error
    except (http.client.HTTPException, ConnectionResetError, TimeoutError):
        return False
    except (OSError, ValueError) as error:
        raise DownloadFailed(url, _why(error), _UNREACHABLE) from error


def _start_of(answer: http.client.HTTPResponse) -> int:
    if answer.status != 206:
        return 0
    given = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(given[1]) if given else 0


def _whole_or_cleared(error: urllib.error.HTTPError, part: Path, have: int) -> bool:
    length = error.headers.get("Content-Range", "").rpartition("/")[2]
    if length == str(have):
        return True
    part.unlink()
    return False


def _request(url: str) -> urllib.request.Request:
    if not url.startswith(("http://", "https://")):
        raise DownloadFailed(
            url, "it is not an http or https address", "Give the mirror's address: --url https://..."
        )
    headers = {"User-Agent": "kcloud-bundle", "Accept-Encoding": "identity"}
    return urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme was checked above


def _open(request: urllib.request.Request) -> http.client.HTTPResponse:
    answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310 - as above
    return answer


def _refused(url: str, error: urllib.error.HTTPError) -> DownloadFailed:
    remedy = "Try again later: the mirror is in trouble."
    if error.code < 500:
        remedy = (
            "See whether the mirror holds this version, and whether --url (or KCLOUD_RELEASES_URL) is right."
        )
    return DownloadFailed(url, f"the server answered {error.code} {error.reason}", remedy)


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return f"{reason}"
