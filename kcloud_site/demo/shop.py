"""The demo's shop: four applications of retail with their releases, running in dev, test and prod.

Everything through the services the console uses. Run again, it goes on with what is missing: what is healthy stays,
what is at work is waited for, what failed is let in and deployed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from apps.models import App, Deployment, Pin, Release, Workload
from apps.samples import shop
from apps.services import apps, deployments, releases
from clusters.models import Environment
from kcloud_site.operations.models import Operation
from kcloud_site.tenants.models import Tenant, User

TENANT, STAGES = "retail", ("dev", "test", "prod")
# Of the page customers see; the rest runs once.
REPLICAS = {(shop.WEB, "prod"): 2}
NOTES = {
    shop.TAG: "First version",
    shop.NEXT_TAG: "The same with another number: for trying an update",
    shop.BAD_TAG: "Never starts: for seeing the last good release come back",
}
Say = Callable[[str, float | None], None]
Wait = Callable[[Operation, Say], None]


def make_shop(*, by: User, say: Say, wait: Wait) -> None:
    """Register, publish, deploy what is not there yet. `wait(operation, say)` follows one to its end."""
    tenant = Tenant.objects.get(name=TENANT)
    found = {sample.name: _app(sample, tenant, by) for sample in shop.APPS}
    for app in found.values():
        _publish(app, by)
    environments = list(Environment.objects.filter(tenant=tenant, name__in=STAGES).select_related("cluster"))
    # Asked for at once and in order: the workers take what others need first.
    asked = [
        (app, environment, _deployed(app, environment, by))
        for app in found.values()
        for environment in sorted(environments, key=lambda each: STAGES.index(each.name))
    ]
    for number, (app, environment, deployment) in enumerate(asked):
        say(f"{app.name} in {environment.name}", number / len(asked))
        if deployment is not None and deployment.operation_id is not None:
            wait(Operation.objects.get(pk=deployment.operation_id), say)


def pages(url: str) -> Iterator[str]:
    """The pages of the shop's front, one for each environment."""
    for stage in STAGES:
        yield f"{url}/tenants/{TENANT}/apps/{shop.WEB}/in/{stage}/"


def _app(sample: shop.SampleApp, tenant: Tenant, by: User) -> App:
    known = App.objects.filter(tenant=tenant, name=sample.name).first()
    return known or apps.register_app(
        tenant=tenant,
        name=sample.name,
        by=by,
        title=sample.title,
        description=sample.description,
        criticality=sample.criticality,
        reload=sample.reload,
        labels={"shop": sample.image.removeprefix("shop-")},
    )


def _publish(app: App, by: User) -> None:
    tags = shop.TAGS if app.name in (shop.WEB, shop.API) else (shop.TAG,)
    for tag in tags:
        if not app.releases.filter(version=tag).exists():
            spec = shop.spec(app.name, tag)
            releases.publish_release(app=app, version=tag, spec=spec, by=by, notes=NOTES[tag])


def _deployed(app: App, environment: Environment, by: User) -> Deployment | None:
    """The deployment to wait for; None when it runs already."""
    workload = Workload.objects.filter(app=app, environment=environment).first()
    if workload is not None:
        if workload.state == Workload.State.UPDATING:
            return workload.deployments.order_by("-number").first()
        if workload.release_id is not None and workload.state != Workload.State.DOWN:
            return None
        for pin in Pin.objects.filter(workload=workload, release__version=shop.TAG, lifted_at__isnull=True):
            deployments.lift_pin(pin=pin, by=by)
    return deployments.deploy_release(
        app=app,
        environment=environment,
        release=Release.objects.get(app=app, version=shop.TAG),
        by=by,
        replicas=REPLICAS.get((app.name, environment.name), 1),
        note="make demo",
    )
