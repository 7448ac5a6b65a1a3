"""manage.py bundle build|verify|list: the offline release bundles. Translates only; clusters/bundle/ does the work."""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clusters.bundle import catalogue, listing, locations, signing
from clusters.bundle.assembly import BuildRequest, build
from clusters.bundle.errors import BundleError
from clusters.bundle.preflight import size_text
from clusters.bundle.progress import Progress
from clusters.bundle.verification import verify


class Command(BaseCommand):
    """Build, check and show release bundles."""

    help = "Build, check and show the offline release bundles from which hosts are installed."
    # A bundle is built before there is a database.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="build|verify|list")
        building = actions.add_parser("build", help="Build bundles and sign them with the operator's key.")
        building.add_argument(
            "--version",
            dest="versions",
            action="append",
            metavar="X.Y.Z",
            help=f"Kubernetes version; may be repeated. Known: {', '.join(catalogue.KUBERNETES)}. "
            "Without it: the newest.",
        )
        building.add_argument(
            "--source",
            choices=["modules", "releases"],
            default="modules",
            help="modules: Go modules, compiled here. releases: official release archives, downloaded.",
        )
        building.add_argument(
            "--url",
            dest="urls",
            action="append",
            metavar="[COMPONENT=]URL",
            help="Where release archives lie, for all components (with a folder for each) or for one. "
            "Default: KCLOUD_RELEASES_URL.",
        )
        building.add_argument(
            "--keep-cache", action="store_true", help="Leave the compiler's caches for the next build."
        )
        checking = actions.add_parser("verify", help="Check signature, files and every sha256.")
        checking.add_argument(
            "--version",
            dest="versions",
            action="append",
            metavar="X.Y.Z",
            help="Default: every bundle there is.",
        )
        actions.add_parser("list", help="Show the bundles that are here.")

    def handle(self, *args: Any, **options: Any) -> None:
        act = {"build": self._build, "verify": self._verify, "list": self._list}[options["action"]]
        try:
            act(options)
        except BundleError as error:
            raise CommandError(f"{error}\n{error.remedy}") from error

    def _build(self, options: dict[str, Any]) -> None:
        # A stop from outside ends the compilers too, as Ctrl-C does.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            build(self._request(options), now=datetime.now(UTC), progress=Progress(sys.stderr))
        except KeyboardInterrupt as error:
            raise CommandError(
                "Stopped. What was finished is kept: run the same command to continue.", returncode=130
            ) from error
        finally:
            signal.signal(signal.SIGTERM, before)

    def _request(self, options: dict[str, Any]) -> BuildRequest:
        urls = options["urls"] or os.environ.get("KCLOUD_RELEASES_URL", "").split()
        from_releases = options["source"] == "releases"
        if from_releases and not urls:
            raise CommandError(
                "--source releases needs the address of a mirror of the release archives.\n"
                "Give --url https://MIRROR or set KCLOUD_RELEASES_URL."
            )
        if options["urls"] and not from_releases:
            raise CommandError("--url is for --source releases.\nAdd --source releases, or leave --url out.")
        return BuildRequest(
            versions=options["versions"] or [catalogue.KUBERNETES[0]],
            release_urls=urls if from_releases else None,
            keep_cache=options["keep_cache"],
        )

    def _verify(self, options: dict[str, Any]) -> None:
        keys = signing.trusted_keys()
        root = locations.bundles_root()
        versions = options["versions"] or [row.directory.name for row in listing.bundles(root, keys)]
        if not versions:
            raise CommandError(f"There is no bundle in {root}.\nBuild one: manage.py bundle build")
        for version in versions:
            report = verify(root / version, keys)
            files = len(report.manifest.files)
            self.stdout.write(
                f"{version}: {files} files, {size_text(report.size)}, every byte as signed by {report.key_id}"
            )

    def _list(self, options: dict[str, Any]) -> None:
        rows = listing.bundles(locations.bundles_root(), signing.trusted_keys())
        if not rows:
            self.stdout.write(f"No bundle in {locations.bundles_root()}. Build one: manage.py bundle build")
        for row in rows:
            state = row.problem or "signature valid"
            self.stdout.write(
                f"{row.version}  {size_text(row.size)}  {row.created_at}  {state}  {row.directory}"
            )
            for component in row.components:
                self.stdout.write(f"    {component}")
