"""manage.py demo up|down: see kcloud_site.demo."""

import os
import shutil
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from knox.models import get_token_model

from clusters.lab import hosts as lab
from kcloud_site.demo import shop, stages
from kcloud_site.demo.processes import Portal, PortalDown
from kcloud_site.demo.progress import Progress, Times

BIND = os.environ.get("KCLOUD_BIND", "127.0.0.1:8000")


class Command(BaseCommand):
    help = "A portal with a real cluster it deployed itself and a running application."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["up", "down"])
        parser.add_argument("--detach", action="store_true", help="return when everything is ready")

    def handle(self, *args: Any, **options: Any) -> None:
        portal = Portal(settings.HOME, BIND)
        if options["action"] == "down":
            self.down(portal)
        else:
            self.up(portal, detach=options["detach"])

    def up(self, portal: Portal, *, detach: bool) -> None:
        demo = stages.Demo(home=settings.HOME, url=portal.url)
        times = Times(Path.home() / ".cache/kcloud/demo-times.json")
        progress = Progress(list(stages.STAGES.values()), times, sys.stdout)
        try:
            self.start_portal(portal, demo, progress)
            for key, run in {
                "tenants": stages.make_tenants,
                "bundle": stages.build_bundle,
                "lab": stages.start_lab,
                "enrol": stages.enrol_hosts,
                "plan": stages.plan_cluster,
                "deploy": stages.deploy_cluster,
                "environments": stages.make_environments,
                "sample": stages.run_sample,
                "shop": stages.run_shop,
            }.items():
                progress.begin(stages.STAGES[key])
                run(demo, progress.say)
                progress.end()
        except KeyboardInterrupt:
            raise CommandError(
                "Interrupted. `make demo` goes on from here; `make demo-stop` removes all."
            ) from None
        except (stages.DemoFailed, PortalDown) as error:
            raise CommandError(str(error)) from error
        stages.write_env(demo)
        self.stdout.write(self.farewell(demo, detach))
        if not detach:
            self.stay(portal)

    def start_portal(self, portal: Portal, demo: stages.Demo, progress: Progress) -> None:
        progress.begin(stages.STAGES["portal"])
        stages.portal_ready()
        stages.ensure_operator(demo)
        # One token at a time: the file of an earlier run stops being valid when a new one is written.
        get_token_model().objects.filter(user=demo.by).delete()
        demo.token = get_token_model().objects.create(user=demo.by)[1]
        portal.start()
        portal.wait_until_answering(say=lambda text: progress.say(text, None))
        progress.end()

    def stay(self, portal: Portal) -> None:
        self.stdout.write("Ctrl-C stops the portal; the cluster goes on. `make demo-stop` removes all.")
        try:
            portal.wait()
        except KeyboardInterrupt:
            portal.stop()

    def down(self, portal: Portal) -> None:
        stopped = portal.stop()
        lab.down(name=stages.LAB)
        shutil.rmtree(settings.HOME, ignore_errors=True)
        self.stdout.write("Portal stopped, lab and state removed." if stopped else "Lab and state removed.")

    def farewell(self, demo: stages.Demo, detach: bool) -> str:
        owners = [name for name in demo.passwords if name.endswith("-owner")]
        tenants = "   ".join(f"{name} / {demo.passwords[name]}" for name in owners)
        shop_pages = "\n             ".join(shop.pages(demo.url))
        return f"""
KCloud is ready.

  Address    {demo.url}
  Sign in    operator / {demo.password}
  Tenants    {tenants}
  Shop       {shop_pages}
  Files      {demo.env_file} (address, token, kubeconfig, everybody's passwords)

Three things to try
  1. Watch how it was deployed: {demo.url}/operations/
  2. See the shop in three environments: {demo.url}/tenants/{shop.TENANT}/apps/
  3. Break a host and resume: follow docs/tour.md
{chr(10) + "Stop it with: make demo-stop" if detach else ""}"""
