"""``manage.py lab up|down|status|ssh``: lab hosts from the command line; clusters.lab does the work."""

import json
import os
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clusters.lab import hosts, plan, ssh
from clusters.lab.errors import LabError


class Command(BaseCommand):
    help = "Lab hosts: machines on this machine, for demo, development and tests."
    requires_system_checks: list[str] = []

    # What follows '--' on the command line: to be run on the host.
    remote: list[str] = []

    def run_from_argv(self, argv: list[str]) -> None:
        """Keep what follows '--' from argparse, which would refuse it after 'HOST --name LAB'."""
        if "--" in argv:
            cut = argv.index("--")
            argv, self.remote = argv[:cut], argv[cut + 1 :]
        super().run_from_argv(argv)

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="up|down|status|ssh")
        up = actions.add_parser("up", help="bring a lab up; run again, it does only what is missing")
        up.add_argument("--hosts", type=int, help=f"how many (default {plan.DEFAULT_HOSTS}, or as it is)")
        up.add_argument("--subnet", help=f"its network (default {plan.DEFAULT_SUBNET}, or the next free one)")
        up.add_argument("--prefix", help=f"host names begin so (default {plan.DEFAULT_PREFIX!r})")
        up.add_argument("--memory", help="limit of each host, as in 2g (default none)")
        up.add_argument("--cpus", type=float, help="limit of each host in cores, as in 1.5 (default none)")
        down = actions.add_parser("down", help="remove a lab and everything it left")
        status = actions.add_parser("status", help="list hosts with address, state and uptime")
        status.add_argument("--json", action="store_true", help="for programs")
        login = actions.add_parser("ssh", help="log in to a host, or run what follows '--' there")
        for one in (up, down, status, login):
            one.add_argument("--name", default=plan.DEFAULT_NAME, help="which lab (default %(default)s)")
        login.add_argument("host", help="its name, as in h1")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            getattr(self, f"_{action}")(**options)
        except LabError as error:
            raise CommandError(str(error)) from error

    def _up(self, *, name: str, **options: Any) -> None:
        wanted = {key: options[key] for key in ("hosts", "subnet", "prefix", "memory", "cpus")}
        lab = hosts.up(name=name, progress=self.stdout.write, **wanted)
        if lab.changes:
            done = f"Lab {lab.name!r} is up: {len(lab.hosts)} hosts on {lab.subnet}."
            self.stdout.write(self.style.SUCCESS(done))
        else:
            self.stdout.write(f"Lab {lab.name!r}: nothing to do, {len(lab.hosts)} hosts are up.")
        for host in lab.hosts:
            self.stdout.write(f"  {host.name:<12} {host.user}@{host.address}")
        self.stdout.write(f"  key: {lab.key_path}")

    def _down(self, *, name: str, **_: Any) -> None:
        if hosts.down(name=name, progress=self.stdout.write):
            self.stdout.write(self.style.SUCCESS(f"Lab {name!r} is removed."))
            return
        others = ", ".join(hosts.names()) or "none"
        self.stdout.write(f"Nothing to do: there is no lab {name!r} (labs here: {others}).")

    def _status(self, *, name: str, json: bool, **_: Any) -> None:
        found = hosts.status(name=name)
        now = datetime.now(UTC)
        if json:
            self.stdout.write(_as_json(name, found))
            return
        self.stdout.write(f"{'HOST':<12} {'ADDRESS':<16} {'STATE':<20} UP FOR")
        for host in found:
            uptime = str(now - host.started_at).split(".")[0] if host.started_at else "-"
            self.stdout.write(f"{host.name:<12} {host.address:<16} {host.state:<20} {uptime}")

    def _ssh(self, *, name: str, host: str, **_: Any) -> None:
        lab = hosts.get(name)
        line = ssh.command(lab, lab.host(host), self.remote)
        self.stdout.flush()
        os.execvp(line[0], line)  # noqa: S606 - the person's own terminal belongs to ssh from here


def _as_json(name: str, found: list[hosts.HostStatus]) -> str:
    rows = [
        {
            "name": host.name,
            "address": host.address,
            "state": host.state,
            "started_at": host.started_at.isoformat() if host.started_at else None,
        }
        for host in found
    ]
    return json.dumps({"lab": name, "hosts": rows}, indent=2)
