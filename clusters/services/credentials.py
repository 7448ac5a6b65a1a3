"""How to sign in to hosts: created, its secret replaced, deleted. Secrets go in here and never come out.

`clusters.access` opens them for use. Raises ValueRefused (with the field) and StillInUse.
"""

from __future__ import annotations

import re
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from clusters.access import credential_identity
from clusters.errors import StillInUse, ValueRefused
from clusters.hosts import ssh_keys
from clusters.models import Credential
from kcloud_site.audit import trail
from kcloud_site.tenants import encryption

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?")
_USERNAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_LONGEST_PASSWORD = 1024


def create_credential(*, name: str, username: str, kind: str, secret: str, by: Any) -> Credential:
    """A new credential. `kind` is "ssh-key" (secret: a private key's text) or "password"."""
    name, username = name.strip(), username.strip()
    _check_names(name, username)
    plain, fingerprint = _checked_secret(kind, secret)
    credential = Credential(name=name, username=username, kind=kind, fingerprint=fingerprint)
    credential.sealed_secret = encryption.seal(plain, identity=credential_identity(name))
    try:
        with transaction.atomic():
            credential.save(force_insert=True)
            trail.record(by=by, action="credential.create", subject=credential, after=_shown(credential))
    except IntegrityError as error:
        raise ValueRefused(
            "name",
            _("There is a credential called %(name)s already.") % {"name": name},
            "",
            _("Choose another name, or replace that credential's secret."),
        ) from error
    return credential


def replace_secret(*, credential: Credential, kind: str, secret: str, by: Any) -> Credential:
    """Give a credential another key or password; hosts use it from their next connection on."""
    plain, fingerprint = _checked_secret(kind, secret)
    with transaction.atomic():
        before = _shown(credential)
        credential.kind, credential.fingerprint = kind, fingerprint
        credential.sealed_secret = encryption.seal(plain, identity=credential_identity(credential.name))
        credential.save(update_fields=["kind", "fingerprint", "sealed_secret"])
        after = _shown(credential)
        trail.record(by=by, action="credential.replace", subject=credential, before=before, after=after)
    return credential


def delete_credential(*, credential: Credential, by: Any) -> None:
    """Remove a credential no host signs in with."""
    with transaction.atomic():
        users = list(credential.hosts.values_list("name", flat=True)[:6])
        if users:
            raise StillInUse(
                _("Credential %(name)s cannot be deleted.") % {"name": credential.name},
                _("Hosts sign in with it: %(hosts)s") % {"hosts": _some(users)},
                _("Give them another credential, or delete them first."),
            )
        trail.record(by=by, action="credential.delete", subject=credential, before=_shown(credential))
        credential.delete()


def _check_names(name: str, username: str) -> None:
    if not _NAME.fullmatch(name) or name == "new":
        raise ValueRefused(
            "name",
            _("This cannot be the name of a credential."),
            _("1 to 60 lower case letters, digits and hyphens, not “new”"),
            _("Choose a name like site-key."),
        )
    if not _USERNAME.fullmatch(username):
        raise ValueRefused(
            "username",
            _("This cannot be a user name."),
            _(
                "1 to 32 lower case letters, digits, dots, hyphens and underscores, a letter or underscore first"
            ),
            _("Give the name of the user on the hosts."),
        )


def _checked_secret(kind: str, secret: str) -> tuple[bytes, str]:
    """(what to seal, what may be shown of it)."""
    if kind == Credential.Kind.PASSWORD:
        return _checked_password(secret), ""
    if kind != Credential.Kind.SSH_KEY:
        raise ValueRefused(
            "kind", _("This kind of credential is not known."), "", _("Choose one of the list.")
        )
    try:
        key = ssh_keys.parse(secret)
    except ssh_keys.KeyRefused as error:
        raise _key_refused(error.code) from None  # the cause could carry parts of the key
    return key.private.encode(), key.fingerprint


def _checked_password(secret: str) -> bytes:
    if not secret or len(secret) > _LONGEST_PASSWORD or any(ord(letter) < 32 for letter in secret):
        raise ValueRefused(
            "secret",
            _("This cannot be a password."),
            _("1 to 1 024 characters without line ends or control characters"),
            _("Give the password as it is typed on the host."),
        )
    return secret.encode()


def _key_refused(code: str) -> ValueRefused:
    anew = _("Make one with: ssh-keygen -t ed25519 -N '' -f kcloud, and paste the file kcloud.")
    said = {
        "empty": (_("The private key is missing."), _("Paste the text of the private key file.")),
        "too-long": (_("This is too long for a private key."), _("Paste one private key and nothing else.")),
        "putty": (
            _("This is a key in PuTTY's format."),
            _("In PuTTYgen choose Conversions, Export OpenSSH key, without passphrase; paste that file."),
        ),
        "public": (
            _("This is a public key."),
            _("Paste the private key: the file of the same name without .pub."),
        ),
        "passphrase": (
            _("This key is protected by a passphrase, and nobody is there to type it."),
            _("Make a copy without one (ssh-keygen -p -N '' -f COPY); it is kept encrypted here."),
        ),
        "kind": (_("Hosts do not take this kind of key."), anew),
        "short-rsa": (_("RSA keys below 2 048 bits are not safe."), anew),
    }
    what, remedy = said.get(code, (_("This text is not a private key."), anew))
    return ValueRefused("secret", what, "", remedy)


def _shown(credential: Credential) -> dict[str, str]:
    return {
        "name": credential.name,
        "kind": credential.kind,
        "username": credential.username,
        "fingerprint": credential.fingerprint,
    }


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")
