"""Names of images: what a person may write, and what is meant by it. Pure.

`parse_reference("nginx:1.27")` is docker.io/library/nginx with the tag 1.27, as every runtime reads it. Raises
ReferenceInvalid with the problem to show at the field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from clusters.problems import Problem
from clusters.problems import gettext_noop as _

PUBLIC_HOST = "docker.io"
USUAL_TAG = "latest"
# Images of the release bundle have a host part of our own: they lie on every node and come from no registry.
BUNDLED_HOST = "kcloud.local"
LONGEST = 500
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ReferenceInvalid(ValueError):
    """The text names no image; `problem` says why and what to write."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True)
class Reference:
    """An image by name: its registry's host, the repository there, and a tag or a digest, or both."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Host and repository."""
        return f"{self.host}/{self.repository}"

    @property
    def wanted(self) -> str:
        """What to ask the registry for: the digest where there is one."""
        return self.digest or self.tag

    @property
    def namespace(self) -> str:
        """The repository's first part: in the platform's own registry the tenant."""
        return self.repository.partition("/")[0]

    def at(self, digest: str) -> Reference:
        """The same image, exactly this content of it."""
        return replace(self, tag="", digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return self.name + tag + (f"@{self.digest}" if self.digest else "")


def parse_reference(text: str) -> Reference:
    """The image meant by `text`; without tag and digest the tag `latest`."""
    given = text.strip()
    if not given or len(given) > LONGEST or any(letter.isspace() for letter in given):
        raise _invalid("form", _("“%(image)s” is not the name of an image."), given)
    name, at, digest = given.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _invalid(
            "digest", _("The digest of “%(image)s” is not sha256: and 64 hexadecimal digits."), given
        )
    host, rest = _split_host(name)
    repository, colon, tag = rest.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _invalid("tag", _("The tag of “%(image)s” is none."), given)
    if not _HOST.fullmatch(host):
        raise _invalid("host", _("The registry of “%(image)s” is not the name of a host."), given)
    if not _REPOSITORY.fullmatch(repository):
        raise _invalid("repository", _("“%(image)s” is not the name of an image."), given)
    return Reference(host, repository, tag or ("" if digest else USUAL_TAG), digest)


def _split_host(name: str) -> tuple[str, str]:
    """A first part with a dot or a port, and `localhost`, is a host; all else is the public registry's."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return (PUBLIC_HOST if first == "index.docker.io" else first), rest
    return PUBLIC_HOST, name if slash else f"library/{name}"


def _invalid(code: str, text: str, given: str) -> ReferenceInvalid:
    fix = _("Write registry.example.com/team/shop:1.2, in small letters, or the same with @sha256:….")
    return ReferenceInvalid(Problem("image", code, text, fix, {"image": given[:80]}))
