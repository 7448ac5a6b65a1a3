"""The sample shop's releases: valid, small enough for the demo's shares, honest about how they are well."""

import pytest

from apps.manifests.workload import Place, objects
from apps.samples import shop
from apps.specs.reading import parse
from clusters.bundle import shop as bundled
from kcloud_site.tenants.resources import parse as parse_amount

NAMES = [app.name for app in shop.APPS]
SMALLEST_SHARE = 512 * 2**20  # of memory: the demo's dev and test


def pod_of(name, **more):
    place = Place("retail-dev", name, "retail", "dev", release=1, replicas=1)
    made = objects(parse(shop.spec(name, **more)), place, None)
    (workload,) = [each for each in made if each["kind"] in ("Deployment", "StatefulSet")]
    return workload["spec"]["template"]["spec"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tag", shop.TAGS)
def test_every_release_of_the_shop_can_be_published(name, tag):
    assert parse(shop.spec(name, tag)).service.ports


@pytest.mark.parametrize("name", NAMES)
def test_pods_run_as_nobody_in_particular_with_what_they_need_and_three_probes(name):
    pod = pod_of(name)
    assert pod["securityContext"]["runAsUser"] == bundled.USER
    (container,) = pod["containers"]
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
    assert container["readinessProbe"] != container["livenessProbe"]


def test_every_image_a_release_names_is_in_the_bundle():
    assert set(shop.images()) <= set(bundled.references())


def test_the_shop_fits_into_the_smallest_share_with_one_web_pod_more():
    most = {
        name: parse_amount("memory", pod_of(name)["containers"][0]["resources"]["limits"]["memory"])
        for name in NAMES
    }
    assert sum(most.values()) + most[shop.WEB] <= SMALLEST_SHARE


def test_a_fault_and_another_registry_are_switched_in_the_release():
    (container,) = shop.spec(shop.WEB, shop.BAD_TAG, fault="slow=2", registry="r.example:5000/retail")[
        "containers"
    ]
    assert container["image"] == "r.example:5000/retail/shop-web:bad"
    assert container["environment"]["SHOP_FAULT"] == "slow=2"


def test_what_an_application_needs_is_deployed_before_it():
    seen = set()
    for app in shop.APPS:
        assert set(app.needs) <= seen
        seen.add(app.name)
