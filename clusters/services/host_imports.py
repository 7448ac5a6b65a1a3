"""Lists of hosts: checked whole, saved whole, then looked at by a worker.

A file with one bad row changes nothing. Saved hosts are NEW until the operation has seen them; those that do not
answer stay, UNREACHABLE with the reason, and Resume looks at them again.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clusters.errors import ValueRefused
from clusters.hosts import files as host_files
from clusters.hosts.files import Format, Known, Row
from clusters.models import Credential, Host, Region
from clusters.services import hosts
from kcloud_site.audit import trail
from kcloud_site.audit.trail import Subject
from kcloud_site.operations import services
from kcloud_site.operations.models import Operation

ENROL_KIND = "clusters.enrol_hosts"


@dataclass(frozen=True)
class Import:
    """What an import made."""

    hosts: Sequence[Host]
    operation: Operation


def check_hosts(
    *, data: bytes, format: Format, region: Region | None = None, credential: Credential | None = None
) -> tuple[Row, ...]:
    """What the file would enrol. `region` and `credential` are for rows that name none. Raises HostFileInvalid."""
    return host_files.parse(data, format, _known(region, credential))


def import_hosts(
    *,
    data: bytes,
    format: Format,
    by: Any,
    region: Region | None = None,
    credential: Credential | None = None,
) -> Import:
    """Enrol every host of the file and have a worker look at them. Raises HostFileInvalid, and ValueRefused when
    somebody took a name or address between the check and the saving; nothing is saved then."""
    rows = check_hosts(data=data, format=format, region=region, credential=credential)
    try:
        with transaction.atomic():
            made = _save(rows)
            for host in made:
                trail.record(by=by, action="host.import", subject=host, after=hosts.shown(host))
            return Import(made, _start(made, by))
    except IntegrityError as error:
        raise ValueRefused(
            "file",
            _("A name or an address of the file was taken a moment ago."),
            "",
            _("Check the file again: it then names the row."),
        ) from error


def _save(rows: Sequence[Row]) -> list[Host]:
    regions = Region.objects.in_bulk(field_name="name")
    credentials = Credential.objects.in_bulk(field_name="name")
    return Host.objects.bulk_create(
        [
            Host(
                name=row.name,
                address=row.address,
                ssh_port=row.ssh_port,
                region=regions[row.region],
                credential=credentials[row.credential],
            )
            for row in rows
        ]
    )


def _start(made: Sequence[Host], by: Any) -> Operation:
    count = len(made)
    title = (
        made[0].name
        if count == 1
        else ngettext("%(count)d host", "%(count)d hosts", count) % {"count": count}
    )
    return services.request_operation(
        kind=ENROL_KIND,
        subject=Subject("clusters.hostimport", uuid.uuid4().hex, title),
        by=by,
        inputs={"hosts": [host.name for host in made]},
    )


def _known(region: Region | None, credential: Credential | None) -> Known:
    enrolled = list(Host.objects.values_list("name", "address", "ssh_port"))
    return Known(
        names=frozenset(name for name, _address, _port in enrolled),
        addresses=frozenset((address, port) for _name, address, port in enrolled),
        regions=frozenset(Region.objects.values_list("name", flat=True)),
        credentials=frozenset(Credential.objects.values_list("name", flat=True)),
        default_region=region.name if region else "",
        default_credential=credential.name if credential else "",
    )
