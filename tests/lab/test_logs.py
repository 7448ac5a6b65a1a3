"""Logs and commands on a real cluster: followed, merged over two pods, before a restart; bounds of commands.

One lab of two hosts for the whole file. The shop's web image writes the lines.
"""

from types import SimpleNamespace

import pytest
from django.core.management import call_command

from apps.loglines.query import Query
from apps.models import App, Workload
from apps.selectors.kubernetes_logs import KubernetesLogs, running_containers
from apps.services import commands
from clusters import access
from clusters.bundle import catalogue, locations
from clusters.errors import ClusterError
from clusters.lab import hosts as lab_hosts
from clusters.models import Cluster, Environment
from clusters.services import deployment
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations.models import State
from kcloud_site.tenants.services import tenants
from tests.clusters.environments import ask, give_quota, newest
from tests.databases import using
from tests.lab.test_deploy import VERSION, _enrol, carry_out, planned
from tests.operations.processes import until

pytestmark = pytest.mark.lab
LAB, SUBNET = "t-logs", "172.31.249.0/24"
IMAGE, DNS = "kcloud.local/shop-web:1.0", f"kcloud.local/coredns:{catalogue.COREDNS}"
PODS = "/api/v1/namespaces/retail-dev/pods"
# Counts for ever; ends with an error when a file says so, after last words.
SCRIPT = """
import os, sys, time
n = 0
while True:
    print(os.environ["NAME"], n, flush=True)
    if os.path.exists("/tmp/end"):
        print("ERROR last words", flush=True)
        os.remove("/tmp/end")
        sys.exit(3)
    n += 1
    time.sleep(0.02)
"""


def pod(name, image=IMAGE, command=("/usr/bin/python3.11", "-u", "-c", SCRIPT)):
    container = {
        "name": "app",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "env": [{"name": "NAME", "value": name}],
        "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "10m"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    before = {
        **container,
        "name": "before",
        "image": IMAGE,
        "command": ["/usr/bin/python3.11", "-c", "print('prepared')"],
    }
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [before],
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    metadata = {"name": name, "namespace": "retail-dev", "labels": {"kcloud.local/app": "web"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def site(tmp_path_factory, django_db_setup, django_db_blocker):
    """A portal of its own, a cluster, an environment, and two pods of an application in it."""
    if not (locations.bundle_directory(VERSION) / "manifest.json").exists():
        pytest.skip(f"no release bundle {VERSION}: manage.py bundle build --version {VERSION}")
    folder = tmp_path_factory.mktemp("portal")
    with django_db_blocker.unblock(), using(f"sqlite:///{folder}/portal.sqlite3"):
        call_command("migrate", verbosity=0)
        lab = lab_hosts.up(name=LAB, hosts=2, prefix="l", subnet=SUBNET)
        try:
            site = SimpleNamespace(lab=lab, folder=folder, by=_enrol(lab))
            cluster = planned(site, "shared", ["l1"], ["l2"])
            operation = carry_out(deployment.deploy_cluster(cluster=cluster, by=site.by))
            assert operation.state == State.SUCCEEDED, operation.failure
            tenant = tenants.create_tenant(name="retail", title="Retail", by=site.by)
            give_quota(tenant)
            made = ask(tenant, Cluster.objects.get(name="shared"), by=site.by)
            assert carry_out(newest(made)).state == State.SUCCEEDED
            app = App.objects.create(tenant=tenant, name="web")
            environment = Environment.objects.select_related("cluster", "tenant").get(pk=made.pk)
            site.workload = Workload.objects.create(tenant=tenant, app=app, environment=environment)
            client = access.kubernetes_for(environment)
            for name in ("web-1", "web-2"):
                client.apply(pod(name))
            until(lambda: len(running_containers(site.workload)) == 2, 120)
            yield site
        finally:
            lab_hosts.down(name=LAB)


def counted(lines, name):
    return [int(line.text.split()[1]) for line in lines if line.pod == name and line.text.startswith(name)]


def test_two_pods_are_merged_by_time_and_followed_without_gap_or_double(site):
    store = KubernetesLogs(site.workload)
    page = store.read(Query(limit=50))
    lines = list(page.lines)
    assert {line.pod for line in lines} == {"web-1", "web-2"}

    def enough():
        nonlocal page
        page = store.read(Query(after=page.positions, limit=37, oldest_first=True))
        lines.extend(page.lines)
        return len(counted(lines, "web-1")) > 300 and len(counted(lines, "web-2")) > 300

    until(enough, 60)
    for name in ("web-1", "web-2"):
        numbers = counted(lines, name)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len({line.point for line in lines}) == len(lines)


def test_containers_that_ran_before_have_their_lines(site):
    page = KubernetesLogs(site.workload).read(Query(container="before"))
    assert [line.text for line in page.lines] == ["prepared", "prepared"]


def test_following_over_a_restart_keeps_the_last_words_and_they_are_found_later(site):
    store = KubernetesLogs(site.workload)
    page = store.read(Query(limit=10, pods=("web-1",)))
    lines = list(page.lines)
    ended = run(site, "/usr/bin/python3.11", "-c", "open('/tmp/end', 'w')")
    assert ended.exit_code == 0

    def restarted():
        nonlocal page
        page = store.read(Query(after=page.positions, pods=("web-1",), limit=500, oldest_first=True))
        lines.extend(page.lines)
        texts = [line.text for line in lines]
        return "ERROR last words" in texts and texts[-1].startswith("web-1")

    until(restarted, 60)
    numbers = counted(lines, "web-1")
    again = numbers.index(0, 1)
    assert numbers[:again] == list(range(numbers[0], numbers[0] + again))
    assert numbers[again:] == list(range(len(numbers) - again))
    before = store.read(Query(previous=True, severity="error"))
    assert [line.text for line in before.lines] == ["ERROR last words"]
    assert [each.pod for each in before.unread if each.container == "app"] == ["web-2"]


def run(site, *command, seconds=10, container="app", pod="web-1"):
    return commands.run_command(
        workload=site.workload, pod=pod, container=container, command=command, seconds=seconds, by=None
    )


def processes(site):
    """The command lines of all processes in the container but the one that looks."""
    code = (
        "import glob, os\n"
        "for name in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    if name.split('/')[2] != str(os.getpid()):\n"
        "        print(open(name).read().replace(chr(0), ' '))"
    )
    return run(site, "/usr/bin/python3.11", "-c", code).output


def test_a_command_tells_its_output_and_exit_code_and_is_recorded_without_output(site):
    done = run(site, "/bin/sh", "-c", "echo out; echo err >&2; exit 7")
    assert (sorted(done.output.split()), done.ended, done.exit_code) == (["err", "out"], "exited", 7)
    event = AuditEvent.objects.filter(action="command.run").latest("pk")
    assert (event.after["exit_code"], "out" in event.after) == (7, False)
    assert (
        run(site, "/usr/bin/python3.11", "-c", "print(input())").exit_code == 1
    )  # no input: it ends at once


def test_a_command_is_bounded_in_time_and_size(site):
    slow = run(site, "/usr/bin/python3.11", "-uc", "import time; print('begun'); time.sleep(60)", seconds=2)
    assert (slow.output, slow.ended, slow.exit_code) == ("begun\n", "time", None)
    loud = run(site, "/usr/bin/python3.11", "-c", "print(('x' * 99 + '\\n') * 100000)")
    assert (len(loud.output), loud.ended) == (commands.MOST_OUTPUT, "size")


# Starts a child and does not listen when it is asked to end.
STUBBORN = """
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["/usr/bin/python3.11", "-c", "import time; time.sleep(1234)"])
print("begun", flush=True)
time.sleep(4321)
"""


def test_what_reached_its_bound_is_gone_from_the_container_with_its_children(site):
    slow = run(site, "/usr/bin/python3.11", "-c", STUBBORN, seconds=2)
    assert (slow.output, slow.ended, slow.rest) == ("begun\n", "time", "ended")
    now = processes(site)
    assert SCRIPT.split()[0] in now
    assert "1234" not in now
    assert "4321" not in now
    loud = run(site, "/bin/sh", "-c", "while :; do echo loudly; done")
    assert (loud.ended, loud.rest) == ("size", "ended")
    assert "loudly" not in processes(site)
    assert run(site, "/bin/sh", "-c", "exit 3").rest == ""


def test_in_an_image_without_a_shell_it_is_said_that_a_command_may_go_on(site):
    client = access.kubernetes_for(site.workload.environment)
    bare = pod("bare", DNS, ("/coredns", "-dns.port=5301"))
    client.apply(bare)
    try:
        until(lambda: any("bare" in place for place in running_containers(site.workload)), 60)
        done = run(site, "/coredns", "-dns.port=5302", seconds=2, pod="bare")
        assert (done.ended, done.rest) == ("time", "unable")
        assert "CoreDNS" in done.output
    finally:
        client.delete(f"{PODS}/bare")


def test_a_program_that_is_not_there_and_a_pod_of_something_else_are_told(site):
    missing = run(site, "/no/such/program")
    assert missing.exit_code not in (0,)
    assert missing.ended in ("broken", "exited")
    with pytest.raises(ClusterError):
        run(site, "true", container="before")
