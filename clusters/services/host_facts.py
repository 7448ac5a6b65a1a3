"""What hosts answer: probed, recorded, and gathered as an operation, many hosts in parallel.

`gather_facts` looks at one host now; `start_gathering` asks a worker to. A host that does not answer as it should is
kept, UNREACHABLE with the reason, until it does; its last facts stay readable with their age.
Raises the HostErrors of clusters.errors; ValueRefused when a machine is enrolled already under another name.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, Protocol

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from clusters.access import ssh_for
from clusters.adapters import ssh
from clusters.errors import ClusterError, FactsUnreadable, HostError, ValueRefused
from clusters.hosts import facts as fact_shapes
from clusters.hosts.facts import FactsInvalid, HostFacts
from clusters.models import Host
from kcloud_site.audit import trail
from kcloud_site.operations import services
from kcloud_site.operations.models import Operation

MOST_AT_ONCE = 16
GATHER_KIND = "clusters.gather_facts"


class Progress(Protocol):
    """Who wants to know how gathering goes, host by host; a StepContext is one."""

    def check(self) -> None: ...
    def log(self, text: str, *, target: str = "", level: str = "info") -> int: ...
    def target_started(self, target: str) -> None: ...
    def target_succeeded(self, target: str, outcome: dict[str, Any] | None = None) -> None: ...
    def target_failed(self, target: str, *, what: str, why: str = "", remedy: str = "") -> None: ...


@dataclass(frozen=True)
class Gathered:
    """What one look at a host brought: its key (scanned when none was recorded) and its facts."""

    host_key: str
    facts: HostFacts


def probe(target: ssh.SshTarget) -> HostFacts:
    """The host's facts, now. Raises a HostError."""
    asked_at = time.time()
    answer = ssh.run_script(
        target, fact_shapes.PROBE, timeout=fact_shapes.PROBE_TIMEOUT, limit=fact_shapes.MAX_ANSWER
    )
    try:
        return fact_shapes.parse(answer, asked_at=asked_at, answered_at=time.time())
    except FactsInvalid as error:
        raise FactsUnreadable(
            _("%(host)s gave an answer that cannot be understood.") % {"host": target.label},
            f"{error.field}: {error.why}" if error.field else error.why,
            _("See that python3 on the host is the system's own, and that signing in prints nothing odd."),
            field=error.field,
        ) from error


def start_gathering(*, host: Host, by: Any, reason: str = "") -> Operation:
    """Have a worker look at the host again. Raises SubjectBusy."""
    return services.request_operation(
        kind=GATHER_KIND, subject=host, by=by, inputs={"hosts": [host.name]}, reason=reason
    )


def gather_facts(*, host: Host, by: Any = None) -> HostFacts:
    """Look at the host now and record what was found, also when it is bad; then raises it."""
    try:
        gathered = look_at(ssh_for(host))
        record(host=host, gathered=gathered, by=by)
    except ClusterError as error:
        record_failure(host=host, error=error)
        raise
    return gathered.facts


def gather_many(*, names: Iterable[str], progress: Progress, by: Any = None) -> None:
    """Look at the hosts in parallel, telling `progress` of each as it ends. Threads only talk to hosts; rows are
    written here, so that every write is this worker's own. Ends early when `progress.check` says so."""
    hosts = {
        host.name: host for host in Host.objects.select_related("credential").filter(name__in=list(names))
    }
    for name in names:
        if name not in hosts:
            progress.target_failed(
                name, what=_("The host is not enrolled any more."), remedy=_("Enrol it again if it is meant.")
            )
    with ThreadPoolExecutor(max_workers=MOST_AT_ONCE, thread_name_prefix="gather") as pool:
        try:
            for host, future in _looks(pool, list(hosts.values()), progress):
                _finish(host, future, progress, by)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def look_at(target: ssh.SshTarget) -> Gathered:
    """One look, without the database. A host without a recorded key is taken at its first word."""
    key = target.host_key or ssh.scan_host_key(target.address, target.port)
    return Gathered(key, probe(replace(target, host_key=key)))


def record(*, host: Host, gathered: Gathered, by: Any) -> None:
    """Save what a look brought. Raises ValueRefused when this machine is enrolled under another name."""
    refuse_known_machine(gathered.facts, host)
    with transaction.atomic():
        if host.host_key != gathered.host_key:
            host.host_key = gathered.host_key
            after = {"host_key": ssh.fingerprint(host.host_key)}
            trail.record(by=by, action="host.record_key", subject=host, after=after)
        host.facts, host.facts_at = fact_shapes.as_json(gathered.facts), timezone.now()
        host.state, host.state_reason = Host.State.READY, ""
        host.save(update_fields=["host_key", "facts", "facts_at", "state", "state_reason"])


def record_failure(*, host: Host, error: ClusterError) -> None:
    """Keep why the host is not ready."""
    host.state = Host.State.UNREACHABLE if isinstance(error, HostError) else Host.State.NEW
    host.state_reason = str(error)
    host.save(update_fields=["state", "state_reason"])


def refuse_known_machine(facts: HostFacts, host: Host) -> None:
    """Raise ValueRefused when another host has the same machine-id: one machine twice, or a careless copy."""
    if not facts.machine_id:
        return
    other = Host.objects.filter(facts__machine_id=facts.machine_id).exclude(pk=host.pk).first()
    if other:
        raise ValueRefused(
            "address",
            _("%(name)s has the machine-id of host %(other)s.") % {"name": host.name, "other": other.name},
            _("It is the same machine, or a copy of its disk"),
            _("Give a copy its own: rm /etc/machine-id; systemd-machine-id-setup; then restart it."),
        )


def _looks(
    pool: ThreadPoolExecutor, hosts: list[Host], progress: Progress
) -> Iterator[tuple[Host, Future[Gathered]]]:
    """(host, its ended look) in the order they end. Only as many are begun as run: the rest can still be cancelled."""
    waiting = list(reversed(hosts))
    running: dict[Future[Gathered], Host] = {}
    while waiting or running:
        while waiting and len(running) < MOST_AT_ONCE:
            host = waiting.pop()
            progress.target_started(host.name)
            running[_begin(pool, host)] = host
        ended, _going = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
        for future in ended:
            yield running.pop(future), future
        progress.check()


def _begin(pool: ThreadPoolExecutor, host: Host) -> Future[Gathered]:
    # The secret is opened here: threads have no business with the database.
    return pool.submit(look_at, ssh_for(host))


def _finish(host: Host, future: Future[Gathered], progress: Progress, by: Any) -> None:
    try:
        gathered = future.result()
        record(host=host, gathered=gathered, by=by)
    except ClusterError as error:
        record_failure(host=host, error=error)
        progress.log(str(error), target=host.name, level="error")
        progress.target_failed(host.name, what=error.what, why=error.why, remedy=error.remedy)
        return
    facts = gathered.facts
    said = f"{facts.os_name or facts.os_id}, {facts.cpus} CPU, {facts.memory // 1024**2} MiB, {facts.kernel}"
    progress.log(said, target=host.name)
    progress.target_succeeded(host.name, {"cpus": facts.cpus, "memory": facts.memory})
