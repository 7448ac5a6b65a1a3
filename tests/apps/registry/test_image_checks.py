"""Whether images can be pulled, asked of the real registry program and of nodes; a preview tells."""

import json

import pytest

from apps.previewing.facts import ABSENT, FORBIDDEN, THERE, UNASKED
from apps.services import image_checks
from apps.services.previewing import preview
from clusters.errors import ClusterUnreachable
from tests.apps.registry.clients import push, token_of
from tests.apps.registry.conftest import free_port
from tests.apps.things import make_app, make_environment, make_release, web_spec

pytestmark = pytest.mark.django_db(transaction=True)
NOWHERE = "sha256:" + "0" * 64


@pytest.fixture
def place(monkeypatch, tenant):
    return make_environment(monkeypatch, tenant)


def asked(place, *images):
    return [(each.state, each.why) for each in image_checks.can_be_pulled(images, environment=place[0])]


def test_a_registry_is_asked_by_digest_and_another_tenants_image_is_not_ones_own(
    registry, tenant, join, tmp_path, place
):
    developer = join(tenant, "developer")
    digest = push(tmp_path, f"{registry}/retail/shop:1", developer, token_of(developer))
    there, absent, foreign = asked(
        place,
        f"{registry}/retail/shop@{digest}",
        f"{registry}/retail/shop@{NOWHERE}",
        f"{registry}/other/shop@{digest}",
    )
    assert there == (THERE, "")
    assert (absent[0], NOWHERE in absent[1]) == (ABSENT, True)
    assert (foreign[0], "no image of tenant retail" in foreign[1]) == (FORBIDDEN, True)


def test_a_preview_of_an_image_that_is_gone_from_the_registry_is_blocked(registry, tenant, join, place):
    app = make_app(tenant)
    release = make_release(app, spec=web_spec(f"{registry}/retail/shop@{NOWHERE}"))
    found = preview(app=app, environment=place[0], release=release)
    (finding,) = [each for each in found.findings if each.problem.code == "image_absent"]
    assert (found.blocked, NOWHERE in finding.problem.message) == (True, True)


def test_a_registry_that_does_not_answer_is_asked_once_and_blocks_nothing(settings, tenant, place):
    silent = f"127.0.0.1:{free_port()}"
    settings.REGISTRY_ADDRESSES, settings.REGISTRY_HOST = [silent], silent
    one, two = asked(place, f"{silent}/retail/a@{NOWHERE}", f"{silent}/retail/b@{NOWHERE}")
    assert (one[0], "does not answer" in one[1]) == (UNASKED, True)
    assert two == one
    app = make_app(tenant)
    release = make_release(app, spec=web_spec(f"{silent}/retail/a@{NOWHERE}"))
    found = preview(app=app, environment=place[0], release=release)
    assert "image_unasked" in {each.problem.code for each in found.findings if each.level == "warn"}
    assert not found.blocked


def test_where_the_portal_may_not_connect_nothing_is_known(place):
    assert asked(place, f"127.0.0.1:{free_port()}/retail/shop@{NOWHERE}")[0][0] == UNASKED


def node(name, *images):
    return {"metadata": {"name": name}, "status": {"images": [{"names": [each]} for each in images]}}


@pytest.mark.parametrize(
    ("nodes", "state"),
    [
        ([node("w1", "kcloud.local/shop:1"), node("w2", "kcloud.local/shop:1")], THERE),
        ([node("w1"), node("w2", "kcloud.local/other:1")], ABSENT),
        ([node("w1", "kcloud.local/shop:1"), node("w2")], UNASKED),
        # A node tells of its largest images only.
        ([node("w1", *(f"other:{number}" for number in range(50)))], UNASKED),
        ([], UNASKED),
        ([{"metadata": 7}], UNASKED),
    ],
)
def test_images_of_the_bundle_are_looked_for_on_nodes(place, nodes, state):
    place[1].raw["/api/v1/nodes"] = json.dumps({"items": nodes}).encode()
    assert asked(place, "kcloud.local/shop:1")[0][0] == state


def test_nodes_that_cannot_be_asked_and_odd_names_break_nothing(place):
    place[1].down = ClusterUnreachable("The cluster does not answer.")
    assert [state for state, _why in asked(place, "kcloud.local/shop:1", "no image")] == [UNASKED, ABSENT]
