"""The sample shop's images: what is in their layers and which tags there are. One archive holds all of them.

web and API are our own Python; PostgreSQL and Redis are Debian's. The layers below are shared, and a further tag of an
image costs a few hundred bytes: it differs in its environment only. Everything runs as user 10001, its root
read-only.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clusters.bundle import catalogue, debian
from clusters.bundle.layers import package_layer
from clusters.bundle.oci import FORMAT, Image, ImageFile, ImageSettings, layer_of, tar, write_archive
from clusters.bundle.process import Processes
from clusters.bundle.store import Artifact

COMPONENT = "shop"
ARCHIVE = "images/shop.tar"
REGISTRY = "kcloud.local"
USER = 10001
SOURCES = Path(__file__).parent / "images" / "shop"
_SERVICE = ("shop_service.py", "shop_faults.py")
PYTHON = "/usr/bin/python3.11"


@dataclass(frozen=True, slots=True)
class ShopImage:
    """One image: the package layers it stands on (lowest first), our files in /app, and its tags' environments."""

    name: str
    layers: tuple[str, ...]
    files: tuple[str, ...]
    entrypoint: tuple[str, ...]
    port: int
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    stop_signal: str = ""


_TAGS: Mapping[str, Mapping[str, str]] = {
    version: {"SHOP_VERSION": version} for version in (catalogue.SHOP, catalogue.SHOP_NEXT)
} | {"bad": {"SHOP_VERSION": "bad", "SHOP_FAULT": "crash-at-start"}}
_ONE: Mapping[str, Mapping[str, str]] = {catalogue.SHOP: {}}

IMAGES = (
    ShopImage(
        "shop-web",
        ("base", "python"),
        (*_SERVICE, "shop_web.py"),
        (PYTHON, "-B", "-u", "/app/shop_web.py"),
        8080,
        _TAGS,
    ),
    ShopImage(
        "shop-api",
        ("base", "python", "postgres-client", "psycopg"),
        (*_SERVICE, "shop_redis.py", "shop_api.py"),
        (PYTHON, "-B", "-u", "/app/shop_api.py"),
        8080,
        _TAGS,
    ),
    # The server ends at once on SIGINT; on SIGTERM it would wait for its clients to leave.
    ShopImage(
        "shop-postgres",
        ("base", "postgres-client", "servers", "postgres"),
        ("start-postgres",),
        ("/app/start-postgres",),
        5432,
        _ONE,
        stop_signal="SIGINT",
    ),
    ShopImage(
        "shop-redis", ("base", "servers", "redis"), ("start-redis",), ("/app/start-redis",), 6379, _ONE
    ),
)

LAYERS: Mapping[str, str] = {
    "base": "busybox-static libc-bin libc6 libcrypt1 libffi8 libgcc-s1 liblz4-1 liblzma5 libssl3 libstdc++6 libuuid1 "
    "libzstd1 tzdata zlib1g",
    "python": "libbz2-1.0 libexpat1 libpython3.11-minimal libpython3.11-stdlib python3.11-minimal",
    "postgres-client": "libcom-err2 libgmp10 libgnutls30 libgssapi-krb5-2 libhogweed6 libidn2-0 libk5crypto3 "
    "libkeyutils1 libkrb5-3 libkrb5support0 libldap-2.5-0 libnettle8 libp11-kit0 libpq5 libsasl2-2 libtasn1-6 "
    "libunistring2",
    "psycopg": "python3-psycopg2",
    "servers": "libcap2 libgcrypt20 libgpg-error0 libsystemd0",
    "postgres": "libaudit1 libcap-ng0 libicu72 libpam0g libpcre2-8-0 libreadline8 libselinux1 libtinfo6 libxml2 "
    "libxslt1.1 postgresql-15 postgresql-client-15",
    "redis": "libatomic1 libjemalloc2 liblzf1 redis-server redis-tools",
}

# What no container of the shop reads. Copyright files stay.
_DROPPED = (
    "usr/share/man/",
    "usr/share/locale/",
    "usr/share/lintian/",
    "usr/share/info/",
    "usr/share/bash-completion/",
    "usr/lib/x86_64-linux-gnu/gconv/",
    "usr/lib/x86_64-linux-gnu/engines-3/",
    "usr/lib/x86_64-linux-gnu/ossl-modules/",
    "usr/lib/postgresql/15/lib/bitcode/",
    "usr/lib/postgresql/15/lib/llvm",
    "usr/lib/python3.11/lib2to3/",
    "usr/lib/python3.11/pydoc_data/",
    "usr/lib/python3.11/ensurepip/",
    "usr/lib/python3.11/lib-dynload/_sqlite3",
    "usr/share/postgresql/15/man/",
    "usr/bin/redis-benchmark",
    "usr/bin/redis-check-aof",
    "usr/sbin/",
    "sbin/",
    "etc/",
    "var/",
)
_KEPT_TOOLS = frozenset({"psql", "pg_isready", "initdb", "postgres", "pg_dump", "pg_controldata"})
_KEPT_ZONES = frozenset({"UTC", "GMT", "Etc"})
# What people look around with in a container, all of it one program.
APPLETS = (
    "[ cat chmod cp cut date df du echo env false find free grep head hostname id kill less ls md5sum "
    "mkdir mv nc netstat nslookup ping printenv printf ps pwd rm sed seq sh sleep sort stat sync tail tar "
    "test timeout top touch tr true uname vi wc wget whoami xargs"
)


def wanted(path: str) -> bool:
    """Whether a package's file is worth carrying. Pure."""
    if path.startswith(_DROPPED):
        return False
    parts = path.split("/")
    if path.startswith("usr/share/doc/"):
        return parts[-1] == "copyright"
    if path.startswith("usr/share/zoneinfo/"):
        return parts[3] in _KEPT_ZONES
    if path.startswith("usr/lib/postgresql/15/bin/"):
        return parts[-1] in _KEPT_TOOLS
    if path.startswith("usr/bin/"):
        return parts[-1] in ("python3.11", "redis-server", "redis-check-rdb", "redis-cli")
    return True


def packages() -> list[str]:
    """All packages of all layers."""
    return sorted({name for names in LAYERS.values() for name in names.split()})


def recipe() -> dict[str, str]:
    """What decides the archive's bytes besides the packages."""
    sources = {path.name: path.read_text() for path in sorted(SOURCES.iterdir()) if path.is_file()}
    return {
        "component": COMPONENT,
        "image_format": str(FORMAT),
        "images": repr(IMAGES),
        "layers": repr((LAYERS, _DROPPED, APPLETS)),
        "sources": repr(sources),
    }


def references() -> list[str]:
    """The full names of all images with their tags."""
    return [f"{REGISTRY}/{image.name}:{tag}" for image in IMAGES for tag in image.tags]


def make(
    found: Sequence[debian.Package], downloads: Path, work: Path, *, arch: str, processes: Processes
) -> list[Artifact]:
    """Write images/shop.tar into `work` from the packages in `downloads`."""
    by_name = {package.name: downloads / package.file for package in found}
    layers = {}
    for layer, names in LAYERS.items():
        processes.refuse_if_stopped(COMPONENT)
        layers[layer] = package_layer([by_name[name] for name in names.split()], wanted, component=COMPONENT)
    target = work / ARCHIVE
    target.parent.mkdir(exist_ok=True)
    write_archive(
        target, [made for image in IMAGES for made in _tags_of(image, layers, arch)], by_digest=True
    )
    target_licences = work / "licences" / f"{COMPONENT}.txt"
    target_licences.parent.mkdir(exist_ok=True)
    target_licences.write_text(
        "The shop's own programs: Apache-2.0.\nDebian packages in its images, whose licences are in their "
        "usr/share/doc/*/copyright:\n" + "".join(f"{package.name} {package.version}\n" for package in found)
    )
    common = {"component": COMPONENT, "version": catalogue.SHOP, "source": "made by bundle build"}
    licence = "Apache-2.0 AND LicenseRef-Debian-copyright"
    return [
        Artifact(path=ARCHIVE, kind="image", licence=licence, **common),
        Artifact(path=f"licences/{COMPONENT}.txt", kind="licence", licence="CC0-1.0", **common),
    ]


def _tags_of(image: ShopImage, layers: Mapping[str, bytes], arch: str) -> list[Image]:
    own = layer_of(
        ImageFile(f"/app/{name}", (SOURCES / name).read_bytes(), 0o644 if name.endswith(".py") else 0o755)
        for name in image.files
    )
    stack = [_ground(), *(layers[name] for name in image.layers), own]
    return [
        Image(
            ImageSettings(
                name=f"{REGISTRY}/{image.name}:{tag}",
                entrypoint=image.entrypoint,
                user=f"{USER}:{USER}",
                arch=arch,
                ports=(f"{image.port}/tcp",),
                environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **environment},
                labels={
                    "org.opencontainers.image.version": tag,
                    "org.opencontainers.image.title": image.name,
                },
                stop_signal=image.stop_signal,
            ),
            stack,
        )
        for tag, environment in image.tags.items()
    ]


def _ground() -> bytes:
    """Accounts, the places where volumes go, and the names of busybox' tools."""
    files = [
        ImageFile("/etc/passwd", f"root:x:0:0::/:/bin/sh\nshop:x:{USER}:{USER}::/:/bin/sh\n".encode()),
        ImageFile("/etc/group", f"root:x:0:\nshop:x:{USER}:\n".encode()),
        # Names are asked of the cluster's DNS; without this file some libraries ask nothing but DNS for localhost.
        ImageFile("/etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n"),
    ]
    stream = io.BytesIO()
    entries = {file.path.lstrip("/"): (file.content, file.mode) for file in files}
    tar(
        stream, entries, ("bin", "etc", "data", "tmp"), {f"bin/{name}": "busybox" for name in APPLETS.split()}
    )
    return stream.getvalue()
