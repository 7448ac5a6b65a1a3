"""The release bundles the portal knows: looked for on disk, verified, kept as rows for lists and plans.

`refresh_bundles` reads every byte of what is new or changed since it was verified; what has not changed
(no file's inode was touched since) is believed. A bundle that fails is kept as REFUSED with the reason;
one that is gone, forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from clusters.bundle import signing, verification
from clusters.bundle.errors import BundleError
from clusters.bundle.manifest import MANIFEST, Manifest
from clusters.models import Bundle
from kcloud_site.audit import trail

_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,4}\.[0-9]{1,4}")


def refresh_bundles(*, by: Any = None) -> list[Bundle]:
    """Look through settings.BUNDLES_DIR and bring the rows up to date; audited when a person asked for it."""
    before = {row.version: row.state for row in Bundle.objects.all()}
    found = [refresh_bundle(version=path.name) for path in _directories(Path(settings.BUNDLES_DIR))]
    rows = [row for row in found if row is not None]
    with transaction.atomic():
        Bundle.objects.exclude(version__in=[row.version for row in rows]).delete()
        if by is not None:
            trail.record(
                by=by,
                action="bundle.rescan",
                subject=trail.Subject("clusters.bundle", "all", "release bundles"),
                before=before,
                after={row.version: str(row.state) for row in rows},
            )
    return rows


def refresh_bundle(*, version: str) -> Bundle | None:
    """The row of one version, verified now unless nothing changed since; None when there is no such bundle."""
    directory = Path(settings.BUNDLES_DIR) / version
    if not _VERSION.fullmatch(version) or not directory.is_dir():
        Bundle.objects.filter(version=version).delete()
        return None
    known = Bundle.objects.filter(version=version).first()
    if known and known.state == Bundle.State.VERIFIED and not _touched_since(directory, known.verified_at):
        return known
    began_at = timezone.now()
    fields = {"path": str(directory), "verified_at": began_at, **_judged(directory, version)}
    return Bundle.objects.update_or_create(version=version, defaults=fields)[0]


def _directories(root: Path) -> Iterable[Path]:
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and _VERSION.fullmatch(path.name))


def _touched_since(directory: Path, moment: datetime) -> bool:
    """Whether any inode changed since: the kernel's change time cannot be set by programs."""
    limit = moment.timestamp()
    paths = (directory, *directory.rglob("*"))
    try:
        return any(path.lstat().st_ctime >= limit for path in paths)
    except OSError:
        return True


def _judged(directory: Path, version: str) -> dict[str, Any]:
    try:
        report = verification.verify(directory, signing.trusted_keys(), deep=True)
    except (BundleError, OSError) as error:
        remedy = getattr(error, "remedy", "")
        return _refused(f"{error} {remedy}".strip(), _digest(directory))
    if report.manifest.kubernetes_version != version:
        return _refused(
            f"The manifest is of Kubernetes {report.manifest.kubernetes_version}, the folder is named {version}. "
            "Rename the folder, or build the bundle again.",
            _digest(directory),
        )
    return {
        "state": Bundle.State.VERIFIED,
        "state_reason": "",
        "manifest_sha256": _digest(directory),
        "size": report.size,
        "components": _contents(report.manifest, report.key_id),
    }


def _refused(reason: str, digest: str) -> dict[str, Any]:
    return {
        "state": Bundle.State.REFUSED,
        "state_reason": reason,
        "manifest_sha256": digest,
        "size": 0,
        "components": {},
    }


def _digest(directory: Path) -> str:
    try:
        return verification.sha256_of(directory / MANIFEST)
    except OSError:
        return ""


def _contents(manifest: Manifest, key_id: str) -> dict[str, Any]:
    """What lists show: {"arch", "suite", "created_at", "key", "files", "programs", "components": {name:
    {...}}}.
    """
    components: dict[str, dict[str, Any]] = {}
    for file in manifest.files:
        if file.kind in ("package-index", "licence"):
            continue
        row = components.setdefault(
            file.component,
            {"version": file.version, "licence": file.licence, "kind": file.kind, "size": 0, "files": 0},
        )
        row["size"] += file.size
        row["files"] += 1
    return {
        "arch": manifest.arch,
        "suite": manifest.suite,
        "created_at": manifest.created_at,
        "key": key_id,
        "files": len(manifest.files),
        "programs": sorted(Path(file.path).name for file in manifest.files if file.kind == "binary"),
        "components": components,
    }
