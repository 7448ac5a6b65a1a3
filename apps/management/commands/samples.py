"""`manage.py samples push --tenant NAME`: the sample shop's images into the platform's registry."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.errors import ImageForbidden, ImageNotFound, RegistryRefused, RegistryUnreachable
from apps.services import samples
from clusters.bundle import catalogue, locations, shop
from kcloud_site.tenants.models import Tenant, User


class Command(BaseCommand):
    help = "Puts the sample shop's images from the release bundle into a tenant's part of the platform's registry."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["push"])
        parser.add_argument("--tenant", required=True, metavar="NAME")
        parser.add_argument("--by", metavar="USER", default="operator", help="whose doing it is")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(name=options["tenant"]).first()
        by = User.objects.filter(username=options["by"]).first()
        if tenant is None or by is None:
            missing = f"tenant {options['tenant']}" if tenant is None else f"user {options['by']}"
            raise CommandError(f"There is no {missing}.")
        try:
            samples.push_shop(tenant=tenant, archive=self._archive(), by=by, say=self.stdout.write)
        except (ImageForbidden, ImageNotFound, RegistryRefused, RegistryUnreachable) as error:
            raise CommandError(str(error)) from error

    def _archive(self) -> Path:
        for version in catalogue.KUBERNETES:
            path = locations.bundle_directory(version) / shop.ARCHIVE
            if path.exists():
                return path
        raise CommandError("No release bundle has the shop's images: make bundle")
