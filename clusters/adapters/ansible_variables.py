"""What may be told to Ansible and what may be repeated of its answers. Pure but for gettext.

Variables steer nothing: keys are plain names that do not belong to Ansible, strings are marked so that they are never
read as templates. Private keys and given secrets are blacked out of every answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from clusters.errors import ClusterError

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_BLACK = "[not shown]"


class VariableRefused(ClusterError):
    """A variable must not be told to Ansible."""


def refuse_keys(value: Any, path: str = "") -> None:
    """Raise VariableRefused when a key anywhere inside is not a plain name or belongs to Ansible."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str) or not _KEY.fullmatch(key) or key.lower().startswith("ansible_"):
                raise VariableRefused(
                    _("The variable %(name)s cannot be given to hosts.") % {"name": f"{path}{key!r:.80}"},
                    _(
                        "Names that begin with ansible_ steer Ansible itself; others are letters, digits and . _ / -."
                    ),
                    _("Choose another name."),
                )
            refuse_keys(inner, f"{path}{key}.")
    elif isinstance(value, list | tuple):
        for inner in value:
            refuse_keys(inner, path)


def unsafe(value: Any) -> Any:
    """The same data with every string marked, so that Ansible never reads it as a template."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, Mapping):
        return {key: unsafe(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [unsafe(inner) for inner in value]
    return value


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """The text without private keys and without the given secrets."""
    for secret in secrets:
        text = text.replace(secret, _BLACK)
    return _PEM.sub(_BLACK, text)
