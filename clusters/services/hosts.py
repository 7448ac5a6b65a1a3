"""Hosts as records: enrolled, moved, trusted anew, deleted. How they answer is `host_facts`, lists are `host_imports`.

One host at a time is refused whole when it cannot be reached, signed in to or read: nothing is saved then. Raises
ValueRefused (with the field), the HostErrors of clusters.errors, StillInUse and SubjectBusy.
"""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from clusters.access import ssh_for
from clusters.adapters import ssh
from clusters.errors import HostKeyChanged, StillInUse, ValueRefused
from clusters.hosts import rules as host_rules
from clusters.hosts.facts import as_json
from clusters.models import Credential, Host, Region
from clusters.problems import Problem
from clusters.services import host_facts
from kcloud_site.audit import trail
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.operations.models import Operation


def enrol_host(
    *,
    name: str,
    region: Region,
    address: str,
    credential: Credential,
    by: Any,
    ssh_port: int = host_rules.SSH_PORT,
    expected_host_key: str = "",
) -> Host:
    """Record a machine: its key is scanned (and compared with `expected_host_key`, a fingerprint or the key itself),
    somebody signs in as root and its facts are gathered; then it is saved, ready."""
    _check_values(name, address, ssh_port)
    _check_free(name, address, ssh_port)
    host = Host(name=name, region=region, address=address, ssh_port=ssh_port, credential=credential)
    host.host_key = ssh.scan_host_key(address, ssh_port)
    _check_expected(host.host_key, expected_host_key)
    facts = host_facts.probe(ssh_for(host))
    host_facts.refuse_known_machine(facts, host)
    host.facts, host.facts_at, host.state = as_json(facts), timezone.now(), Host.State.READY
    try:
        with transaction.atomic():
            host.save(force_insert=True)
            trail.record(by=by, action="host.enrol", subject=host, after=shown(host))
    except IntegrityError:
        _check_free(name, address, ssh_port)
        raise
    return host


def revise_host(*, host: Host, region: Region, credential: Credential, by: Any) -> Host:
    """Give a host another region or credential. The region of a cluster's host stays."""
    if host.cluster_id and region.pk != host.region_id:
        raise ValueRefused(
            "region",
            _("%(name)s belongs to cluster %(cluster)s.") % {"name": host.name, "cluster": host.cluster},
            _("A cluster's hosts stay in its region"),
            _("Take the host out of the cluster first."),
        )
    with transaction.atomic():
        before = shown(host)
        host.region, host.credential = region, credential
        after = shown(host)
        if before != after:
            host.save(update_fields=["region", "credential"])
            trail.record(by=by, action="host.revise", subject=host, before=before, after=after)
    return host


def seen_fingerprint(*, host: Host) -> str:
    """The fingerprint of the key the host shows now, trusted or not. Raises HostUnreachable."""
    return ssh.fingerprint(ssh.scan_host_key(host.address, host.ssh_port))


def accept_new_host_key(*, host: Host, fingerprint: str, by: Any) -> Host:
    """Trust the key the host shows now, if it still is the one with this fingerprint, which a person has compared."""
    key = ssh.scan_host_key(host.address, host.ssh_port)
    seen = ssh.fingerprint(key)
    if seen != fingerprint.strip():
        raise HostKeyChanged(
            _("%(name)s shows yet another host key.") % {"name": host.name},
            _("Compared %(compared)s, shown now %(seen)s") % {"compared": fingerprint[:60], "seen": seen},
            _("Two machines may share the address: find out which one answers, then compare again."),
            recorded=ssh.fingerprint(host.host_key),
            seen=seen,
        )
    with transaction.atomic():
        before = {"host_key": ssh.fingerprint(host.host_key)}
        host.host_key, host.state = key, Host.State.NEW
        host.state_reason = _("The host key was accepted anew; the facts are from before.")
        host.save(update_fields=["host_key", "state", "state_reason"])
        trail.record(by=by, action="host.accept_key", subject=host, before=before, after={"host_key": seen})
    return host


def delete_host(*, host: Host, by: Any) -> None:
    """Forget a spare host. Nothing on the machine changes."""
    with transaction.atomic():
        busy = Operation.objects.filter(active_subject=f"clusters.host:{host.pk}").first()
        if busy:
            raise SubjectBusy(
                busy.pk,
                _("%(operation)s is at work on %(name)s. Wait until it has ended, or cancel it.")
                % {"operation": f"op-{busy.pk}", "name": host.name},
            )
        trail.record(by=by, action="host.delete", subject=host, before=shown(host))
        # The condition stands in the DELETE: a deployment that takes the host at this moment keeps it.
        gone, _rows = Host.objects.filter(pk=host.pk, cluster=None, membership=None).delete()
        if not gone:
            host.refresh_from_db()
            raise StillInUse(
                _("Host %(name)s cannot be deleted.") % {"name": host.name},
                _("It belongs to cluster %(cluster)s") % {"cluster": host.cluster or "–"},
                _("Take it out of the cluster first: reset the cluster, or scale it in."),
            )


def shown(host: Host) -> dict[str, Any]:
    """What an audit row says of a host: how it is reached, never with which secret."""
    return {
        "name": host.name,
        "region": host.region.name,
        "address": host.address,
        "ssh_port": host.ssh_port,
        "credential": host.credential.name,
        "host_key": ssh.fingerprint(host.host_key),
    }


def _check_values(name: str, address: str, ssh_port: int) -> None:
    for problem in (
        host_rules.name_problem(name),
        host_rules.address_problem(address),
        host_rules.port_problem(ssh_port),
    ):
        if problem:
            raise refused(problem)


def refused(problem: Problem) -> ValueRefused:
    """The error that says a problem in the reader's language."""
    return ValueRefused(problem.path, problem.message_in(_), "", problem.remedy_in(_))


def _check_free(name: str, address: str, ssh_port: int) -> None:
    if Host.objects.filter(name=name).exists():
        raise ValueRefused(
            "name",
            _("There is a host called %(name)s already.") % {"name": name},
            "",
            _("Choose another name."),
        )
    other = Host.objects.filter(address=address, ssh_port=ssh_port).first()
    if other:
        raise ValueRefused(
            "address",
            _("%(address)s:%(port)d is host %(name)s already.")
            % {"address": address, "port": ssh_port, "name": other.name},
            "",
            _("Correct the address, or use that host."),
        )


def _check_expected(host_key: str, expected: str) -> None:
    wanted = " ".join(expected.split()[:2])
    if ssh.is_host_key(wanted):
        wanted = ssh.fingerprint(wanted)
    seen = ssh.fingerprint(host_key)
    if wanted and wanted.removeprefix("SHA256:") != seen.removeprefix("SHA256:"):
        raise ValueRefused(
            "expected_host_key",
            _("The host shows another key: %(seen)s.") % {"seen": seen},
            _("Either the fingerprint is of another key of the host, or another machine answers"),
            _("Compare on the host: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"),
        )
