"""Where things of applications stand, for whoever tells of them (kcloud_site/webhooks/places.py)."""

from __future__ import annotations

from apps.models import App, Release
from kcloud_site.webhooks.places import Place, Thing


def of_workloads(things: list[Thing]) -> dict[str, Place]:
    """By their names ("retail-dev/web"), which say all of it: one that is gone is placed as well."""
    found = {}
    for thing in things:
        namespace, _slash, app = thing.name.partition("/")
        environment = namespace.removeprefix(f"{thing.tenant}-")
        found[thing.id] = Place(app, environment, ("apps:workload", thing.tenant, app, environment))
    return found


def of_revisions(things: list[Thing]) -> dict[str, Place]:
    """Of configuration: "retail-dev/web r7"."""
    found = {}
    for thing in things:
        name, _space, _number = thing.name.rpartition(" r")
        namespace, _slash, app = name.partition("/")
        environment = namespace.removeprefix(f"{thing.tenant}-")
        found[thing.id] = Place(app, environment, ("apps:config", thing.tenant, app, environment))
    return found


def of_releases(things: list[Thing]) -> dict[str, Place]:
    """One question for all; those of an application that was removed have no place any more."""
    rows = Release.objects.filter(pk__in=[int(thing.id) for thing in things])
    tenants = {thing.id: thing.tenant for thing in things}
    return {
        str(pk): Place(app, "", ("apps:release", tenants[str(pk)], app, number))
        for pk, app, number in rows.values_list("pk", "app__name", "number")
    }


def of_requests(things: list[Thing]) -> dict[str, Place]:
    """For deployments, by their names: "retail-prod/web 1.2"."""
    found = {}
    for thing in things:
        name, _space, _version = thing.name.partition(" ")
        namespace, _slash, app = name.partition("/")
        environment = namespace.removeprefix(f"{thing.tenant}-")
        address = ("apps:approval", thing.tenant, app, environment, int(thing.id))
        found[thing.id] = Place(app, environment, address)
    return found


def of_apps(things: list[Thing]) -> dict[str, Place]:
    """Of one that was removed the name is left."""
    there = set(App.objects.filter(pk__in=[int(thing.id) for thing in things]).values_list("pk", flat=True))
    return {
        thing.id: Place(
            thing.name,
            "",
            ("apps:detail", thing.tenant, thing.name) if int(thing.id) in there else (),
        )
        for thing in things
    }
