"""A real API server with its etcd on loopback, from a release bundle: real answers without a single host."""

import contextlib
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from clusters.adapters.kubernetes import KubernetesClient, SignIn
from clusters.bundle import locations
from clusters.errors import ClusterUnreachable
from clusters.kubeconfigs.kubeconfig import Kubeconfig, render
from kcloud_site.outbound.addresses import AddressRule
from tests.clusters.kube_certificates import Authority

VERSION = "1.34.4"
ANYWHERE = AddressRule(allow_internal=True)


@dataclass
class ControlPlane:
    url: str
    authority: Authority
    sign_in: SignIn
    process: subprocess.Popen

    def client(self, **options):
        return KubernetesClient([self.url], self.sign_in, ANYWHERE, **options)


def binaries():
    """Where the bundle's programs are, or None."""
    folder = locations.bundle_directory(VERSION) / "bin"
    return folder if (folder / "kube-apiserver").exists() and (folder / "etcd").exists() else None


@contextlib.contextmanager
def running(folder):
    """An API server that is ready, ended with everything it wrote."""
    authority = Authority()
    with tempfile.TemporaryDirectory(prefix="control-plane-") as home, contextlib.ExitStack() as stack:
        home = Path(home)
        server = authority.sign("kube-apiserver", names=("localhost", "kubernetes"))
        admin = authority.sign("admin", group="system:masters")
        account = authority.sign("accounts")
        (home / "ca.crt").write_bytes(authority.certificate)
        for name, pair in (("server", server), ("account", account)):
            (home / f"{name}.crt").write_bytes(pair.certificate)
            (home / f"{name}.key").write_bytes(pair.key)
        client, peer, api = free_port(), free_port(), free_port()
        stack.enter_context(program(home, "etcd", _etcd(folder, home, client, peer)))
        process = stack.enter_context(program(home, "kube-apiserver", _api_server(folder, home, client, api)))
        plane = ControlPlane(
            f"https://127.0.0.1:{api}",
            authority,
            SignIn(authority.certificate, admin.certificate, admin.key),
            process,
        )
        wait_until_ready(plane, process, home / "kube-apiserver.log")
        yield plane


@contextlib.contextmanager
def controllers(folder, plane):
    """The controller manager beside it: namespaces go, quotas are counted, accounts are made."""
    with tempfile.TemporaryDirectory(prefix="controllers-") as home, contextlib.ExitStack() as stack:
        config = Kubeconfig(
            name="controllers",
            server=plane.url,
            certificate_authority=plane.sign_in.certificate_authority,
            client_certificate=plane.sign_in.certificate,
            client_key=plane.sign_in.key,
        )
        path = Path(home) / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(render(config))
        command = [
            str(folder / "kube-controller-manager"),
            f"--kubeconfig={path}",
            "--leader-elect=false",
            "--secure-port=0",
            "--controllers=namespace-controller,resourcequota-controller,serviceaccount-controller",
        ]
        stack.enter_context(program(Path(home), "kube-controller-manager", command))
        yield


def wait_until_ready(plane, process, log):
    client = plane.client(timeout=5.0)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(ClusterUnreachable):
            if client.readyz():
                return
        time.sleep(0.2)
    raise AssertionError(f"the API server did not become ready:\n{log.read_text()[-3000:]}")


@contextlib.contextmanager
def program(home, name, command):
    with (home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _etcd(folder, home, client, peer):
    return [
        str(folder / "etcd"),
        f"--data-dir={home / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",
    ]


def _api_server(folder, home, etcd, port):
    return [
        str(folder / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--client-ca-file={home / 'ca.crt'}",
        f"--tls-cert-file={home / 'server.crt'}",
        f"--tls-private-key-file={home / 'server.key'}",
        f"--cert-dir={home}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={home / 'account.crt'}",
        f"--service-account-signing-key-file={home / 'account.key'}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=Node,RBAC",
        "--watch-cache=true",
    ]
