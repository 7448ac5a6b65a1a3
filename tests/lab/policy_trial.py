"""Carries the matrix of policies out on a deployed cluster: pods, their answers, and what is seen of them."""

import base64
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lab.policy_matrix import (
    DNS,
    NODE_PORT,
    PODS,
    PORT,
    Case,
    Probe,
    expected,
    node_of,
    objects,
    places,
)
from tests.operations import processes

PROBE = Path(__file__).with_name("policy_probe.py").read_text(encoding="utf-8")
# From the API's answer until every node's agent has heard of it.
SETTLING = 10.0
On = Callable[[str, str], str]


class Trial:
    """The pods of the matrix on these nodes. `on(host, command)` runs a command there as root."""

    def __init__(self, client, on: On, nodes: dict[str, str], dns_address: str) -> None:
        self._client, self._on = client, on
        self.nodes, self._addresses, self._dns = sorted(nodes), nodes, dns_address
        self._pods: dict[str, dict] = {}

    def start(self) -> None:
        for obj in objects(self.nodes):
            self._client.apply(obj)
        processes.until(self._all_run, 60)
        for node in self.nodes:
            self._write(node)
            plan = json.dumps(self._plan(node))
            self._on(node, f"systemd-run --unit=policy-answers python3 /run/policy_probe.py serve '{plan}'")

    def end(self) -> None:
        for node in self.nodes:
            self._on(node, "systemctl stop policy-answers; rm -f /run/policy_probe.py")
        for space in PODS:
            self._client.delete(f"/api/v1/namespaces/{space}")

    def wrong(self, case: Case) -> dict[Probe, str]:
        """What is seen other than expected once the case's policies have settled; {} when all is right."""
        with self.under(case):
            until = time.monotonic() + SETTLING
            while found := self._differences(case):
                if time.monotonic() > until:
                    return found
            return {}

    @contextlib.contextmanager
    def under(self, case: Case) -> Iterator[None]:
        """The case's policies are there, and no others of the matrix."""
        applied = [self._client.apply(policy) for policy in case.policies]
        try:
            yield
        finally:
            for policy in applied:
                space, name = policy["metadata"]["namespace"], policy["metadata"]["name"]
                path = f"/apis/networking.k8s.io/v1/namespaces/{space}/networkpolicies/{name}"
                self._client.delete(path)

    def reach(self, source: str, target: str, protocol: str = "TCP") -> bool:
        """Whether one place reaches another now."""
        probe = Probe(source, target, protocol)
        return self.seen([probe])[probe] == self._right(probe)

    def seen(self, wanted: list[Probe]) -> dict[Probe, str]:
        """Every answer, "" for none; all nodes ask at the same time."""
        sources = {node_of(probe.source) for probe in wanted}
        with ThreadPoolExecutor(len(sources)) as pool:
            answers = pool.map(lambda node: self._ask(node, wanted), sorted(sources))
        return {probe: answer for rows in answers for probe, answer in rows.items()}

    def _differences(self, case: Case) -> dict[Probe, str]:
        rules = expected(case, self.nodes)
        seen = self.seen(list(rules))
        return {
            probe: seen[probe] or "silence"
            for probe, passes in rules.items()
            if (seen[probe] == self._right(probe)) != passes
        }

    def _right(self, probe: Probe) -> str:
        if probe.target == DNS:
            return "10.96.0.1"
        return "open" if probe.other == "node" else probe.target

    def _all_run(self) -> bool:
        for place in places(self.nodes):
            space, node, name = place.split("/")
            self._pods[place] = self._client.get(f"/api/v1/namespaces/{space}/pods/{node}-{name}")
        return all(pod["status"].get("phase") == "Running" for pod in self._pods.values())

    def _write(self, node: str) -> None:
        program = base64.b64encode(PROBE.encode()).decode()
        self._on(node, f"echo {program} | base64 -d > /run/policy_probe.py")

    def _plan(self, node: str, wanted: list[Probe] = ()) -> dict:
        pods = {place: self._pods[place] for place in places(self.nodes) if node_of(place) == node}
        targets = {(probe.target, probe.protocol) for probe in wanted}
        return {
            "pods": {place: pod["metadata"]["uid"] for place, pod in pods.items()},
            "port": PORT,
            "targets": [[name, protocol, *self._where(name)] for name, protocol in sorted(targets)],
        }

    def _where(self, target: str) -> tuple[str, int]:
        if target == DNS:
            return self._dns, 53
        if target.startswith("node/"):
            return self._addresses[target.removeprefix("node/")], NODE_PORT
        return self._pods[target]["status"]["podIP"], PORT

    def _ask(self, node: str, wanted: list[Probe]) -> dict[Probe, str]:
        plan = json.dumps(self._plan(node, wanted))
        rows = json.loads(self._on(node, f"python3 /run/policy_probe.py ask '{plan}'"))
        asked = set(wanted)
        found = {Probe(source, target, protocol): answer for source, target, protocol, answer in rows}
        return {probe: answer for probe, answer in found.items() if probe in asked}
