"""Registries that are not ours: other sign-ins, other places of blobs, and hostile ones."""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from apps.adapters import registry_http
from apps.adapters.registry import Credential, Registry, Site
from apps.errors import ImageForbidden, ImageNotFound, RegistryUnreachable
from apps.specs.images import Reference
from kcloud_site.outbound.addresses import AddressRule

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = json.dumps({"architecture": "amd64", "config": {"Entrypoint": ["/shop"], "User": "5"}}).encode()
BASIC = "Basic bWU6c2VjcmV0"


def digest_of(raw):
    return "sha256:" + hashlib.sha256(raw).hexdigest()


ONE = json.dumps(
    {"mediaType": MANIFEST, "config": {"digest": digest_of(CONFIG)}, "layers": [{"size": 40}, {"size": 2}]}
).encode()


class Stranger:
    """A registry in a thread; `answers` by (method, path) are functions of the handler."""

    def __init__(self):
        self.answers, self.asked = {}, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                path = self.path.partition("?")[0]
                outer.asked.append((self.command, self.path, self.headers.get("Authorization", "")))
                found = outer.answers.get((self.command, path))
                if found is None:
                    return self.send(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not known"}]}')
                return found(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

            def send(self, status, body=b"", **headers):
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name.replace("_", "-"), text)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_words):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def say(self, method, path, status, body=b"", **headers):
        self.answers[method, path] = lambda handler: handler.send(status, body, **headers)


@pytest.fixture
def stranger():
    made = Stranger()
    yield made
    made.server.shutdown()
    made.server.server_close()


def registry(stranger, **options):
    rule = AddressRule(allow_internal=True)
    return Registry(Site(stranger.host, rule=rule, secure=False, **options))


def shop(stranger, tag="1"):
    return Reference(stranger.host, "team/shop", tag)


def test_an_open_registry_is_asked_without_a_sign_in(stranger):
    stranger.say("GET", "/v2/team/shop/manifests/1", 200, ONE, Content_Type=MANIFEST)
    assert registry(stranger).resolve(shop(stranger)) == digest_of(ONE)
    assert [each[2] for each in stranger.asked] == [""]


def test_basic_sign_in_is_given_where_it_is_asked_for(stranger):
    def closed(handler):
        if handler.headers.get("Authorization") == BASIC:
            return handler.send(200, ONE, Content_Type=MANIFEST)
        return handler.send(401, WWW_Authenticate='Basic realm="x"')

    stranger.answers["GET", "/v2/team/shop/manifests/1"] = closed
    assert registry(stranger, credential=Credential("me", "secret")).resolve(shop(stranger))
    with pytest.raises(ImageForbidden):
        registry(stranger).resolve(shop(stranger))


def test_a_token_is_fetched_where_the_registry_says_and_the_password_goes_only_there(stranger):
    def closed(handler):
        if handler.headers.get("Authorization") == "Bearer T":
            return handler.send(200, ONE, Content_Type=MANIFEST)
        realm = f'Bearer realm="http://{stranger.host}/token",service="s",scope="repository:team/shop:pull"'
        return handler.send(401, WWW_Authenticate=realm)

    stranger.answers["GET", "/v2/team/shop/manifests/1"] = closed
    stranger.say("GET", "/token", 200, b'{"access_token":"T"}')
    assert registry(stranger, credential=Credential("me", "secret")).resolve(shop(stranger))
    _first, asked, again = stranger.asked
    assert asked[1:] == ("/token?service=s&scope=repository%3Ateam%2Fshop%3Apull", BASIC)
    assert again[2] == "Bearer T"


def test_blobs_elsewhere_are_fetched_without_the_sign_in(stranger):
    elsewhere = Stranger()

    def closed(handler):
        if handler.headers.get("Authorization") == BASIC:
            return handler.send(200, ONE, Content_Type=MANIFEST)
        return handler.send(401, WWW_Authenticate='Basic realm="x"')

    stranger.answers["GET", "/v2/team/shop/manifests/1"] = closed
    stranger.say(
        "GET", f"/v2/team/shop/blobs/{digest_of(CONFIG)}", 307, Location=f"http://{elsewhere.host}/blob"
    )
    elsewhere.say("GET", "/blob", 200, CONFIG)
    found = registry(stranger, credential=Credential("me", "secret")).config(shop(stranger))
    assert (found.entrypoint, found.user, found.size) == (("/shop",), "5", 42 + len(CONFIG))
    assert elsewhere.asked == [("GET", "/blob", "")]
    elsewhere.server.shutdown()
    elsewhere.server.server_close()


def test_an_index_is_pinned_as_it_is_and_its_image_found_by_platform(stranger):
    platforms = [
        {"digest": digest_of(b"other"), "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": digest_of(ONE), "platform": {"os": "linux", "architecture": "amd64"}},
    ]
    index = json.dumps({"mediaType": INDEX, "manifests": platforms}).encode()
    stranger.say("GET", "/v2/team/shop/manifests/1", 200, index, Content_Type=INDEX)
    stranger.say("GET", f"/v2/team/shop/manifests/{digest_of(ONE)}", 200, ONE, Content_Type=MANIFEST)
    stranger.say("GET", f"/v2/team/shop/blobs/{digest_of(CONFIG)}", 200, CONFIG)
    assert registry(stranger).resolve(shop(stranger)) == digest_of(index)
    assert registry(stranger).config(shop(stranger)).user == "5"
    with pytest.raises(ImageNotFound, match="s390x"):
        registry(stranger).config(shop(stranger), "s390x")


def test_lists_are_read_page_by_page_and_lead_to_no_other_host(stranger):
    def page(handler):
        if "last=b" in handler.path:
            link = f'<http://{stranger.host}/v2/team/shop/tags/list?last=c>; rel="next"'
            return handler.send(200, b'{"tags":["c"]}', Link=link)
        return handler.send(200, b'{"tags":["b","a"]}', Link='</v2/team/shop/tags/list?last=b>; rel="next"')

    stranger.answers["GET", "/v2/team/shop/tags/list"] = page
    assert registry(stranger).tags("team/shop") == ["a", "b", "c"]
    assert len(stranger.asked) == 2


@pytest.mark.parametrize(
    ("status", "condition"),
    [(404, ImageNotFound), (403, ImageForbidden), (429, RegistryUnreachable), (500, RegistryUnreachable)],
)
def test_each_no_is_its_own_condition_with_a_remedy(stranger, status, condition):
    stranger.say("GET", "/v2/team/shop/manifests/1", status, b'{"errors":[{"message":"so it is"}]}')
    with pytest.raises(condition) as refused:
        registry(stranger).resolve(shop(stranger))
    assert refused.value.why == "so it is"
    assert refused.value.remedy


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"mediaType":"text/plain"}', b"", b"\xff\xfe", b"null"], ids=str
)
def test_what_is_no_registry_is_said_to_be_none(stranger, body):
    stranger.say("GET", "/v2/team/shop/manifests/1", 200, body, Content_Type="text/html")
    with pytest.raises(RegistryUnreachable):
        registry(stranger).resolve(shop(stranger))


def test_other_bytes_than_the_digest_asks_for_are_refused(stranger):
    wanted = digest_of(b"something else")
    stranger.say("GET", f"/v2/team/shop/manifests/{wanted}", 200, ONE, Content_Type=MANIFEST)
    with pytest.raises(RegistryUnreachable, match="digest"):
        registry(stranger).resolve(Reference(stranger.host, "team/shop", "", wanted))


def test_an_answer_without_end_is_cut_off(stranger, monkeypatch):
    monkeypatch.setattr(registry_http, "MOST_READ", 1000)
    stranger.say("GET", "/v2/team/shop/manifests/1", 200, b"x" * 2000, Content_Type=MANIFEST)
    with pytest.raises(RegistryUnreachable, match="larger"):
        registry(stranger).resolve(shop(stranger))


def test_a_registry_that_answers_byte_by_byte_is_cut_off(stranger, monkeypatch):
    monkeypatch.setattr(registry_http, "WHOLE", 0.5)
    gone = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not gone.wait(0.05):
            handler.wfile.write(b"x")

    stranger.answers["GET", "/v2/team/shop/manifests/1"] = drip
    began = time.monotonic()
    with pytest.raises(RegistryUnreachable):
        registry(stranger).resolve(shop(stranger))
    gone.set()
    assert time.monotonic() - began < 5


def test_a_secure_registry_leads_neither_to_plain_tokens_nor_to_plain_blobs(stranger):
    site = Site("registry.example.com", rule=AddressRule(allow_internal=True))
    transport = registry_http.Transport(site)
    with pytest.raises(RegistryUnreachable, match="HTTPS"):
        transport._token({"realm": "http://registry.example.com/token"}, [])


def test_redirects_and_token_addresses_reach_no_forbidden_place(stranger):
    location = "http://169.254.169.254/latest/meta-data"
    stranger.say("GET", "/v2/team/shop/manifests/1", 307, Location=location)
    with pytest.raises(ImageForbidden, match="169"):
        registry(stranger).resolve(shop(stranger))
    stranger.say("GET", "/v2/team/shop/manifests/1", 401, WWW_Authenticate=f'Bearer realm="{location}"')
    with pytest.raises(ImageForbidden, match="169"):
        registry(stranger).resolve(shop(stranger))


def test_redirects_without_end_are_given_up(stranger):
    stranger.say("GET", "/v2/team/shop/manifests/1", 307, Location="/v2/team/shop/manifests/1")
    with pytest.raises(RegistryUnreachable, match="without end"):
        registry(stranger).resolve(shop(stranger))
