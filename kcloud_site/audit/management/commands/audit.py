"""manage.py audit verify: read the audit trail from its first event and check every seal."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kcloud_site.audit import trail
from kcloud_site.audit.models import AuditEvent


class Command(BaseCommand):
    help = "Check the audit trail: `audit verify` prints the first event that does not fit, and exits 1."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["verify"])

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = trail.verify()
        if verdict.intact:
            self.stdout.write(f"The audit trail is intact: {verdict.events} events.")
            return
        event = AuditEvent.objects.filter(pk=verdict.broken_id or 0).first()
        what = f"event {event.pk}, {event.at:%Y-%m-%d %H:%M:%S} {event.action}" if event else "the end"
        raise CommandError(
            f"The audit trail is broken at {what}: {verdict.why}. "
            "Compare with a backup of the database to see what was changed."
        )
