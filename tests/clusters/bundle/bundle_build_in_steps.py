"""A build of fake components in a process of its own, for tests that kill it: python FILE ROOT MARKER [SECONDS].

Each component is made by `sh`, which writes a line into MARKER when it starts. The component named "slow" then
waits, so that the test can kill the build in its middle.
"""

import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clusters.bundle.builder import Builder, Target
from clusters.bundle.catalogue import Cost
from clusters.bundle.components import Component
from clusters.bundle.process import Processes
from clusters.bundle.progress import Progress
from clusters.bundle.store import Artifact, Store


def component(name, marker, processes, script=""):
    """A component whose program is written by a shell."""

    def make(work, on_progress):
        on_progress(0.5)
        (work / "bin").mkdir()
        text = f"echo {name} >> {marker}; {script} echo {name} > bin/{name}"
        processes.run(name, ["sh", "-c", text], cwd=work)
        return [Artifact(f"bin/{name}", "binary", name, "1.0", "Apache-2.0", f"{name}@v1.0")]

    return Component(name, {"component": name, "script": "same"}, Cost(1, 0, 10), make)


def build(root, marker, wait):
    """Make a bundle of first, slow and last below `root`."""
    processes = Processes()
    names = {"first": "", "slow": f"sleep {wait};", "last": ""}
    builder = Builder(
        store=Store(root / "bundle-store"),
        bundles=root / "bundles",
        cache=root,
        key=Ed25519PrivateKey.from_private_bytes(b"k" * 32),
        processes=processes,
        progress=Progress(),
        target=Target("linux", "amd64", "bookworm"),
    )
    parts = [component(name, marker, processes, script) for name, script in names.items()]
    return builder.build({"1.34.4": parts}, created_at="2026-01-02T03:04:05+00:00")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
