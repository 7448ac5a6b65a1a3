"""The kubeconfig reader: takes little, refuses the rest by name, and does nothing else whatever the bytes
say."""

import base64
import contextlib
import ipaddress
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clusters.errors import KubeconfigRefused
from clusters.kubeconfigs import kubeconfig
from clusters.kubeconfigs.rules import RULES, refuse
from kcloud_site.outbound.addresses import AddressRule
from tests.clusters.kube_certificates import client, filled

CORPUS = Path(__file__).parent
EXPECTED = json.loads((CORPUS / "expected.json").read_text())
HOSTILE = sorted((CORPUS / "hostile").iterdir())
GOOD = sorted((CORPUS / "good").iterdir())
OWN = AddressRule(own_networks=(ipaddress.ip_network("198.51.100.0/24"),))


def read(data, rule=OWN):
    """What the import does before it talks to anybody."""
    config = kubeconfig.parse(data)
    kubeconfig.check_address(config, rule)
    return config


def good(name="client-certificate.yaml"):
    return filled((CORPUS / "good" / name).read_bytes())


def test_the_corpus_and_its_expectations_name_the_same_files():
    assert [path.name for path in HOSTILE] == sorted(EXPECTED)
    assert len(HOSTILE) >= 40


def test_every_rule_has_a_file_in_the_corpus_that_breaks_it():
    assert set(RULES) == {code for code, _place in EXPECTED.values()}


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_a_hostile_kubeconfig_is_refused_by_name_and_place(path):
    with pytest.raises(KubeconfigRefused) as caught:
        read(filled(path.read_bytes()))
    assert [caught.value.code, caught.value.field] == EXPECTED[path.name]


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_a_refusal_says_why_and_what_to_do_and_repeats_no_secret(path):
    with pytest.raises(KubeconfigRefused) as caught:
        read(filled(path.read_bytes()))
    assert caught.value.what
    assert caught.value.remedy
    assert "%(" not in str(caught.value)
    key = base64.b64encode(client().key).decode()
    assert key not in str(caught.value)
    assert "secret" not in str(caught.value).lower()


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_plain_kubeconfig_is_taken(path):
    config = read(filled(path.read_bytes()))
    assert config.name == "ctx"
    assert config.server.startswith("https://")
    assert config.certificate_authority.startswith(b"-----BEGIN CERTIFICATE-----")
    assert bool(config.token) != bool(config.client_key)


def test_the_current_context_is_chosen_among_several():
    config = read(good("several-contexts.yaml"))
    assert config.server == "https://203.0.113.10:6443"
    assert config.token == ""


def test_text_around_the_certificates_does_not_pass():
    noisy = (
        b"# include /etc/passwd\n"
        + client().certificate
        + b"\n-----BEGIN JUNK-----\nAAAA\n-----END JUNK-----\n"
    )
    text = good().replace(base64.b64encode(client().certificate), base64.b64encode(noisy))
    assert read(text).client_certificate == client().certificate


def test_what_is_rendered_is_read_back_the_same():
    for path in GOOD:
        config = read(filled(path.read_bytes()))
        assert kubeconfig.parse(kubeconfig.render(config)) == config


def test_the_secrets_stay_out_of_the_representation():
    config = read(good())
    assert "PRIVATE KEY" not in repr(config)
    assert "PRIVATE KEY" not in str(config)


@pytest.mark.parametrize(
    ("url", "rule", "refused"),
    [
        ("https://127.0.0.1:6443", AddressRule(allow_internal=True), False),
        ("https://198.51.100.7", AddressRule(allow_internal=True, own_networks=OWN.own_networks), False),
        ("https://169.254.169.254", AddressRule(allow_internal=True), True),
        ("https://0.0.0.0", AddressRule(allow_internal=True), True),
        ("https://10.1.2.3", OWN, False),
        ("https://cluster.example.com", OWN, False),
    ],
)
def test_internal_addresses_need_an_operators_word_and_metadata_never_gets_it(url, rule, refused):
    config = kubeconfig.Kubeconfig("ctx", url, b"")
    if refused:
        with pytest.raises(KubeconfigRefused) as caught:
            kubeconfig.check_address(config, rule)
        assert caught.value.code == "internal-address"
    else:
        kubeconfig.check_address(config, rule)


# Runs in a process of its own: an audit hook cannot be taken back. It sees every file opened, every process started
# and every socket used from the moment it is set.
WATCHED = """
import json, sys
sys.path.insert(0, sys.argv[1])
from clusters.kubeconfigs import kubeconfig
from kcloud_site.outbound.addresses import AddressRule
from clusters.errors import KubeconfigRefused
import encodings.idna, encodings.punycode, encodings.utf_16, stringprep, linecache, traceback
cases = json.load(sys.stdin)
rule = AddressRule()
try:
    kubeconfig.check_address(kubeconfig.parse(bytes.fromhex(cases["warm up"])), rule)
except KubeconfigRefused:
    raise SystemExit("the warm-up must be taken")
seen = []
quiet = ("open", "os.", "subprocess.", "socket.", "shutil.", "tempfile.", "ctypes.", "import", "exec", "compile")
def watch(event, arguments):
    if event.startswith(quiet):
        seen.append((event, repr(arguments)[:200]))
sys.addaudithook(watch)
answers = {}
for name, data in cases.items():
    before = len(seen)
    try:
        kubeconfig.check_address(kubeconfig.parse(bytes.fromhex(data)), rule)
        answers[name] = ["taken", seen[before:]]
    except KubeconfigRefused as error:
        answers[name] = [error.code, seen[before:]]
after = len(seen)
open("/dev/null").close()
answers["the hook works"] = ["yes", seen[after:]]
print(json.dumps(answers))
"""


def test_reading_starts_no_process_opens_no_file_and_connects_nowhere():
    cases = {"warm up": good().hex()} | {path.name: filled(path.read_bytes()).hex() for path in HOSTILE}
    root = Path(kubeconfig.__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", WATCHED, str(root)],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    answers = json.loads(ran.stdout)
    assert answers.pop("the hook works")[1], "the audit hook saw nothing at all"
    assert set(answers) == set(cases)
    assert {name: seen for name, (_code, seen) in answers.items() if seen} == {}
    assert not Path("/tmp/kubeconfig-was-run").exists()


# --- whatever comes in ---------------------------------------------------------------------------


def only_refuses(data):
    with contextlib.suppress(KubeconfigRefused):
        assert kubeconfig.parse(data).server.startswith("https://")


@given(st.binary(max_size=400))
@example(b"\xef\xbb\xbf---")
@example(b"? ? ? :")
@example(b"%YAML 9.9\n---\n")
@example(b"%FOO\n---\n")
def test_any_bytes_are_taken_or_refused_and_nothing_else(data):
    only_refuses(data)


YAMLISH = st.text(alphabet="abk:-?,[]{}#&*!|>'\"%@`~ \n\t0<\\u\x85\u2028\ufeff\ud800", max_size=80)


@given(YAMLISH)
def test_any_yaml_like_text_is_taken_or_refused_and_nothing_else(text):
    only_refuses(text)


@settings(max_examples=60)
@given(st.data())
def test_a_good_file_with_any_bytes_changed_is_taken_or_refused_and_nothing_else(data):
    body = bytearray(good())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    only_refuses(bytes(body))


VALUES = st.recursive(
    st.text(max_size=8) | st.none() | st.integers(), lambda inner: st.lists(inner, max_size=3)
)
KEYS = st.sampled_from(["exec", "token", "server", "tokenFile", "as", "x", "client-key-data", "proxy-url"])


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_content_in_the_right_frame_is_taken_or_refused_and_nothing_else(cluster, user):
    frame = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    only_refuses(json.dumps(frame))


def test_a_rule_that_does_not_exist_cannot_be_given_as_a_reason():
    with pytest.raises(KeyError):
        refuse("no-such-rule", "")
