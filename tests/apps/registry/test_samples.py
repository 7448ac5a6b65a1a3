"""`manage.py samples push`: the shop's images in the tenant's part of the registry, whole and once."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.adapters.registry import Registry
from apps.management.commands import samples as command
from apps.services import images, samples
from apps.specs.images import parse_reference
from clusters.bundle import locations, shop
from clusters.bundle.oci import Image, ImageFile, ImageSettings, digests_in, layer_of, write_archive

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def archive(tmp_path):
    """All of the shop's names around one small layer."""
    layer = layer_of([ImageFile("/app/shop", b"#!/bin/true\n", 0o755)])
    made = [
        Image(ImageSettings(name=name, entrypoint=["/app/shop"], user="10001", labels={"is": name}), [layer])
        for name in shop.references()
    ]
    write_archive(tmp_path / "shop.tar", made, by_digest=True)
    return tmp_path / "shop.tar"


def test_every_image_is_in_the_tenants_part_under_its_tag(registry, tenant, operator, archive):
    said = []
    pushed = samples.push_shop(tenant=tenant, archive=archive, by=operator, say=said.append)
    assert len(pushed) == len(said) == len(shop.references())
    digests = digests_in(archive)
    for tag in ("1.0", "1.1", "bad"):
        reference = parse_reference(f"{registry}/{tenant.name}/shop-web:{tag}")
        assert Registry(images.own_site()).resolve(reference) == digests[f"kcloud.local/shop-web:{tag}"]


def test_a_second_push_changes_nothing(registry, tenant, operator, archive):
    first = samples.push_shop(tenant=tenant, archive=archive, by=operator)
    assert samples.push_shop(tenant=tenant, archive=archive, by=operator) == first


def test_the_command_names_what_is_missing(tenant, operator, archive, tmp_path, monkeypatch):
    with pytest.raises(CommandError, match="no tenant nobody"):
        call_command("samples", "push", "--tenant", "nobody", "--by", operator.username)
    monkeypatch.setattr(locations, "bundle_directory", lambda version: tmp_path / version)
    with pytest.raises(CommandError, match="make bundle"):
        call_command("samples", "push", "--tenant", tenant.name, "--by", operator.username)


def test_the_command_says_where_each_image_is(registry, tenant, operator, archive, monkeypatch):
    monkeypatch.setattr(command.Command, "_archive", lambda self: archive)
    said = StringIO()
    call_command("samples", "push", "--tenant", tenant.name, "--by", operator.username, stdout=said)
    assert f"{registry}/{tenant.name}/shop-db" not in said.getvalue()
    assert f"{registry}/{tenant.name}/shop-postgres:1.0@sha256:" in said.getvalue()
