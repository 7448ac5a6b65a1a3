"""The images of a bundle: what is in each and how it starts. Every one is a static program run as nobody in particular.

Names have a host part of our own, so that nothing ever looks for them in a registry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from clusters.bundle import catalogue
from clusters.bundle.oci import FORMAT, ImageFile, ImageSettings, write_image
from clusters.bundle.store import Artifact

REGISTRY = "kcloud.local"


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """An image around the one program called `name`."""

    name: str
    version: str
    user: int
    ports: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The full name, as pods and the runtime write it."""
        return f"{REGISTRY}/{self.name}:{self.version}"

    @property
    def recipe(self) -> dict[str, str]:
        """What decides the archive's bytes besides the program."""
        return {"image": repr(self), "image_format": str(FORMAT)}


PAUSE = ImagePlan("pause", catalogue.PAUSE, user=65535)
# Which port it really listens on is the configuration's choice (clusters/manifests/coredns.py).
COREDNS = ImagePlan("coredns", catalogue.COREDNS, user=65532, ports=("1053/tcp", "1053/udp"))
HELLO = ImagePlan("hello", catalogue.HELLO, user=65532, ports=("8080/tcp",), environment={"PORT": "8080"})


def make_image(
    plan: ImagePlan, program: Path, work: Path, *, source: str, licence: str, arch: str
) -> Artifact:
    """Write images/NAME.tar into `work`; `program` is the static binary."""
    target = work / "images" / f"{plan.name}.tar"
    target.parent.mkdir(exist_ok=True)
    files = [
        ImageFile(f"/{plan.name}", program.read_bytes(), 0o755),
        ImageFile("/etc/passwd", f"{plan.name}:x:{plan.user}:{plan.user}::/:/sbin/nologin\n".encode()),
        ImageFile("/etc/group", f"{plan.name}:x:{plan.user}:\n".encode()),
    ]
    labels = {"org.opencontainers.image.version": plan.version, "org.opencontainers.image.licenses": licence}
    settings = ImageSettings(
        name=plan.reference,
        entrypoint=[f"/{plan.name}"],
        user=f"{plan.user}:{plan.user}",
        arch=arch,
        ports=plan.ports,
        environment=plan.environment,
        labels=labels,
    )
    write_image(target, files, settings)
    return Artifact(
        path=f"images/{plan.name}.tar",
        kind="image",
        component=plan.name,
        version=plan.version,
        licence=licence,
        source=source,
    )
