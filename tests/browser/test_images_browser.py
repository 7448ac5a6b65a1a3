"""Pages of images in Chromium, over the real registry: pushed as docker does it, looked at, deleted by the name."""

import pytest

from kcloud_site.tenants.models import User
from tests.apps.registry.clients import push, token_of
from tests.apps.registry.conftest import registry, registry_program_path  # noqa: F401
from tests.apps.things import make_app, make_release

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def pushed(registry, tenant, join, tmp_path):  # noqa: F811
    """Two images of one repository, the first of them in a release: the digests."""
    developer = join(tenant, "developer")
    secret = token_of(developer)
    found = [
        push(
            tmp_path,
            f"{registry}/retail/team/shop-front:{number}",
            developer,
            secret,
            content=number.encode(),
        )
        for number in ("1", "2")
    ]
    image = f"{registry}/retail/team/shop-front@{found[0]}"
    make_release(make_app(tenant), "1.0", {"containers": [{"name": "web", "image": image}]})
    return found


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_page_is_sound(pushed, signed_in, live_server, check_page, operator, language):
    User.objects.filter(pk=operator.pk).update(language=language)
    for place in ("", "team/shop-front/", f"team/shop-front/remove/{pushed[0]}/"):
        answer = signed_in.goto(f"{live_server.url}/tenants/retail/apps/images/{place}")
        assert answer.status == 200
        check_page(signed_in)
        assert signed_in.locator("html").get_attribute("lang").startswith("zh" if language != "en" else "en")


def test_an_image_is_deleted_by_the_name_of_its_repository(pushed, signed_in, live_server):
    page = signed_in
    page.goto(f"{live_server.url}/tenants/retail/apps/images/")
    page.get_by_role("link", name="team/shop-front").click()
    assert page.get_by_text("web 1.0").is_visible()
    page.goto(f"{live_server.url}/tenants/retail/apps/images/team/shop-front/remove/{pushed[1]}/")
    page.get_by_label("Type team/shop-front to confirm").fill("team/shop-front")
    page.get_by_role("button", name="Delete the image").click()
    page.wait_for_url("**/apps/images/")
    page.get_by_role("link", name="team/shop-front").click()
    shown = page.locator("main table").first.inner_text()
    assert pushed[0][:19] in shown
    assert pushed[1][:19] not in shown
