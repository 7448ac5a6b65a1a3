"""How a tenant signs in at other registries: kept, replaced, removed. Passwords go in here and never come out.

The portal uses it to fix tags by their digest, the environments' nodes to pull: after each change a worker writes their
Secrets anew. Raises ValueRefused (with the field).
"""

from __future__ import annotations

import logging
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.access import seal_password
from apps.errors import ValueRefused
from apps.models import RegistryCredential
from apps.specs.images import BUNDLED_HOST, ReferenceInvalid, parse_reference
from kcloud_site.audit import trail
from kcloud_site.operations import queue
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.permissions import check

RIGHT = "registry.manage"
MOST, LONGEST_NAME, LONGEST_PASSWORD, LONGEST_AUTHORITY, MOST_CERTIFICATES = 50, 255, 8192, 64_000, 20
_JOB = "apps.jobs.renew_pull_secrets"
_log = logging.getLogger(__name__)


@transaction.atomic
def add_credential(
    *, tenant: Tenant, host: str, by: Any, username: str = "", password: str = "", authority: str = ""
) -> RegistryCredential:
    """Keep how to sign in at `host`, whom to trust there (PEM), or both."""
    check(by, RIGHT, tenant)
    name = _host(host)
    if RegistryCredential.objects.filter(tenant=tenant).count() >= MOST:
        raise ValueRefused("host", _("At most %(most)s are possible here.") % {"most": MOST})
    made = RegistryCredential(tenant=tenant, host=name, changed_by=trail.Actor.of(by).name)
    made.username, made.authority = _username(username), _authority(authority)
    _refuse_halves(made.username, password, made.authority)
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError as error:
        raise ValueRefused(
            "host",
            _("There is one for %(host)s already.") % {"host": name},
            "",
            _("Replace that one, or remove it first."),
        ) from error
    seal_password(made, password)
    trail.record(by=by, action="registry_credential.add", subject=made, after=_told(made))
    _tell_environments(tenant)
    return made


@transaction.atomic
def replace_credential(
    *, credential: RegistryCredential, by: Any, username: str = "", password: str = "", authority: str = ""
) -> RegistryCredential:
    """Another name, password or authority. An empty password keeps the one there is, for the same name only."""
    check(by, RIGHT, credential)
    before, name = _told(credential), _username(username)
    keeps = bool(name and name == credential.username and not password and credential.sealed)
    credential.authority = _authority(authority)
    if not keeps:
        _refuse_halves(name, password, credential.authority)
        seal_password(credential, password)
    credential.username, credential.changed_by = name, trail.Actor.of(by).name
    credential.edition += 1
    credential.save(update_fields=["username", "authority", "edition", "changed_by", "changed_at"])
    after = {**_told(credential), "password": "kept" if keeps else "replaced"}
    trail.record(by=by, action="registry_credential.replace", subject=credential, before=before, after=after)
    _tell_environments(credential.tenant)
    return credential


@transaction.atomic
def remove_credential(*, credential: RegistryCredential, by: Any) -> None:
    """Forget it. What runs goes on; what has to be pulled anew is pulled without it."""
    check(by, RIGHT, credential)
    trail.record(by=by, action="registry_credential.remove", subject=credential, before=_told(credential))
    tenant = credential.tenant
    credential.delete()
    _tell_environments(tenant)


def certificates_of(text: str) -> list[x509.Certificate]:
    """The certificates of a PEM text. Raises ValueError for a text that holds none."""
    return x509.load_pem_x509_certificates(text.encode())


def _host(text: str) -> str:
    fix = _(
        "Write the part of the image's name before the first slash, as ghcr.io or harbor.example.com:8443."
    )
    given = text.strip().lower().removeprefix("https://").rstrip("/")
    try:
        found = parse_reference(f"{given}/x/y:1").host
    except ReferenceInvalid as error:
        raise ValueRefused("host", _("This is not the name of a registry."), "", fix) from error
    if given not in (found, "index.docker.io"):
        raise ValueRefused("host", _("This is not the name of a registry."), "", fix)
    if found in (settings.REGISTRY_HOST, BUNDLED_HOST):
        why = _("The platform signs in at its own registry by itself.")
        raise ValueRefused("host", _("This is the platform's own registry."), why)
    return found


def _username(text: str) -> str:
    name = text.strip()
    if len(name) > LONGEST_NAME or ":" in name or not name.isprintable():
        raise ValueRefused(
            "username", _("This is not a user name."), "", _("Leave out colons and line ends.")
        )
    return name


def _refuse_halves(username: str, password: str, authority: str) -> None:
    if username and not password:
        raise ValueRefused("password", _("This name needs its password or token."))
    if password and not username:
        raise ValueRefused("username", _("This password needs its user name."))
    if len(password) > LONGEST_PASSWORD or not password.isprintable():
        raise ValueRefused("password", _("This is not a password."), "", _("Leave out line ends."))
    if not username and not authority:
        raise ValueRefused("username", _("Give a user name with its password, or an authority, or both."))


def _authority(text: str) -> str:
    """The certificates as they were understood, written anew: text around them stays behind."""
    if not text.strip():
        return ""
    fix = _("Paste the registry's CA certificate: -----BEGIN CERTIFICATE----- and what follows.")
    try:
        found = certificates_of(text) if len(text) <= LONGEST_AUTHORITY else []
    except ValueError as error:
        raise ValueRefused("authority", _("This is not a certificate."), "", fix) from error
    if not 0 < len(found) <= MOST_CERTIFICATES:
        raise ValueRefused("authority", _("This is not a certificate."), "", fix)
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in found)


def _told(credential: RegistryCredential) -> dict[str, Any]:
    return {
        "host": credential.host,
        "username": credential.username,
        "authority": [each.subject.rfc4514_string() for each in certificates_of(credential.authority)]
        if credential.authority
        else [],
    }


def _tell_environments(tenant: Tenant) -> None:
    """Have a worker write the environments' Secrets anew; should none be woken, the clock does within the hour."""
    transaction.on_commit(lambda: _wake(tenant.pk), robust=True)


def _wake(tenant: int) -> None:
    try:
        queue.wake_job(f"images.pull_secrets.{tenant}", _JOB, {"tenant": tenant})
    except Exception:
        _log.exception("no worker can be woken for the pull secrets of tenant %s; the clock will", tenant)
