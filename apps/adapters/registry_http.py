"""HTTP to one image registry: TLS, sign-in by challenge, redirects of blobs, limits. Knows nothing of images.

A name is resolved once and judged (kcloud_site.outbound); the registry's word (its token address, its redirects) leads
nowhere the rule forbids, and credentials go to the registry and its token address only. Raises RegistryUnreachable for
what does not answer; every HTTP status is an answer.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import urlencode, urljoin

import urllib3
from django.utils.translation import gettext as _
from urllib3.exceptions import HTTPError

from apps.errors import ImageForbidden, RegistryUnreachable
from kcloud_site.outbound import connections
from kcloud_site.outbound.addresses import AddressRule

CONNECT, READ, WHOLE, UPLOAD = 5.0, 20.0, 30.0, 600.0
MOST_READ = 8 * 2**20
MOST_TOKEN = 64 * 2**10
REDIRECTS = 3
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, repr=False)
class Credential:
    """A name and its password or token at a registry."""

    username: str
    password: str


@dataclass(frozen=True, repr=False)
class Site:
    """A registry: its name in references, where it answers ("host:port", else the name), whom its certificate must come
    from (PEM; else the machine's authorities), and where the portal may connect for it.

    `signer` makes tokens for scopes without asking anybody: the portal's own registry believes the portal. `patience`
    bounds, in seconds, what the portal waits for one answer.
    """

    name: str
    address: str = ""
    authority: bytes = b""
    rule: AddressRule = field(default_factory=AddressRule)
    secure: bool = True
    credential: Credential | None = None
    signer: Callable[[Sequence[str]], str] | None = None
    patience: float = WHOLE

    @property
    def url(self) -> str:
        """Where its API begins."""
        return f"{'https' if self.secure else 'http'}://{self.address or self.name}"


@dataclass(frozen=True)
class Reply:
    """What came back; header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """One registry's HTTP. Tokens are remembered for the life of the object, which is short."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._tokens: dict[tuple[str, ...], str] = {}

    def send(
        self,
        method: str,
        path: str,
        *,
        scopes: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | IO[bytes] | None = None,
    ) -> Reply:
        """One request below the registry's address (or to an absolute one of its), signed in as asked for."""
        url = urljoin(self.site.url + "/", path)
        sent = dict(headers or {})
        sign_in = self._known(scopes)
        reply = self._follow(method, url, sent, sign_in, body)
        if reply.status == 401 and self.site.signer is None:
            sign_in = self._answer(reply, scopes)
            if sign_in:
                if body is not None and not isinstance(body, bytes):
                    body.seek(0)
                reply = self._follow(method, url, sent, sign_in, body)
        return reply

    # ---- signing in

    def _known(self, scopes: Sequence[str]) -> str:
        if self.site.signer is not None:
            return f"Bearer {self.site.signer(scopes)}"
        return self._tokens.get(tuple(scopes), "")

    def _answer(self, reply: Reply, scopes: Sequence[str]) -> str:
        """The Authorization header a 401 asks for; "" when it asks for nothing the portal has."""
        kind, _space, rest = reply.headers.get("www-authenticate", "").partition(" ")
        if kind.lower() == "basic" and self.site.credential:
            made = _basic(self.site.credential)
        elif kind.lower() == "bearer":
            made = f"Bearer {self._token(dict(_PARAMETER.findall(rest)), scopes)}"
        else:
            return ""
        self._tokens[tuple(scopes)] = made
        return made

    def _token(self, challenge: Mapping[str, str], scopes: Sequence[str]) -> str:
        realm = challenge.get("realm", "")
        if not realm.startswith("https://" if self.site.secure else ("http://", "https://")):
            raise self._garbage(_("Its token address is not one of HTTPS."))
        asked = [("service", challenge.get("service", ""))] + [("scope", each) for each in scopes]
        join = "&" if "?" in realm else "?"
        sign_in = _basic(self.site.credential) if self.site.credential else ""
        reply = self._exchange("GET", realm + join + urlencode(asked), {}, sign_in, None)
        if reply.status in (401, 403):
            raise ImageForbidden(
                _("Registry %(host)s refuses the sign-in.") % {"host": self.site.name},
                _told(reply.body),
                _("Check the name and the password or token; one that has ended is refused as well."),
            )
        if reply.status != 200:
            raise self._garbage(_("Its token address answers with status %d.") % reply.status)
        try:
            found = json.loads(reply.body[:MOST_TOKEN])
            return str(found.get("token") or found["access_token"])
        except (ValueError, KeyError, AttributeError) as error:
            raise self._garbage(_("Its token address answers no token.")) from error

    # ---- the wire

    def _follow(
        self, method: str, url: str, headers: dict[str, str], sign_in: str, body: bytes | IO[bytes] | None
    ) -> Reply:
        """GETs of blobs are led elsewhere by large registries: without the sign-in, which is for the registry."""
        for _turn in range(REDIRECTS + 1):
            reply = self._exchange(method, url, headers, sign_in, body)
            if reply.status not in (301, 302, 303, 307, 308) or method not in ("GET", "HEAD"):
                return reply
            before, url = url, urljoin(url, reply.headers.get("location", ""))
            if not url.startswith("https://") and self.site.secure:
                raise self._garbage(_("It leads to an address without TLS."))
            if urllib3.util.parse_url(url).netloc != urllib3.util.parse_url(before).netloc:
                sign_in = ""
        raise self._garbage(_("It leads from one address to the next without end."))

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], sign_in: str, body: bytes | IO[bytes] | None
    ) -> Reply:
        parts = urllib3.util.parse_url(url)
        sent = {"User-Agent": "kcloud", **headers, **({"Authorization": sign_in} if sign_in else {})}
        whole = min(WHOLE, self.site.patience) if body is None else UPLOAD
        try:
            with self._pool(parts) as pool:
                status, told_headers, read = _talk(pool, method, parts.request_uri, sent, body, whole)
        except connections.AddressForbidden as error:
            raise ImageForbidden(
                _("The portal does not connect to registry %(host)s.") % {"host": self.site.name},
                str(error),
                _("Use a registry other machines reach, or have a platform operator allow internal ones."),
            ) from error
        except (HTTPError, OSError, ValueError) as error:
            raise self._unreachable(error) from error
        if len(read) > MOST_READ:
            raise self._garbage(_("Its answer is larger than any manifest."))
        return Reply(status, told_headers, read)

    def _pool(self, parts: urllib3.util.Url) -> Any:
        options: dict[str, Any] = {"maxsize": 1, "retries": False}
        if parts.scheme != "https":
            return connections.plain_pool(self.site.rule)(str(parts.host), parts.port or 80, **options)
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.site.authority:
            context = ssl.create_default_context(cadata=self.site.authority.decode("ascii"))
        pool = connections.secure_pool(self.site.rule)
        return pool(str(parts.host), parts.port or 443, ssl_context=context, **options)

    def _unreachable(self, error: Exception) -> RegistryUnreachable:
        return RegistryUnreachable(
            _("Registry %(host)s does not answer.") % {"host": self.site.name},
            _plain(error),
            _("See whether it runs and the portal's machine reaches it, then try again."),
        )

    def _garbage(self, why: str) -> RegistryUnreachable:
        return RegistryUnreachable(
            _("Registry %(host)s does not answer as a registry.") % {"host": self.site.name},
            why,
            _("Check the name of the image's registry."),
        )


def _talk(
    pool: Any,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | IO[bytes] | None,
    whole: float,
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers, the body's beginning. What comes byte by byte is cut off after `whole` seconds."""
    connection = pool._get_conn()
    held: list[Any] = []
    stop = threading.Timer(whole, _cut, [held])
    stop.daemon = True
    stop.start()
    try:
        connection.timeout = min(CONNECT, whole)
        connection.connect()
        # Held here: a connection that will not be used again lets go of its socket before the body is read.
        held.append(connection.sock)
        connection.sock.settimeout(min(READ, whole))
        connection.request(method, path, body=body, headers=dict(headers), preload_content=False)
        response = connection.getresponse()
        read = b"" if method == "HEAD" else response.read(MOST_READ + 1, decode_content=False)
        return response.status, {name.lower(): text for name, text in response.headers.items()}, read
    finally:
        stop.cancel()
        connection.close()


def _cut(held: list[Any]) -> None:
    for sock in held:
        with contextlib.suppress(OSError):
            sock.shutdown(2)


def _basic(credential: Credential) -> str:
    pair = f"{credential.username}:{credential.password}".encode()
    return "Basic " + base64.b64encode(pair).decode()


def _told(body: bytes) -> str:
    """What the registry says of its refusal, cut: hostile text."""
    try:
        found = json.loads(body)
        first = found["errors"][0]
        return str(first.get("message") or first.get("code") or "")[:200]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""


told = _told


def _plain(error: BaseException) -> str:
    """The innermost cause as people know it."""
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return _("The name does not resolve.")
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        return _("No answer in time.")
    cause = error.__cause__ or error.__context__
    if isinstance(error, urllib3.exceptions.SSLError) or isinstance(cause, ssl.SSLError):
        return _("Its certificate is not trusted, or TLS fails: %(why)s") % {"why": str(cause or error)[:150]}
    return f"{type(cause or error).__name__}: {cause or error}"[:200]
