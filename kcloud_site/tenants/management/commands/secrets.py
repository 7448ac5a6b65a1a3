"""manage.py secrets verify|rotate: whether every sealed row opens; exchange the master key."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kcloud_site.tenants import encryption
from kcloud_site.tenants.services import master_keys


class Command(BaseCommand):
    help = (
        "Sealed secrets: `secrets verify` opens every sealed row and exits 1 if one does not open; `secrets rotate` "
        "exchanges the master key while the portal runs. Killed, it goes on when it is called again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["verify", "rotate"])
        parser.add_argument("--reason", default="", help="why, for the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "rotate":
            self._rotate(options["reason"])
        self._verify()

    def _rotate(self, reason: str) -> None:
        try:
            done = master_keys.exchange_master_key(by=None, reason=reason)
        except (master_keys.NoNewKey, master_keys.RowsUnreadable) as error:
            raise CommandError(str(error)) from error
        name = encryption.name_of(encryption.keyring().keys[0]).hex()
        self.stdout.write(f"{done} rows sealed anew; the master key is now {name}.")

    def _verify(self) -> None:
        bad: list[str] = []
        for count in master_keys.check_rows():
            bad += count.unreadable
            self.stdout.write(f"{count.column}: {count.rows} sealed, {count.current} by the newest key")
        if bad:
            raise CommandError(str(master_keys.RowsUnreadable(bad)))
        self.stdout.write("Every sealed row opens.")
