"""What can go wrong with a bundle, named by condition.

Every error carries `remedy`: the sentence that tells the operator what to do next. `str(error)` says what and why.
"""

from __future__ import annotations


class BundleError(Exception):
    """Base of all: `what` says what happened and why, `remedy` what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


class BundleFileError(BundleError):
    """One file of a bundle is not what the manifest says; `file` is its path inside the bundle."""

    def __init__(self, file: str, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.file = file


REBUILD = (
    "Build the bundle again (manage.py bundle build --version VERSION): only what is damaged is made anew."
)


class BundleFileDiffers(BundleFileError):
    """A file's size or sha256 is not the manifest's."""

    def __init__(self, file: str, why: str) -> None:
        super().__init__(file, f"{file} differs from the manifest: {why}.", REBUILD)


class BundleFileMissing(BundleFileError):
    """A file of the manifest is not there."""

    def __init__(self, file: str) -> None:
        super().__init__(file, f"{file} is in the manifest but not in the bundle.", REBUILD)


class BundleFileExtra(BundleFileError):
    """A file is there that the manifest does not know."""

    def __init__(self, file: str) -> None:
        super().__init__(
            file,
            f"{file} is in the bundle but not in the manifest.",
            "Remove the file, or build the bundle again.",
        )


class BundleManifestInvalid(BundleError):
    """The manifest cannot be read, or says something no builder writes."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The bundle's manifest.json is not valid: {why}.", REBUILD)


class BundleSignatureInvalid(BundleError):
    """No trusted key has signed this manifest."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The bundle's signature is not valid: {why}.",
            "If the bundle comes from another operator, put their public key into the folder of trusted keys; "
            "otherwise build it again.",
        )


class BundleMissing(BundleError):
    """There is no bundle of that version."""

    def __init__(self, version: str, where: str) -> None:
        super().__init__(
            f"There is no release bundle for Kubernetes {version} in {where}.",
            f"Build it: manage.py bundle build --version {version}",
        )


class VersionUnknown(BundleError):
    """Nobody has pinned the components of this Kubernetes version."""

    def __init__(self, version: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"Kubernetes {version} is not among the versions a bundle can be built for.",
            f"Choose one of {', '.join(known)}.",
        )


class NotEnoughDisk(BundleError):
    """The build would fill the disk."""

    def __init__(self, *, needed: str, free: str, where: str) -> None:
        super().__init__(
            f"The build needs {needed} of free disk in {where}, and {free} are free.",
            "Free some space, or point KCLOUD_CACHE and KCLOUD_BUNDLES at a larger disk.",
        )


class BuildBusy(BundleError):
    """Another build is at work in the same store."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"Another bundle build is at work in {where}.",
            "Wait for it to end: this build then finds its results.",
        )


class GoMissing(BundleError):
    """No Go compiler that is new enough."""

    def __init__(self, wanted: str, seen: str) -> None:
        super().__init__(
            f"Building from source needs Go {wanted} or newer; {seen}.",
            "Install it into this environment with `uv sync --group toolchain`, or name one: KCLOUD_GO=/path/to/go.",
        )


class ComponentFailed(BundleError):
    """A component could not be made; the end of the tool's output is in the message."""

    def __init__(self, component: str, why: str, remedy: str) -> None:
        super().__init__(f"{component} could not be made: {why}", remedy)
        self.component = component


class BuildStopped(BundleError):
    """Work that was given up because another part of the build failed or the operator stopped it."""

    def __init__(self, component: str) -> None:
        super().__init__(
            f"{component} was given up: the build was stopped.",
            "Run the build again: it continues where it stopped.",
        )


class DownloadFailed(BundleError):
    """A download did not give the file that was asked for; names the URL."""

    def __init__(self, url: str, why: str, remedy: str) -> None:
        super().__init__(f"Download of {url} failed: {why}.", remedy)
        self.url = url


class ChecksumWrong(BundleFileError):
    """What came down is not what its publisher's checksum says; the file has been thrown away."""

    def __init__(self, file: str, url: str) -> None:
        super().__init__(
            file,
            f"{file} from {url} does not have the published checksum.",
            "Run the build again; if it fails again, the mirror serves a damaged or changed file: use another one.",
        )
