"""Third-party static files: fetch what package-lock.json pins, copy what the console uses to static/vendor/.

Run again after naming a new icon. Ends with an error when npm fails or an icon does not exist.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from kcloud_site import icons, status

_SOURCE_MAP = re.compile(r"/\*#\s*sourceMappingURL=.*?\*/")
_CODE = ("kcloud_site", "clusters", "apps", "scaling", "stacks")


class Command(BaseCommand):
    help = "Fetch third-party style sheet and icons and copy what is used to static/vendor/."

    def handle(self, *args: Any, **options: Any) -> None:
        root = Path(settings.BASE_DIR)
        if not _is_installed(root):
            _install(root)
        vendor = root / "static" / "vendor"
        vendor.mkdir(parents=True, exist_ok=True)
        css = (root / "node_modules/@tabler/core/dist/css/tabler.min.css").read_text()
        # Its source map is not served, and collecting files with hashed names stops at a reference to a missing file.
        _write(vendor / "tabler.min.css", _SOURCE_MAP.sub("", css))
        used = icons_in_use(root)
        try:
            sprite = icons.cut((root / "node_modules/lucide-static/sprite.svg").read_text(), used)
        except icons.UnknownIcon as error:
            raise CommandError(str(error)) from error
        _write(vendor / "icons.svg", sprite)
        if options["verbosity"] > 0:
            self.stdout.write(f"static/vendor: style sheet and {len(used)} icons")


def _write(path: Path, text: str) -> None:
    """Leave a file that is right alone: its time says whether the served copies are old."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def icons_in_use(root: Path) -> set[str]:
    """Every icon that templates, code or the status vocabulary name."""
    found = {entry.icon for entry in (*status.VOCABULARY, *status.ALIASES.values())}
    for path in _sources(root):
        found |= icons.names_in(path.read_text())
    return found


def _sources(root: Path) -> Iterator[Path]:
    yield from (root / "templates").rglob("*.html")
    for package in _CODE:
        yield from (root / package).rglob("*.py")


def _is_installed(root: Path) -> bool:
    lock = json.loads((root / "package-lock.json").read_text())
    pinned = {name: entry["version"] for name, entry in lock["packages"].items() if name}
    return all(_version(root / name) == version for name, version in pinned.items())


def _version(package: Path) -> str:
    manifest = package / "package.json"
    return json.loads(manifest.read_text())["version"] if manifest.is_file() else ""


def _install(root: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise CommandError(
            "npm was not found. Run `make setup`, which installs Node from PyPI, or install Node."
        )
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(f"npm ci failed ({done.returncode}): {done.stderr.strip()[-2000:]}")
