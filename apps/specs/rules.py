"""Rules that hold between the parts of a spec: names once, references that lead somewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apps.specs.spec import Spec
from clusters.problems import Problem
from clusters.problems import gettext_noop as _


def cross_problems(spec: Spec) -> Iterator[Problem]:
    """Everything that is wrong between the parts; nothing for a good spec."""
    yield from _twice("containers", "name", [each.name for each in spec.containers])
    yield from _twice("volumes", "name", [each.name for each in spec.volumes])
    yield from _ports(spec)
    yield from _mounts(spec)
    yield from _service(spec)
    yield from _claims(spec)


def _twice(path: str, field: str, names: Iterable[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            text = _("The name “%(name)s” is there twice.")
            yield Problem(
                f"{path}.{index}.{field}", "twice", text, _("Give each its own name."), {"name": name}
            )
        seen.add(name)


def _ports(spec: Spec) -> Iterator[Problem]:
    names: set[str] = set()
    numbers: set[tuple[int, str]] = set()
    for at, container in enumerate(spec.containers):
        for index, port in enumerate(container.ports):
            path = f"containers.{at}.ports.{index}"
            if port.name in names:
                text = _("The name “%(name)s” is there twice.")
                yield Problem(
                    f"{path}.name", "twice", text, _("Give each its own name."), {"name": port.name}
                )
            if (port.port, port.protocol) in numbers:
                # The containers of a pod share one address.
                text = _("Port %(port)s is there twice; the containers of a pod share one address.")
                yield Problem(f"{path}.port", "twice", text, _("Choose another port."), {"port": port.port})
            names.add(port.name)
            numbers.add((port.port, port.protocol))


def _mounts(spec: Spec) -> Iterator[Problem]:
    volumes = {volume.name for volume in spec.volumes}
    for at, container in enumerate(spec.containers):
        paths: set[str] = set()
        if spec.configuration and spec.configuration.path:
            paths.add(spec.configuration.path)
        for index, mount in enumerate(container.mounts):
            path = f"containers.{at}.mounts.{index}"
            if mount.volume not in volumes:
                text, fix = _("There is no volume “%(name)s”."), _("Add it to the volumes of the release.")
                yield Problem(f"{path}.volume", "unknown", text, fix, {"name": mount.volume})
            if mount.path in paths:
                text = _("Something else is mounted at %(path)s already.")
                yield Problem(
                    f"{path}.path", "twice", text, _("Choose another folder."), {"path": mount.path}
                )
            paths.add(mount.path)


def _service(spec: Spec) -> Iterator[Problem]:
    if spec.service is None:
        return
    yield from _twice("service.ports", "name", [each.name for each in spec.service.ports])
    for index, port in enumerate(spec.service.ports):
        if port.target not in spec.ports:
            text = _("No container has a port called “%(name)s”.")
            fix = _("Name one of: %(known)s.") if spec.ports else _("Give a container a port first.")
            facts = {"name": port.target, "known": ", ".join(sorted(spec.ports))}
            yield Problem(f"service.ports.{index}.target", "unknown", text, fix, facts)


def _claims(spec: Spec) -> Iterator[Problem]:
    if spec.kind == "Deployment" and spec.keeps_data:
        text = _(
            "A Deployment's pods would share one claim, and the next pod would wait for the last to let go of it."
        )
        fix = _("Choose StatefulSet for what keeps data, or an empty volume for what does not.")
        yield Problem("kind", "claim-in-deployment", text, fix)
