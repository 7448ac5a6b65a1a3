"""Keys that live beside the database, never in it.

`read_or_make_key(path)` answers the key in the file, or makes 32 random bytes (base64, mode 0600) when there is none.
Two processes that start together get the same key: the file is linked into place once.
A file may hold several keys, one a line, the newest first, while they are exchanged (`read_keys`, `write_keys`).
"""

import base64
import os
import secrets
import tempfile
from pathlib import Path


def read_or_make_key(path: Path) -> str:
    """The key as base64 text. Raises OSError when the folder cannot be written."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = _draft(path, [new_key()])
        try:
            os.link(draft, path)  # fails, rather than replaces, when another process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def new_key() -> str:
    """32 random bytes as base64 text."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def read_keys(path: Path) -> list[str]:
    """The keys in the file, newest first. Raises OSError when it cannot be read."""
    return path.read_text().split()


def write_keys(path: Path, keys: list[str]) -> None:
    """Replace the file at one stroke: whoever reads meanwhile gets the old keys or the new ones. Raises OSError."""
    draft = _draft(path, keys)
    draft.replace(path)


def _draft(path: Path, keys: list[str]) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mkstemp: mode 0600
    with os.fdopen(handle, "w") as file:
        file.write("\n".join(keys))
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
