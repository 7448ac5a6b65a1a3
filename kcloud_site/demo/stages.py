"""The demo's stages, each idempotent: a second `make demo` finds what is there and goes on with what is not.

Everything is done through the services the console uses. Raises DemoFailed with what, why, what to do; an operation
that failed is left as it is, to be read and resumed in the console.
"""

import http.client
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command

from apps.services import log_program, registry_places
from clusters import access
from clusters.lab import hosts as lab
from clusters.models import Cluster, Credential, Host, Region
from clusters.selectors import preflight as preflight_selectors
from clusters.services import (
    bundles,
    credentials,
    deployment,
    hosts,
    kubeconfigs,
    plans,
    preflight,
    regions,
)
from kcloud_site.demo import environments, people, sample, shop
from kcloud_site.demo.processes import LOGS_ADDRESS
from kcloud_site.demo.progress import StageName
from kcloud_site.operations import services as operations
from kcloud_site.operations.models import Operation, State, Step, StepTarget
from kcloud_site.tenants.models import User

VERSION = "1.34.4"
HOSTS, MASTERS, WORKERS = 5, 1, 2
CLUSTER, REGION, CREDENTIAL, LAB = "demo", "lab", "lab-hosts", "demo"

Say = Callable[[str, float | None], None]


class DemoFailed(Exception):
    """A stage did not end well; the text says what, why and what to do."""


@dataclass
class Demo:
    """What the stages hand on to each other."""

    home: Path
    url: str
    operator: User | None = None
    password: str = ""
    token: str = ""
    passwords: dict[str, str] = field(default_factory=dict)
    machines: Any = None

    @property
    def env_file(self) -> Path:
        return self.home / "env"

    @property
    def kubeconfig(self) -> Path:
        return self.home / "kubeconfig"

    @property
    def by(self) -> User:
        assert self.operator is not None
        return self.operator


STAGES = {
    name.key: name
    for name in (
        StageName("portal", "Portal: database and processes", 12),
        StageName("tenants", "Two tenants with their people", 2),
        StageName("bundle", f"Release bundle of Kubernetes {VERSION}", 330),
        StageName("lab", f"Lab: {HOSTS} hosts in containers", 15),
        StageName("enrol", "Enrol the hosts over SSH", 8),
        StageName("plan", "Plan and preflight", 8),
        StageName("deploy", f"Deploy {MASTERS} master and {WORKERS} workers", 45),
        StageName("environments", "Environments of two tenants", 15),
        StageName("sample", "Sample application", 8),
        StageName("shop", "Shop of retail in dev, test and prod", 40),
    )
}


def ensure_operator(demo: Demo) -> None:
    """The demo's platform operator with a password kept in the state folder, and a fresh API token."""
    password_file = demo.home / "operator-password"
    if not password_file.exists():
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(12))
    demo.password = password_file.read_text().strip()
    user, made = User.objects.get_or_create(
        username="operator", defaults={"is_staff": True, "is_superuser": True, "email": ""}
    )
    if made or not user.check_password(demo.password):
        user.set_password(demo.password)
        user.save(update_fields=["password"])
    demo.operator = user


def make_tenants(demo: Demo, say: Say) -> None:
    """Two tenants whose people see only their own."""
    demo.passwords = people.make_tenants(by=demo.by, passwords_file=demo.home / "passwords")


def build_bundle(demo: Demo, say: Say) -> None:
    """Build or find the release bundle, and let the portal verify it."""
    say("checking what is there", None)
    call_command("bundle", "build", "--version", VERSION)
    bundles.refresh_bundles(by=demo.by)


def start_lab(demo: Demo, say: Say) -> None:
    demo.machines = lab.up(name=LAB, hosts=HOSTS, progress=lambda text: say(text, None))
    # Image registry and log store listen on the lab's network, too: on this machine's address in it, nowhere else.
    own = ip_network(demo.machines.subnet)[1]
    registry_places.add_address(f"{own}:{settings.REGISTRY_HOST.rpartition(':')[2]}")
    log_program.add_address(f"{own}:{LOGS_ADDRESS.rpartition(':')[2]}")


def enrol_hosts(demo: Demo, say: Say) -> None:
    """Region, credential and hosts, as an operator would enter them."""
    region = Region.objects.filter(name=REGION).first() or regions.create_region(
        name=REGION, title="Lab", description="Hosts in containers on this machine", by=demo.by
    )
    first = demo.machines.hosts[0]
    key = Path(first.key_path).read_text()
    credential = Credential.objects.filter(name=CREDENTIAL).first() or credentials.create_credential(
        name=CREDENTIAL, username=first.user, kind=Credential.Kind.SSH_KEY, secret=key, by=demo.by
    )
    for number, machine in enumerate(demo.machines.hosts):
        say(machine.name, number / len(demo.machines.hosts))
        if not Host.objects.filter(name=machine.name).exists():
            hosts.enrol_host(
                name=machine.name,
                region=region,
                address=machine.address,
                ssh_port=machine.ssh_port,
                credential=credential,
                by=demo.by,
            )


def plan_cluster(demo: Demo, say: Say) -> None:
    """A plan of one master and two workers; its preflight, with the lab's known warnings accepted on the record."""
    names = [machine.name for machine in demo.machines.hosts]
    cluster = Cluster.objects.filter(name=CLUSTER).first() or plans.create_cluster(
        spec={
            "name": CLUSTER,
            "region": REGION,
            "version": VERSION,
            "masters": names[:MASTERS],
            "pools": [
                {"name": "workers", "hosts": names[MASTERS : MASTERS + WORKERS], "labels": {"tier": "demo"}}
            ],
        },
        by=demo.by,
        note="The demo's cluster",
    )
    if cluster.state != Cluster.State.DRAFT:
        return
    wait_for(preflight.start_preflight(cluster=cluster, by=demo.by), say)
    verdict = preflight_selectors.preflight_verdict(cluster)
    if verdict.blocked:
        raise DemoFailed(
            "The preflight blocks the demo's plan. "
            f"Open {demo.url}/clusters/{CLUSTER}/plan/ to see which check and why."
        )
    if verdict.open_warnings:
        preflight.override_warnings(
            checks=verdict.open_warnings, by=demo.by, reason="Known and harmless in the demo's lab"
        )


def deploy_cluster(demo: Demo, say: Say) -> None:
    cluster = Cluster.objects.get(name=CLUSTER)
    if cluster.state != Cluster.State.READY:
        wait_for(_deploy_operation(cluster, demo), say)
        cluster.refresh_from_db()
    demo.kubeconfig.touch(mode=0o600)
    demo.kubeconfig.write_text(kubeconfigs.issue_kubeconfig(cluster=cluster, by=demo.by, reason="make demo"))


def make_environments(demo: Demo, say: Say) -> None:
    """Two tenants with their environments on the demo's cluster."""
    cluster = Cluster.objects.get(name=CLUSTER)
    environments.make_environments(cluster=cluster, by=demo.by, say=say, wait=wait_for)


def run_shop(demo: Demo, say: Say) -> None:
    """The sample shop as retail's applications, in each of its environments."""
    shop.make_shop(by=demo.by, say=say, wait=wait_for)


def _deploy_operation(cluster: Cluster, demo: Demo) -> Operation:
    """The deployment to wait for: the one at work, the failed one resumed, or a new one."""
    last = Operation.objects.filter(
        kind="clusters.deploy", subject_type="clusters.cluster", subject_id=str(cluster.pk)
    ).first()
    if last and last.is_active:
        return last
    if last and last.state in (State.FAILED, State.CANCELLED):
        return operations.resume_operation(operation=last, by=demo.by)
    return deployment.deploy_cluster(cluster=cluster, by=demo.by, reason="make demo")


def run_sample(demo: Demo, say: Say) -> None:
    """Apply the sample application and see it answer from both workers through its Service."""
    cluster = Cluster.objects.get(name=CLUSTER)
    client = access.kubernetes_for(cluster)
    for item in sample.sample_objects(WORKERS):
        client.apply(item)
    workers = list(cluster.memberships.filter(role="worker").values_list("host__address", flat=True))
    seen: set[str] = set()
    for answer in _answers(workers[0], sample.NODE_PORT, seconds=90):
        seen |= {
            node
            for node in Host.objects.filter(cluster=cluster).values_list("name", flat=True)
            if f'"{node}"' in answer
        }
        say(f"answered from {len(seen)} of {len(workers)} workers", len(seen) / len(workers))
        if len(seen) == len(workers):
            return
    raise DemoFailed(
        f"The sample application answered from {len(seen)} of {len(workers)} workers only. "
        f"See why with: KUBECONFIG={demo.kubeconfig} kubectl -n {sample.NAMESPACE} get pods -o wide"
    )


def write_env(demo: Demo) -> None:
    """`.demo/env`, for scripts: the address, an operator's token, the cluster's kubeconfig, people's passwords."""
    demo.env_file.touch(mode=0o600)
    demo.env_file.write_text(
        f"KCLOUD_URL={demo.url}\nKCLOUD_TOKEN={demo.token}\nKUBECONFIG={demo.kubeconfig}\n"
        + people.as_variables(demo.passwords)
    )


def wait_for(operation: Operation, say: Say) -> None:
    """Follow an operation to its end. Raises DemoFailed, with its own what, why and remedy, unless it succeeds."""
    while True:
        operation.refresh_from_db()
        done = StepTarget.objects.filter(step__operation=operation, state=State.SUCCEEDED).count()
        total = StepTarget.objects.filter(step__operation=operation).count()
        step = (
            Step.objects.filter(operation=operation, state=State.RUNNING)
            .values_list("key", flat=True)
            .first()
        )
        say(step or operation.state, done / total if total else None)
        if operation.state == State.SUCCEEDED:
            return
        if not operation.is_active:
            failure = operation.failure
            raise DemoFailed(
                f"op-{operation.pk} {operation.state}: {failure.get('what', '')} {failure.get('why', '')} "
                f"{failure.get('remedy', '')}\nRun `make demo` again to resume it, or open "
                f"/operations/{operation.pk}/ in the portal."
            )
        time.sleep(0.3)


def _answers(address: str, port: int, *, seconds: float) -> Iterator[str]:
    """The bodies a Service answers with, each over a new connection, for at most `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection = http.client.HTTPConnection(address, port, timeout=2)
        try:
            connection.request("GET", "/", headers={"Accept": "application/json", "Connection": "close"})
            yield connection.getresponse().read(65536).decode(errors="replace")
        except (OSError, http.client.HTTPException):
            time.sleep(0.2)
        finally:
            connection.close()


def portal_ready() -> None:
    """The database is as this version of the code wants it."""
    call_command("migrate", verbosity=0)
