"""The platform operators' admin in a browser, under the real policy: every list, a page and a question of each."""

import pytest
from django.contrib import admin
from django.urls import reverse

from kcloud_site.tenants.models import User
from tests.admin.things import make

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label_lower)


def address(model, page, *arguments):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_list_and_page_keeps_the_policy(signed_in, live_server, operator, language):
    """`signed_in` fails on any violation, script error or missing file."""
    make(1, operator)
    User.objects.filter(pk=operator.pk).update(language=language)
    assert signed_in.goto(f"{live_server.url}/admin/").status == 200
    for model in MODELS:
        assert signed_in.goto(live_server.url + address(model, "changelist")).status == 200
        pk = model.objects.all()[0].pk
        assert signed_in.goto(live_server.url + address(model, "change", pk)).status == 200


def test_an_action_is_taken_by_mouse_and_told(signed_in, live_server, operator):
    make(1, operator)
    from kcloud_site.tenants.models import Tenant

    signed_in.goto(live_server.url + address(Tenant, "changelist"))
    signed_in.locator(".action-select").first.check()
    signed_in.locator("select[name=action]").select_option("close")
    signed_in.locator("button[name=index]").click()
    signed_in.get_by_label("Why").fill("merged")
    signed_in.locator("input[type=submit]").click()
    assert "Close: Tenant 1" in signed_in.locator(".messagelist").inner_text()
    assert Tenant.objects.get().closed_at is not None
