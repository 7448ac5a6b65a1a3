"""Importing from files: looked at first, made all or nothing."""

import pytest
from django.urls import reverse

from apps.models import App, Release

pytestmark = pytest.mark.django_db
COMPOSE = """
services:
  web: {image: "kcloud.local/shop-web:1.0", ports: ["80:8080"], restart: always}
  db: {image: "kcloud.local/shop-postgres:1.0", privileged: true}
"""
ADDRESS = "apps:import"


@pytest.fixture
def page(client, tenant, join):
    client.force_login(join(tenant, "developer"))
    address = reverse(ADDRESS, args=["retail"])
    return lambda **given: client.post(
        address, {"source": "compose", "version": "1.0", "text": COMPOSE, **given}
    )


def test_first_it_is_only_shown_what_is_understood_and_what_is_not(page):
    answer = page()
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "Kubernetes restarts what ends by itself." in text
    assert "It would be the node&#x27;s administrator." in text
    assert not App.objects.exists()


def test_the_ticked_ones_are_made_with_their_release(page, tenant):
    answer = page(confirm="1", names=["web"])
    assert answer.status_code == 303
    made = Release.objects.get()
    assert (made.app.name, made.version, made.source) == ("web", "1.0", "compose")
    assert page(confirm="1", names=["web"], version="1.1").status_code == 303
    assert Release.objects.count() == 2


@pytest.mark.parametrize("names", [["db"], ["web", "db"], [], ["absent"]])
def test_with_one_that_is_refused_nothing_is_made(page, names):
    assert page(confirm="1", names=names).status_code == 422
    assert not App.objects.exists()


def test_a_version_that_is_taken_leaves_nothing_behind(page):
    page(confirm="1", names=["web"])
    assert page(confirm="1", names=["web"]).status_code == 422
    assert Release.objects.count() == 1


@pytest.mark.parametrize("text", ["", "a: [", "!!python/none x"])
def test_what_is_no_file_is_refused_at_its_field(page, text):
    answer = page(text=text)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.content.decode()


def test_manifests_are_taken_from_an_uploaded_file(page, tmp_path):
    from django.core.files.uploadedfile import SimpleUploadedFile

    text = b"""
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec: {template: {spec: {containers: [{name: api, image: "kcloud.local/shop-api:1.0"}]}}}
"""
    answer = page(source="manifests", text="", file=SimpleUploadedFile("a.yaml", text))
    assert "Can be imported" in answer.content.decode()
