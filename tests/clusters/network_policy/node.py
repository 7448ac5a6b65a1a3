"""A node in miniature for the policy agent: network namespaces of this machine as the node and its pods.

The agent is the bundle's own program, the kernel is this one, the API server is real; only the kubelet is missing, so
tests say themselves which pod has which address. Needs root. What is made carries the prefix, and goes in the end.
"""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from clusters.deploying import pki
from clusters.manifests import network_policy

PREFIX = f"kc{os.getpid() % 10000}"
NODE, LISTEN, QUEUE = "n1", "127.0.0.1:10251", "100"
# Two processes that test side by side are on two networks.
OUTSIDE, INSIDE = (f"198.18.{os.getpid() % 250}.{host}" for host in (1, 2))
RANGE, CLUSTER, GATEWAY = "10.244.1.0/24", "10.244.0.0/16", "10.244.1.1"
PORT = 7001
_SERVE = """
import socket, threading
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("0.0.0.0", 7001))
def datagrams():
    while True:
        said, sender = u.recvfrom(64); u.sendto(said, sender)
threading.Thread(target=datagrams, daemon=True).start()
def talk(link):
    with link:
        while said := link.recv(64):
            link.sendall(said)
server = socket.create_server(("0.0.0.0", 7001)); print("up", flush=True)
while True:
    threading.Thread(target=talk, args=server.accept()[:1], daemon=True).start()
"""
# Says one word and prints what comes back; the patience in seconds is the fourth word.
_ASK = """
import socket, sys
kind = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}[sys.argv[1]]
with socket.socket(socket.AF_INET, kind) as link:
    link.settimeout(float(sys.argv[4]))
    try:
        link.connect((sys.argv[2], int(sys.argv[3]))); link.send(b"word"); print(link.recv(64).decode())
    except OSError:
        print("")
"""
# Says a word whenever it is told to, on one connection, and prints what comes back.
_TALK = """
import socket, sys
link = socket.create_connection((sys.argv[1], 7001), 5); link.settimeout(0.5)
for line in sys.stdin:
    try:
        link.sendall(b"word"); print(link.recv(64).decode(), flush=True)
    except OSError:
        print("", flush=True)
"""


def run(*arguments, check=True):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def inside(space, *arguments):
    return ["ip", "netns", "exec", space, *arguments]


class MiniatureNode:
    """`plane` is the API server; `program` the agent's."""

    def __init__(self, plane, program, home):
        self.plane, self.client, self._program, self._home = plane, plane.client(), program, home
        self.space, self._pods, self._wired, self._stack = PREFIX, {}, {}, contextlib.ExitStack()
        self.agent, self._count = None, 1

    def __enter__(self):
        try:
            self._network()
            self._objects()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_what):
        self._stack.close()

    def start(self, *more, path=""):
        """The agent, once it says that all is well; `path` is searched for programs first."""
        log = (self._home / "agent.log").open("ab")
        arguments = [
            f"--kubeconfig={self._kubeconfig()}",
            f"--node={NODE}",
            f"--pod-cidr={RANGE}",
            f"--cluster-cidr={CLUSTER}",
            f"--listen={LISTEN}",
            *more,
        ]
        environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}
        command = inside(self.space, self._program, *arguments)
        self.agent = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self._stack.callback(self.stop)
        eventually(lambda: self.health() == "ok", self.log)

    def stop(self):
        """Ended the hard way."""
        self.agent.kill()
        self.agent.wait()

    def health(self):
        code = f"import urllib.request as u; print(u.urlopen('http://{LISTEN}/healthz', timeout=5).read().decode())"
        return run(*inside(self.space, sys.executable, "-c", code), check=False).strip()

    def log(self):
        return (self._home / "agent.log").read_text()[-3000:]

    def pod(self, name, namespace="red", *, known=True, phase="Running"):
        """A pod with an address and something that answers; `known`: whether the API says so already."""
        if namespace not in {each.partition("/")[0] for each in self._pods}:
            self._namespace(namespace)
        # Every pod another address: connections to an earlier one are no matter then.
        self._count += 1
        address = f"10.244.1.{self._count}"
        self._pods[f"{namespace}/{name}"] = address
        self._wire(f"{PREFIX}{self._count}", address)
        self.client.apply(_pod(name, namespace))
        if known:
            self.tell(name, namespace, phase=phase)
        return address

    def tell(self, name, namespace="red", phase="Running"):
        """What a kubelet would say of the pod."""
        address = self._pods[f"{namespace}/{name}"]
        status = {"phase": phase, "podIP": address, "podIPs": [{"ip": address}]}
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
        self._patch(path, {"status": status})

    def ask(self, source, address, protocol="TCP", patience=0.6, port=PORT):
        """Whether the word comes back, asked from the pod at the source address ("" is the node itself)."""
        return self.asking(source, address, protocol, patience, port)() == "word"

    def asking(self, source, address, protocol="TCP", patience=0.6, port=PORT):
        """The same, begun now; call what is answered for the outcome."""
        arguments = (sys.executable, "-c", _ASK, protocol, address, str(port), str(patience))
        process = subprocess.Popen(
            inside(self._space_of(source), *arguments), stdout=subprocess.PIPE, text=True
        )
        return lambda: process.communicate()[0].strip()

    def talking(self, source, address):
        """One connection that is kept: call it to say a word; it answers whether it came back."""
        process = subprocess.Popen(
            inside(self._space_of(source), sys.executable, "-c", _TALK, address),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(process.kill)

        def say():
            process.stdin.write("go\n")
            process.stdin.flush()
            return process.stdout.readline().strip() == "word"

        return say

    def policy(self, namespace, **spec):
        """The only policy of the namespace; without a specification none."""
        path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/p"
        if not spec:
            return self.client.delete(path)
        return self.client.apply(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": "p", "namespace": namespace},
                "spec": {"podSelector": {}, **spec},
            }
        )

    def clear(self):
        """As it was at the beginning, but for the agent."""
        for place in self._pods:
            namespace, _slash, name = place.partition("/")
            self.policy(namespace)
            self.client.delete(f"/api/v1/namespaces/{namespace}/pods/{name}")
        self._pods.clear()

    # --- how it is made ---

    def _space_of(self, address):
        if not address:
            return self.space
        return self._wired[address]

    def _network(self):
        run("ip", "netns", "add", self.space)
        self._stack.callback(run, "ip", "netns", "delete", self.space, check=False)
        run("ip", "link", "add", f"{PREFIX}o", "type", "veth", "peer", "name", "eth0", "netns", self.space)
        run("ip", "address", "add", f"{OUTSIDE}/30", "dev", f"{PREFIX}o")
        run("ip", "link", "set", f"{PREFIX}o", "up")
        for words in (
            ("ip", "address", "add", f"{INSIDE}/30", "dev", "eth0"),
            ("ip", "link", "set", "eth0", "up"),
            ("ip", "link", "set", "lo", "up"),
            ("ip", "link", "add", "cni0", "type", "bridge"),
            ("ip", "address", "add", f"{GATEWAY}/24", "dev", "cni0"),
            ("ip", "link", "set", "cni0", "up"),
            ("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1"),
        ):
            run(*inside(self.space, *words))
        self._serve(self.space)

    def _wire(self, space, address):
        run("ip", "netns", "add", space)
        self._stack.callback(run, "ip", "netns", "delete", space, check=False)
        run(
            "ip",
            "link",
            "add",
            f"v{space}",
            "netns",
            self.space,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            space,
        )
        for words in (
            ("ip", "address", "add", f"{address}/24", "dev", "eth0"),
            ("ip", "link", "set", "eth0", "up"),
            ("ip", "route", "add", "default", "via", GATEWAY),
        ):
            run(*inside(space, *words))
        run(*inside(self.space, "ip", "link", "set", f"v{space}", "master", "cni0", "up"))
        self._wired[address] = space
        self._serve(space)

    def _serve(self, space):
        process = subprocess.Popen(
            inside(space, sys.executable, "-c", _SERVE), stdout=subprocess.PIPE, text=True
        )
        self._stack.callback(process.kill)
        assert process.stdout.readline() == "up\n"

    def _objects(self):
        for obj in network_policy.objects():
            self.client.apply(obj)
        self.client.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})

    def _namespace(self, name):
        self.client.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"colour": name}}}
        )
        self.client.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
        )

    def _kubeconfig(self):
        """The agent's own name and nothing more, by way of a relay into the node's network."""
        pair = self.plane.authority.sign(network_policy.USER)
        relay = self._stack.enter_context(relayed(OUTSIDE, int(self.plane.url.rpartition(":")[2])))
        text = pki.kubeconfig(
            f"https://{OUTSIDE}:{relay}", self.plane.authority.certificate, pair, user=network_policy.USER
        )
        document = json.loads(text)
        document["clusters"][0]["cluster"]["tls-server-name"] = "localhost"
        path = self._home / "agent.conf"
        path.write_text(json.dumps(document))
        return path

    def _patch(self, path, body):
        url = f"{self.plane.url}{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), method="PATCH")
        request.add_header("Content-Type", "application/merge-patch+json")
        with urllib.request.urlopen(request, context=self._context(), timeout=10) as answer:
            answer.read()

    def _context(self):
        paths = {}
        for name in ("certificate", "key"):
            paths[name] = self._home / f"admin.{name}"
            paths[name].write_bytes(getattr(self.plane.sign_in, name))
        context = ssl.create_default_context(cadata=self.plane.authority.certificate.decode())
        context.load_cert_chain(paths["certificate"], paths["key"])
        return context


def _pod(name, namespace):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "nodeName": NODE,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [{"name": "c", "image": "none"}],
        },
    }


@contextlib.contextmanager
def relayed(address, port):
    """A port on the address that leads to the port on loopback."""
    listener = socket.create_server((address, 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                link, _sender = listener.accept()
                other = socket.create_connection(("127.0.0.1", port))
                for one, two in ((link, other), (other, link)):
                    threading.Thread(target=_pour, args=(one, two), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def _pour(one, two):
    with contextlib.suppress(OSError):
        while said := one.recv(65536):
            two.sendall(said)
    for link in (one, two):
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)


def eventually(condition, explain=lambda: "", seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError):
            if condition():
                return
        threading.Event().wait(0.05)
    raise AssertionError(f"it never came true\n{explain()}")
