"""Ways to power hosts off: kept for a host or a region, changed, removed. The secret goes in and never comes out.

Raises ValueRefused with the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from clusters.access import fencing_identity
from clusters.errors import ValueRefused
from clusters.healing import fencing
from clusters.healing.fencing import Commands
from clusters.models import FencingMethod, Host, Region
from kcloud_site.audit import trail
from kcloud_site.tenants import encryption

_LONGEST_SECRET = 200


def method_for(host: Host) -> FencingMethod | None:
    """The host's own, else its region's."""
    own = FencingMethod.objects.filter(host=host).first()
    return own or FencingMethod.objects.filter(region_id=host.region_id).first()


def commands_of(method: FencingMethod) -> Commands:
    return Commands(
        method.program,
        tuple(method.off_arguments),
        tuple(method.status_arguments),
        method.off_text,
        method.seconds,
    )


@transaction.atomic
def keep_method(*, of: Host | Region, commands: Commands, mode: str, secret: str, by: Any) -> FencingMethod:
    """The way of a host or region from now on. An empty secret leaves the one that is there."""
    if wrong := fencing.problem(commands, settings.FENCING_PROGRAMS):
        raise _refused(*wrong)
    if len(secret) > _LONGEST_SECRET or any(ord(letter) < 32 for letter in secret):
        raise ValueRefused("secret", _("This cannot be a password."), "", _("Give at most 200 characters."))
    owner = {"host": of} if isinstance(of, Host) else {"region": of}
    method = FencingMethod.objects.filter(**owner).first() or FencingMethod(**owner)
    before = _shown(method) if method.pk else {}
    method.program, method.off_text, method.seconds = commands.program, commands.off_text, commands.seconds
    method.off_arguments, method.status_arguments = list(commands.off), list(commands.status)
    method.mode = FencingMethod.Mode(mode)
    if secret:
        method.sealed_secret = encryption.seal(secret.encode(), identity=fencing_identity(method))
    method.save()
    trail.record(
        by=by,
        action="fencing.keep",
        subject=of,
        before=before,
        after={**_shown(method), "secret_replaced": bool(secret)},
    )
    return method


@transaction.atomic
def remove_method(*, of: Host | Region, by: Any) -> None:
    """From now on a person has to say that a machine is off; a host falls back to its region's way."""
    owner = {"host": of} if isinstance(of, Host) else {"region": of}
    method = FencingMethod.objects.filter(**owner).first()
    if method is not None:
        trail.record(by=by, action="fencing.remove", subject=of, before=_shown(method))
        method.delete()


def _shown(method: FencingMethod) -> Mapping[str, Any]:
    return {
        "program": method.program,
        "off": list(method.off_arguments),
        "status": list(method.status_arguments),
        "off_text": method.off_text,
        "seconds": method.seconds,
        "mode": str(method.mode),
    }


def _refused(field: str, code: str) -> ValueRefused:
    texts = {
        "not-allowed": (
            _("This program is not one that may power machines off."),
            _("Choose one of the list; the portal's administrator names them in KCLOUD_FENCING_PROGRAMS."),
        ),
        "missing": (_("Something is missing here."), _("Give at least one line.")),
        "too-long": (_("These are too many arguments, or one is too long."), _("At most 30 of 200 letters.")),
        "control": (_("Control characters cannot be part of an argument."), _("One argument a line.")),
        "unknown-name": (
            _("Only {host} and {address} stand for something."),
            _("Write one of the two, or leave the braces out."),
        ),
        "range": (_("This is no time for it."), _("Give 5 to 120 seconds.")),
    }
    what, remedy = texts[code]
    return ValueRefused(field, what, "", remedy)
