"""A small signed bundle, a mirror on loopback, and places that are the test's own."""

import hashlib
import http.server
import io
import tarfile
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clusters.bundle import signing
from clusters.bundle.manifest import MANIFEST, SIGNATURE, Manifest, ManifestFile, encode

CONTENTS = {
    "bin/etcd": (b"store", "binary"),
    "bin/kube-apiserver": (b"api", "binary"),
    "bin/kubectl": (b"client", "binary"),
    "bin/kubelet": (b"agent", "binary"),
    "bin/kube-proxy": (b"balancer", "binary"),
    "debs/bookworm-amd64/Packages": (b"index", "package-index"),
    "debs/bookworm-amd64/runc_1.1.5_amd64.deb": (b"package", "package"),
    "images/pause.tar": (b"image", "image"),
    "licences/etcd.txt": (b"words", "licence"),
}


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Caches, bundles and keys of this test alone."""
    monkeypatch.setenv("KCLOUD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KCLOUD_BUNDLES", str(tmp_path / "cache" / "bundles"))
    monkeypatch.setenv("KCLOUD_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("KCLOUD_RELEASES_URL", raising=False)
    return tmp_path


@pytest.fixture
def key():
    return Ed25519PrivateKey.generate()


@pytest.fixture
def row():
    """Makes a manifest row of a file with this content."""

    def make(path, content=b"bytes", kind="binary", **changes):
        words = {
            "component": "thing",
            "version": "1.0",
            "licence": "Apache-2.0",
            "source": "example.org/thing@v1.0",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        return ManifestFile(path=path, kind=kind, **{**words, **changes})

    return make


@pytest.fixture
def manifest_of():
    """Makes a manifest around these rows."""

    def make(files, version="1.34.4"):
        return Manifest(
            kubernetes_version=version,
            created_at="2026-01-02T03:04:05+00:00",
            os="linux",
            arch="amd64",
            suite="bookworm",
            files=tuple(sorted(files)),
        )

    return make


@pytest.fixture
def write_bundle(key, row, manifest_of):
    """Writes a signed bundle of small files into a directory."""

    def write(directory, contents=CONTENTS, signer=key, version="1.34.4"):
        for path, (content, _) in contents.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(content)
        raw = encode(
            manifest_of([row(path, content, kind) for path, (content, kind) in contents.items()], version)
        )
        (directory / MANIFEST).write_bytes(raw)
        (directory / SIGNATURE).write_bytes(signing.sign(raw, signer))
        return directory

    return write


@pytest.fixture
def bundle(tmp_path, write_bundle):
    """A good bundle, signed with `key`."""
    return write_bundle(tmp_path / "cache" / "bundles" / "1.34.4")


class Mirror:
    """An HTTP server on loopback whose faults a test chooses. `asked` lists (path, Range) of each request."""

    def __init__(self):
        self.files = {}
        self.asked = []
        self.ranges = True
        self.cut_after = []  # for each coming answer: the number of bytes after which the line breaks
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                mirror.answer(self)

            def log_message(self, *args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def answer(self, request):
        wanted = request.headers.get("Range")
        self.asked.append((request.path, wanted))
        content = self.files.get(request.path)
        if content is None:
            request.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if start and start >= len(content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(content)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        rest = content[start:]
        request.send_header("Content-Length", str(len(rest)))
        request.end_headers()
        request.wfile.write(rest[: self.cut_after.pop(0)] if self.cut_after else rest)

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def mirror():
    server = Mirror()
    yield server
    server.close()


@pytest.fixture
def tarball():
    """Makes a .tar.gz of these names and contents."""

    def make(contents):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            for name, content in contents.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return stream.getvalue()

    return make
