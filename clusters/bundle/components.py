"""The components of a bundle and how each is made, from source or from release archives.

A component is a recipe (what decides its bytes, and so its key in the store), a cost, and a maker that fills a
work folder. Packages and our own images are made the same way in both cases.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clusters.bundle import catalogue, debian, golang, images, releases, shop
from clusters.bundle.catalogue import Cost, GoBuild
from clusters.bundle.images import ImagePlan
from clusters.bundle.process import Processes
from clusters.bundle.store import Artifact, key_of

OnProgress = Callable[[float], None]
Maker = Callable[[Path, OnProgress], list[Artifact]]
BUILDER_FORMAT = "1"


@dataclass(frozen=True, slots=True)
class Component:
    """Something to make. `fetches` says that it waits for the network rather than for the processor."""

    name: str
    recipe: Mapping[str, str]
    cost: Cost
    make: Maker
    fetches: bool = False

    @property
    def key(self) -> str:
        """Its key in the store."""
        return key_of({"builder": BUILDER_FORMAT, **self.recipe})


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the makers work with. `addresses` is None when everything is built from source."""

    go: golang.GoBuilder
    apt: debian.Apt
    release: debian.Release
    processes: Processes
    downloads: Path
    addresses: releases.Addresses | None = None

    def components(self, version: str) -> list[Component]:
        """All components of a bundle for that Kubernetes version, quick ones first."""
        kubernetes = catalogue.kubernetes_build(version)
        programs = [
            self._etcd(),
            self._registry(),
            self._logs(),
            self._policies(),
            self._coredns(),
            self._kubernetes(kubernetes, version),
        ]
        own = [self._own_image(images.PAUSE), self._own_image(images.HELLO)]
        return [self._packages(), self._shop(), *own, *programs]

    def _kubernetes(self, build: GoBuild, version: str) -> Component:
        name = f"kubernetes {version}"
        if self.addresses is None:
            return self._from_source("kubernetes", name, build)
        return self._from_archive(
            name, releases.kubernetes_archive(version, self.release.arch), self.addresses
        )

    def _etcd(self) -> Component:
        name = f"etcd {catalogue.ETCD}"
        if self.addresses is None:
            return self._from_source("etcd", name, catalogue.etcd_build())
        return self._from_archive(name, releases.etcd_archive(self.release.arch), self.addresses)

    def _coredns(self) -> Component:
        build = catalogue.coredns_build()
        if self.addresses is None:
            return self._image_from_source(images.COREDNS, build)
        return self._image_from_archive(
            images.COREDNS, releases.coredns_archive(self.release.arch), self.addresses
        )

    def _policies(self) -> Component:
        # Compiled in both cases: the project publishes images, no archive, and one of the two programs is ours.
        name = f"network policies {catalogue.NETWORK_POLICY}"
        return self._from_source("network-policy", name, catalogue.network_policy_build())

    def _registry(self) -> Component:
        # Compiled in both cases: the program around the project's library is ours.
        name = f"registry {catalogue.REGISTRY}"
        return self._from_source("registry", name, catalogue.registry_build())

    def _logs(self) -> Component:
        # Compiled in both cases: one module for both programs.
        name = f"logs {catalogue.LOGS.partition('-')[0]}"
        return self._from_source("logs", name, catalogue.logs_build())

    def _own_image(self, plan: ImagePlan) -> Component:
        return self._image_from_source(plan, catalogue.own_build(plan.name, plan.version))

    def _recipe(self, component: str, build: GoBuild) -> dict[str, str]:
        return {"component": component} | golang.recipe(build, self.go.toolchain, arch=self.release.arch)

    def _from_source(self, component: str, name: str, build: GoBuild) -> Component:
        def make(work: Path, on_progress: OnProgress) -> list[Artifact]:
            self.go.build(name, build, work / "bin", on_progress)
            return [*golang.binaries(component, build), self._licences(component, build, work / "bin", work)]

        return Component(name, self._recipe(component, build), catalogue.SOURCE_COSTS[component], make)

    def _image_from_source(self, plan: ImagePlan, build: GoBuild) -> Component:
        source = f"{build.module}@v{build.version}"

        def make(work: Path, on_progress: OnProgress) -> list[Artifact]:
            programs = work / ".programs"
            self.go.build(plan.name, build, programs, on_progress)
            licences = self._licences(plan.name, build, programs, work)
            return [self._image(plan, programs / plan.name, work, source), licences]

        recipe = self._recipe(plan.name, build) | plan.recipe
        return Component(f"{plan.name} image", recipe, catalogue.SOURCE_COSTS[plan.name], make)

    def _from_archive(self, name: str, archive: releases.Archive, addresses: releases.Addresses) -> Component:
        def make(work: Path, on_progress: OnProgress) -> list[Artifact]:
            return releases.fetch_programs(archive, addresses, self.downloads, work / "bin", on_progress)

        cost = catalogue.RELEASE_COSTS[archive.component]
        return Component(name, self._archive_recipe(archive, addresses), cost, make, fetches=True)

    def _image_from_archive(
        self, plan: ImagePlan, archive: releases.Archive, addresses: releases.Addresses
    ) -> Component:
        def make(work: Path, on_progress: OnProgress) -> list[Artifact]:
            programs = work / ".programs"
            releases.fetch_programs(archive, addresses, self.downloads, programs, on_progress)
            return [self._image(plan, programs / plan.name, work, releases.archive_url(archive, addresses))]

        recipe = self._archive_recipe(archive, addresses) | plan.recipe
        cost = catalogue.RELEASE_COSTS[plan.name]
        return Component(f"{plan.name} image", recipe, cost, make, fetches=True)

    def _archive_recipe(self, archive: releases.Archive, addresses: releases.Addresses) -> dict[str, str]:
        url = releases.archive_url(archive, addresses)
        return {"component": archive.component, "source": "releases", "version": archive.version, "url": url}

    def _packages(self) -> Component:
        packages = self.apt.resolve(catalogue.DEBIAN_PACKAGES)
        release = self.release

        def make(work: Path, on_progress: OnProgress) -> list[Artifact]:
            downloads = self.downloads / f"{release.suite}-{release.arch}"
            self.apt.download(packages, downloads, on_progress)
            made = debian.make_repository(packages, downloads, release, work, self.processes)
            shutil.rmtree(downloads)
            return made

        recipe = {
            "component": debian.COMPONENT,
            "release": release.folder,
            "packages": " ".join(f"{package.file}={package.sha256}" for package in packages),
        }
        name = f"packages {release.suite}"
        return Component(name, recipe, catalogue.SOURCE_COSTS["packages"], make, fetches=True)

    def _shop(self) -> Component:
        packages = self.apt.exactly(shop.packages())

        def make(work: Path, on_progress: OnProgress) -> list[Artifact]:
            downloads = self.downloads / shop.COMPONENT
            self.apt.download(packages, downloads, on_progress)
            made = shop.make(packages, downloads, work, arch=self.release.arch, processes=self.processes)
            shutil.rmtree(downloads)
            return made

        files = " ".join(f"{package.file}={package.sha256}" for package in packages)
        recipe = shop.recipe() | {"packages": files}
        return Component("shop images", recipe, catalogue.SOURCE_COSTS[shop.COMPONENT], make, fetches=True)

    def _image(self, plan: ImagePlan, program: Path, work: Path, source: str) -> Artifact:
        arch = self.release.arch
        image = images.make_image(plan, program, work, source=source, licence="Apache-2.0", arch=arch)
        program.unlink()
        program.parent.rmdir()
        return image

    def _licences(self, component: str, build: GoBuild, programs: Path, work: Path) -> Artifact:
        path = work / "licences" / f"{component}.txt"
        path.parent.mkdir()
        path.write_text(self.go.licences(component, [programs / name for name in build.packages]))
        return Artifact(
            path=f"licences/{component}.txt",
            kind="licence",
            component=component,
            version=build.version,
            licence=build.licence,
            source=f"{build.module}@v{build.version}",
        )
