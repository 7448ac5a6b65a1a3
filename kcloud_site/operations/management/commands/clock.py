"""manage.py clock: the process that keeps time. Start as many as you like; one leads."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from kcloud_site.audit import verification
from kcloud_site.operations import due
from kcloud_site.operations.clock import Clock


class Command(BaseCommand):
    help = "Wake due work and operations whose worker has gone. One clock leads, the others stand by."

    def handle(self, *args: Any, **options: Any) -> None:
        due.ensure_due(name="operations.prune", job="kcloud_site.operations.jobs.prune", every=86_400)
        due.ensure_due(name="tenants.end_grants", job="kcloud_site.tenants.jobs.end_grants", every=60)
        due.ensure_due(
            name="audit.check",
            job="kcloud_site.operations.jobs.check_audit_trail",
            every=verification.EVERY,
        )
        due.ensure_due(name="quotas.loans", job="clusters.jobs.end_loans", every=15)
        due.ensure_due(
            name="sign_in.sessions", job="kcloud_site.sign_in.jobs.forget_ended_sessions", every=86_400
        )
        due.ensure_due(name="quotas.usage", job="clusters.jobs.sample_usage", every=300)
        due.ensure_due(name="requests.pick_up", job="clusters.jobs.pick_up_requests", every=60)
        due.ensure_due(name="apps.healing", job="apps.jobs.heal", every=10)
        due.ensure_due(name="apps.adopted", job="apps.jobs.look_at_adopted", every=30)
        due.ensure_due(name="apps.due_deployments", job="apps.jobs.start_due_deployments", every=10)
        due.ensure_due(name="apps.empty_bin", job="apps.jobs.empty_bin", every=600)
        due.ensure_due(name="api.prune", job="kcloud_site.tenants.jobs.prune_api", every=3600)
        due.ensure_due(name="webhooks.run", job="kcloud_site.webhooks.jobs.run", every=2)
        due.ensure_due(name="webhooks.prune", job="kcloud_site.webhooks.jobs.prune", every=86_400)
        due.ensure_due(name="images.pull_secrets", job="apps.jobs.renew_pull_secrets", every=3600)
        clock = Clock()

        def stop(_number: int, _frame: object) -> None:
            clock.stopping = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        self.stdout.write("clock: started")
        try:
            clock.run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
