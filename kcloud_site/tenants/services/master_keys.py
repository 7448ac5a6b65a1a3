"""Exchanging the master key, while the portal runs, and looking whether every sealed row opens.

The new key is put before the old one: from then on everything is sealed with the new one, and both open. Then every
sealed row is sealed anew; when all of them open with the new key alone, the old one is taken away. Killed anywhere in
between, both keys are still there and the next call goes on: a row says itself which key sealed it.

A key in a file is exchanged all by itself. Keys that come by KCLOUD_MASTER_KEY are set by whoever starts the portal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from kcloud_site import keyfiles
from kcloud_site.audit import trail
from kcloud_site.tenants import encryption
from kcloud_site.tenants.encryption import Keyring, SecretUnreadable
from kcloud_site.tenants.sealed_columns import SealedColumn, known

_BATCH = 200
# A row that is written again and again while we look at it is tried so often.
_ROUNDS = 5


class NoNewKey(Exception):
    """The keys come from the environment, and there is only one: nothing to exchange it with."""


class RowsUnreadable(Exception):
    """Some rows do not open with the keys there are, so the old key stays. `names` says which rows."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(
            _(
                "%(count)s sealed rows do not open: %(names)s. Give these their secrets again, or set the master key "
                "they were sealed with."
            )
            % {"count": len(names), "names": ", ".join(names[:10])}
        )
        self.names = names


@dataclass(frozen=True)
class Count:
    """Of one column: rows with a secret, how many the newest key sealed, and which do not open."""

    column: str
    rows: int = 0
    current: int = 0
    unreadable: tuple[str, ...] = ()


def check_rows() -> list[Count]:
    """Open every sealed row, and say what was found. Changes nothing."""
    ring = encryption.keyring()
    return [_count(column, ring) for column in known()]


def _count(column: SealedColumn, ring: Keyring) -> Count:
    rows, current, bad = 0, 0, []
    for row in _with_secret(column):
        rows += 1
        current += ring.is_current(column.sealed(row))
        try:
            ring.unseal(column.sealed(row), identity=column.identity(row))
        except SecretUnreadable:
            bad.append(f"{column.name} {row.pk}")
    return Count(column.name, rows, current, tuple(bad))


def _with_secret(column: SealedColumn) -> Iterator[Any]:
    """Rows in the order of their keys, a batch at a time, so that no query stays open while rows are written."""
    last: Any = None
    while True:
        rows = column.rows() if last is None else column.rows().filter(pk__gt=last)
        batch = list(rows[:_BATCH])
        yield from (row for row in batch if column.sealed(row))
        if len(batch) < _BATCH:
            return
        last = batch[-1].pk


def exchange_master_key(*, by: Any, reason: str = "") -> int:
    """Seal everything anew with a new master key, then take the old one away; answers how many rows that were.

    Raises NoNewKey, or RowsUnreadable with the old key still in place.
    """
    ring = _begin()
    done = _seal_anew(ring)
    bad = [name for count in check_rows() for name in count.unreadable]
    if bad:
        raise RowsUnreadable(bad)
    _end(ring)
    # What a process sealed with the old key just before, and saved only now.
    done += _seal_anew(ring)
    trail.record(
        by=by,
        action="master_key.exchange",
        subject=trail.Subject("tenants.masterkey", encryption.name_of(ring.keys[0]).hex(), "master key"),
        before={"keys": [encryption.name_of(key).hex() for key in ring.keys[1:]]},
        after={"keys": [encryption.name_of(ring.keys[0]).hex()], "rows sealed anew": done},
        reason=reason,
    )
    return done


def _begin() -> Keyring:
    """Both keys, the new one first. An exchange that was begun is gone on with."""
    ring = encryption.keyring()
    if len(ring.keys) > 1:
        return ring
    if settings.MASTER_KEY:
        raise NoNewKey(
            _(
                "The master key comes from KCLOUD_MASTER_KEY. Put a new one there and the present one into "
                "KCLOUD_MASTER_KEY_OLD, restart every process of the portal, and call this again."
            )
        )
    keys = keyfiles.read_keys(settings.MASTER_KEY_FILE)
    keyfiles.write_keys(settings.MASTER_KEY_FILE, [keyfiles.new_key(), *keys])
    return encryption.keyring()


def _end(ring: Keyring) -> None:
    """Leave the new key alone; keys of the environment are left to whoever set them."""
    if not settings.MASTER_KEY:
        keys = keyfiles.read_keys(settings.MASTER_KEY_FILE)
        keyfiles.write_keys(settings.MASTER_KEY_FILE, keys[:1])


def _seal_anew(ring: Keyring) -> int:
    """Rows that another key sealed; until there are none."""
    total = 0
    for _round in range(_ROUNDS):
        done = sum(_seal_row(column, row, ring) for column in known() for row in _with_secret(column))
        total += done
        if not done:
            break
    return total


def _seal_row(column: SealedColumn, row: Any, ring: Keyring) -> bool:
    """Whether the row was sealed anew. One that does not open is left as it is, for `check_rows` to tell."""
    if ring.is_current(column.sealed(row)):
        return False
    identity = column.identity(row)
    try:
        plain = ring.unseal(column.sealed(row), identity=identity)
    except SecretUnreadable:
        return False
    return column.replace(row, ring.seal(plain, identity=identity))
