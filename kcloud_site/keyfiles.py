"""Keys that live beside the database, never in it.

`read_or_make_key(path)` answers the key in the file, or makes 32 random bytes (base64, mode 0600) when there is none.
Two processes that start together get the same key: the file is linked into place once and never overwritten.
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
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mkstemp: mode 0600
        draft = Path(name)
        with os.fdopen(handle, "w") as file:
            file.write(base64.b64encode(secrets.token_bytes(32)).decode())
        try:
            os.link(draft, path)  # fails, rather than replaces, when another process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
