"""An HTTPS server on loopback that answers however a test tells it to: the API servers one should not
trust."""

import contextlib
import http.server
import ssl
import tempfile
import threading
from pathlib import Path

from clusters.adapters.kubernetes import KubernetesClient, SignIn
from kcloud_site.outbound.addresses import AddressRule
from tests.clusters.kube_certificates import authority, client


class HostileServer:
    """`answer(handler)` is called for every request; `requests` keeps (method, path, headers, body)."""

    def __init__(self, answer, pair=None):
        self.answer = answer
        self.requests = []
        self.release = threading.Event()  # set at the end: whoever hangs on it goes home
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                outer.requests.append((self.command, self.path, dict(self.headers), body))
                with contextlib.suppress(OSError):
                    outer.answer(self)

            do_GET = do_PATCH = do_DELETE = do_POST = serve  # noqa: N815

            def log_message(self, *_arguments):
                """Quiet."""

            def reply(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def stream(self, *lines):
                """Answer as a watch does: lines, then the end of the connection."""
                self.send_response(200)
                self.send_header("Connection", "close")
                self.end_headers()
                for line in lines:
                    self.wfile.write(line + b"\n")
                    self.wfile.flush()
                self.close_connection = True

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_arguments):
                """A client that goes away is what is tested."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.socket = _tls(pair or authority().sign("api")).wrap_socket(
            self.server.socket, server_side=True
        )
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self):
        return f"https://127.0.0.1:{self.server.server_address[1]}"

    def client(self, *more_urls, rule=None, timeout=5.0, token="", **options):
        sign_in = SignIn(authority().certificate, token=token)
        if not token:
            sign_in = SignIn(authority().certificate, client().certificate, client().key)
        rule = rule or AddressRule(allow_internal=True)
        return KubernetesClient([*more_urls, self.url], sign_in, rule, timeout=timeout, **options)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_error):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def _tls(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=authority().certificate.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pair.pem")
        path.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(path)
    return context
