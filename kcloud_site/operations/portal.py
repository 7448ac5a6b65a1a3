"""Which portal this process belongs to: a random name, made once and kept in the portal's database.

The same for all processes of one portal on every machine, whatever they call the database and whichever key they sign
with; another for every other portal. Whoever copies a database to run a second portal from it deletes the copy's row
(`Portal`): the next process makes a new name.
"""

import secrets

from kcloud_site.operations.models import Portal

_ONLY = 1


def identity() -> str:
    """The portal's name: 32 hexadecimal digits. Two processes that ask first at the same time get the same."""
    row = Portal.objects.filter(pk=_ONLY).first()
    if row is None:
        Portal.objects.bulk_create([Portal(pk=_ONLY, identity=secrets.token_hex(16))], ignore_conflicts=True)
        row = Portal.objects.get(pk=_ONLY)
    return row.identity
