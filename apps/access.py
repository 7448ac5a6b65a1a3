"""Opens and seals the secrets of configuration and of other registries: the only place that does.

Secrets are sealed for the row they are in; a new revision that keeps them gets them sealed anew for itself.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from apps.models import ConfigRevision, RegistryCredential
from kcloud_site.tenants import encryption


def secrets_identity(revision: ConfigRevision) -> str:
    """What the secrets of a revision are sealed for."""
    return f"apps.ConfigRevision:{revision.pk}:secrets"


def seal_secrets(revision: ConfigRevision, values: Mapping[str, str]) -> None:
    """Write the values, by name, into the saved row."""
    text = json.dumps(dict(values)).encode()
    revision.sealed = encryption.seal(text, identity=secrets_identity(revision)) if values else b""
    ConfigRevision.objects.filter(pk=revision.pk).update(sealed=revision.sealed)


def open_secrets(revision: ConfigRevision) -> dict[str, str]:
    """The values by name: to make objects of them or to seal them anew, nothing else. Raises SecretUnreadable."""
    if not revision.sealed:
        return {}
    opened: dict[str, str] = json.loads(
        encryption.unseal(bytes(revision.sealed), identity=secrets_identity(revision))
    )
    return opened


def seal_import(text: str, *, app: int, environment: int, person: int) -> str:
    """A text that may hold secrets, to be put into a page and sent back by this person for this place."""
    sealed = encryption.seal(text.encode(), identity=_import_identity(app, environment, person))
    return base64.urlsafe_b64encode(sealed).decode()


def open_import(sealed: str, *, app: int, environment: int, person: int) -> str:
    """The text again. Raises SecretUnreadable when it was sealed for another place or person, or is garbage."""
    try:
        data = base64.urlsafe_b64decode(sealed)
    except ValueError as error:
        raise encryption.SecretUnreadable("What was sent is not what a preview holds.") from error
    return encryption.unseal(data, identity=_import_identity(app, environment, person)).decode()


def _import_identity(app: int, environment: int, person: int) -> str:
    return f"apps.App:{app}:{environment}:{person}:import"


def seal_password(credential: RegistryCredential, password: str) -> None:
    """Write the password into the saved row; "" for none."""
    credential.sealed = encryption.seal(password.encode(), identity=credential.identity) if password else b""
    RegistryCredential.objects.filter(pk=credential.pk).update(sealed=credential.sealed)


def open_password(credential: RegistryCredential) -> str:
    """The password, "" for none: to sign in at that registry, nothing else. Raises SecretUnreadable."""
    if not credential.sealed:
        return ""
    return encryption.unseal(bytes(credential.sealed), identity=credential.identity).decode()
