"""The reset module, run here as Python: what of a host it takes away, and what it leaves."""

from hypothesis import given
from hypothesis import strategies as st

from tests.clusters.ansible.modules import module

reset = module("kcloud_reset")

RULES = """*nat
:KUBE-SERVICES - [0:0]
:DOCKER_OUTPUT - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
-A POSTROUTING -s 10.244.1.0/24 ! -d 10.244.0.0/16 ! -o cni0 -j MASQUERADE
COMMIT
*mangle
:KCLOUD-POLICY - [0:0]
-A FORWARD -m conntrack ! --ctstate RELATED,ESTABLISHED -j KCLOUD-POLICY
-A KCLOUD-POLICY -i cni0 -j NFQUEUE --queue-num 100
COMMIT
"""


def test_reset_removes_our_packet_rules_and_leaves_those_of_others(monkeypatch):
    restored = {}
    monkeypatch.setattr(
        reset, "run", lambda arguments, *_rest, **_options: RULES if arguments[0] == "iptables-save" else ""
    )
    monkeypatch.setattr(reset, "_restore", lambda program, lines: restored.update({program: lines}))
    assert reset._clear_rules() == ["removed rules of iptables"]
    assert restored["iptables"] == [
        "*nat", ":DOCKER_OUTPUT - [0:0]", "-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT", "COMMIT",
        "*mangle", "COMMIT",
    ]  # fmt: skip


def test_reset_purges_exactly_the_packages_we_brought(monkeypatch):
    asked = []
    monkeypatch.setattr(reset, "run", lambda arguments, *_rest, **_options: asked.append(arguments) or "")
    monkeypatch.setattr(reset.kcloud_packages, "recorded", lambda: ["containerd", "runc", "gone"])
    monkeypatch.setattr(
        reset.kcloud_packages, "installed", lambda: {"containerd": "1", "runc": "1", "vim": "9"}
    )
    assert reset.purge_packages() == ["removed 2 packages"]
    assert asked[-1][-3:] == ["purge", "containerd", "runc"]
    assert "--no-auto-remove" in asked[-1]


@given(path=st.sampled_from(sorted(reset.PATHS)))
def test_reset_removes_only_paths_of_ours(path):
    assert path.count("/") >= 2
    assert path not in ("/etc/apt", "/var/lib/dpkg", "/usr/local/sbin")
