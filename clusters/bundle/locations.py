"""Where bundles, the builder's store and the operator's keys live. Environment in, paths out; nothing is created.

KCLOUD_BUNDLES   finished bundles, one directory per version   (default: KCLOUD_CACHE/bundles)
KCLOUD_CACHE     store of components, compiler cache           (default: ~/.cache/kcloud)
KCLOUD_STATE     the signing key and the trusted public keys   (default: ~/.local/state/kcloud)
"""

from __future__ import annotations

import os
from pathlib import Path


def _place(variable: str, default: Path) -> Path:
    value = os.environ.get(variable, "")
    return Path(value).expanduser() if value else default


def cache_root() -> Path:
    """The folder for everything that can be made again."""
    return _place("KCLOUD_CACHE", Path.home() / ".cache" / "kcloud")


def bundles_root() -> Path:
    """The folder that holds one finished bundle per Kubernetes version."""
    return _place("KCLOUD_BUNDLES", cache_root() / "bundles")


def bundle_directory(version: str) -> Path:
    """The directory of one version's bundle, whether or not it exists."""
    return bundles_root() / version


def store_root() -> Path:
    """The store of built components; beside the bundles, since hard links need one file system."""
    return bundles_root().parent / "bundle-store"


def state_root() -> Path:
    """The folder for the operator's key: losing it means signing the bundles anew."""
    return _place("KCLOUD_STATE", Path.home() / ".local" / "state" / "kcloud")
