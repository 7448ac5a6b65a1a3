"""What a release runs: its typed form, and the way to and from JSON. Pure.

`apps.specs.reading.parse` makes a Spec of anything a person or program sent and refuses with every problem found.
`as_json` is the one stored form: two equal specs have equal JSON, so releases can be compared. Units: amounts as
Kubernetes writes them ("250m", "64Mi"), times in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

KINDS = ("Deployment", "StatefulSet")
PROBE_TYPES = ("http", "tcp", "grpc", "exec")
PROBE_NAMES = ("startup", "readiness", "liveness")
VOLUME_TYPES = ("empty", "claim")
PROTOCOLS = ("TCP", "UDP")

# Who an image runs as that does not say: Pod Security "restricted" wants a number that is not root's.
DEFAULT_USER = 10001
DEFAULT_GRACE = 30


@dataclass(frozen=True)
class Port:
    """A port the container listens on, with the name Services and probes call it by."""

    name: str
    port: int
    protocol: str = "TCP"


@dataclass(frozen=True)
class Probe:
    """One health check. Times in seconds; `path` is for http, `service` for grpc, `command` for exec."""

    type: str
    port: int = 0
    path: str = ""
    service: str = ""
    command: tuple[str, ...] = ()
    period: int = 10
    timeout: int = 1
    delay: int = 0
    failures: int = 3
    successes: int = 1


@dataclass(frozen=True)
class Mount:
    """Where a container sees a volume of the spec."""

    volume: str
    path: str
    read_only: bool = False


@dataclass(frozen=True)
class Resources:
    """What a container asks for and may use at most: {"cpu": "100m", "memory": "64Mi"}."""

    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Container:
    """One container of the pod; the first is the application itself."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = Resources()
    probes: Mapping[str, Probe] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True)
class Volume:
    """Room for files: "empty" lives as long as the pod, a "claim" outlives it (a StatefulSet's pods have one each)."""

    name: str
    type: str = "empty"
    size: str = ""
    storage_class: str = ""


@dataclass(frozen=True)
class ServicePort:
    """One port of the Service; `target` is the name of a container's port."""

    name: str
    port: int
    target: str


@dataclass(frozen=True)
class Service:
    """How other workloads reach it: by the application's name, on these ports."""

    ports: tuple[ServicePort, ...]
    headless: bool = False


@dataclass(frozen=True)
class Configuration:
    """How the environment's configuration reaches the application: its keys as environment variables, its files (and
    keys) as files below `path`; empty: not as files."""

    environment: bool = True
    path: str = ""


@dataclass(frozen=True)
class Scaling:
    """A hint for whoever scales it: never fewer, never more."""

    min: int = 1
    max: int = 10


@dataclass(frozen=True)
class Spec:
    """What a release runs."""

    containers: tuple[Container, ...]
    kind: Literal["Deployment", "StatefulSet"] | str = "Deployment"
    volumes: tuple[Volume, ...] = ()
    service: Service | None = None
    configuration: Configuration | None = None
    run_as: int = DEFAULT_USER
    group: int | None = None
    grace: int = DEFAULT_GRACE
    scaling: Scaling | None = None

    @property
    def main(self) -> Container:
        """The container that is the application."""
        return self.containers[0]

    @property
    def ports(self) -> dict[str, Port]:
        """Every container's ports, by name."""
        return {port.name: port for container in self.containers for port in container.ports}

    @property
    def keeps_data(self) -> bool:
        """Whether it has volumes that outlive its pods."""
        return any(volume.type == "claim" for volume in self.volumes)


def as_json(spec: Spec) -> dict[str, Any]:
    """The stored form: plain lists and maps, every field written out."""
    made: dict[str, Any] = _plain(asdict(spec))
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
