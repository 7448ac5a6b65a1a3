"""F11: the hostile corpus, read by the official client and by us: who refuses it, and who acts on it.

"Acts" means that while the file was loaded and one request was made ready, a process was started, a file it names was
opened, or a socket was connected. Each file is loaded in a process of its own, watched by an audit hook that ends the
process before the effect happens, so nothing a file asks for is really done.
"""

import subprocess
import sys
from pathlib import Path

from tests.bench.paired import report
from tests.clusters.kube_certificates import filled

CORPUS = sorted((Path(__file__).parent.parent / "clusters/kubeconfigs/hostile").iterdir())

WATCH = """
import os, sys
path = sys.argv[1]
ready = False
def hook(event, args):
    if not ready:
        return
    usual = (sys.prefix, sys.base_prefix, "/usr", "/tmp")
    named = event == "open" and isinstance(args[0], str) and not args[0].startswith(usual)
    acts = ("subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect", "socket.getaddrinfo")
    if event in acts or named:
        os._exit(7)
sys.addaudithook(hook)
"""
OFFICIAL = (
    WATCH
    + """
import yaml
from kubernetes import client, config
ready = True
try:
    with open(path) as file:
        data = yaml.safe_load(file)
    api = config.new_client_from_config_dict(data)
    client.VersionApi(api).get_code(_request_timeout=2)
except Exception:
    os._exit(3)
os._exit(0)
"""
)
OURS = (
    WATCH
    + """
import ipaddress
from clusters.kubeconfigs import kubeconfig
from kcloud_site.outbound.addresses import AddressRule
from clusters.errors import KubeconfigRefused
data = open(path, "rb").read()
ready = True
try:
    own = AddressRule(own_networks=(ipaddress.ip_network("198.51.100.0/24"),))
    kubeconfig.check_address(kubeconfig.parse(data), own)
except KubeconfigRefused:
    os._exit(3)
os._exit(0)
"""
)
OUTCOMES = {7: "acted", 3: "refused", 0: "accepted"}


def outcome(program, path):
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, timeout=60)
    return OUTCOMES.get(done.returncode, f"broke ({done.returncode})")


def test_f11(tmp_path):
    counts = {"official": {}, "ours": {}}
    for source in CORPUS:
        path = tmp_path / source.name
        path.write_bytes(filled(source.read_bytes()))
        for name, program in (("official", OFFICIAL), ("ours", OURS)):
            result = outcome(program, path)
            counts[name][result] = counts[name].get(result, 0) + 1

    def words(name):
        return ", ".join(f"{result} {count}" for result, count in sorted(counts[name].items()))

    refused = counts["ours"].get("refused", 0)
    report(
        "F11",
        f"{len(CORPUS)} hostile kubeconfigs",
        words("official"),
        words("ours"),
        f"{refused / len(CORPUS):.0%} refused",
    )
    assert sum(counts["ours"].values()) == len(CORPUS)
