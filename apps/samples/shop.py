"""The sample shop: web → API → PostgreSQL, Redis. `spec(app, tag)` is a release of one of them.

The images are in every release bundle (clusters/bundle/shop.py) and on every worker. `tag`: 1.0, 1.1, or "bad", which
never starts. What else goes wrong on purpose is switched by the variable SHOP_FAULT. Nothing is kept: the database's
folder ends with its pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WEB, API, DB, CACHE = "shop-web", "shop-api", "shop-db", "shop-cache"
REGISTRY = "kcloud.local"
TAG, NEXT_TAG, BAD_TAG = "1.0", "1.1", "bad"
SETTINGS_PATH = "/etc/app"
# The database is reached from its own environment only, and holds what the sample made itself.
SAMPLE_PASSWORD = "only-a-sample"  # noqa: S105


@dataclass(frozen=True)
class SampleApp:
    """One application of the shop, as it is registered. `needs`: what has to run before it can be ready."""

    name: str
    title: str
    description: str
    image: str
    criticality: str
    reload: str
    needs: tuple[str, ...] = ()
    replicas: int = 1


# In the order they are deployed in.
APPS = (
    SampleApp(DB, "Shop database", "PostgreSQL with products and orders", "shop-postgres", "high", "restart"),
    SampleApp(CACHE, "Shop cache", "Redis; the shop works on without it", "shop-redis", "low", "restart"),
    SampleApp(API, "Shop API", "Products and orders", "shop-api", "high", "restart", (DB,)),
    SampleApp(WEB, "Shop", "The page customers see", "shop-web", "normal", "hot", (API,), replicas=2),
)


def spec(
    app: str,
    tag: str = TAG,
    *,
    fault: str = "",
    registry: str = REGISTRY,
    more: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A release of `app`. `fault` fails on purpose, `more` adds variables, `registry` may be the platform's own."""
    made = _SPECS[app]()
    container = made["containers"][0]
    container["image"] = f"{registry}/{_image(app)}:{tag if app in (WEB, API) else TAG}"
    container["environment"] |= ({"SHOP_FAULT": fault} if fault else {}) | dict(more or {})
    return made


def images(registry: str = REGISTRY) -> list[str]:
    """Every image of the shop that a release may name."""
    return sorted(
        {spec(app.name, tag, registry=registry)["containers"][0]["image"] for app in APPS for tag in TAGS}
    )


TAGS = (TAG, NEXT_TAG, BAD_TAG)


def _image(app: str) -> str:
    return next(each.image for each in APPS if each.name == app)


def _web() -> dict[str, Any]:
    # The front lives without its API: a page that says what is missing is better than none.
    environment = {"SHOP_API": f"http://{API}:8080"}
    return _service("web", environment, memory="48Mi", most="96Mi")


def _api() -> dict[str, Any]:
    environment = {"SHOP_DB_HOST": DB, "SHOP_CACHE_HOST": CACHE, "SHOP_DB_PASSWORD": SAMPLE_PASSWORD}
    return _service("api", environment, memory="48Mi", most="96Mi")


def _service(name: str, environment: dict[str, str], *, memory: str, most: str) -> dict[str, Any]:
    """Our own two: probes that mean different things, settings followed without a restart, a graceful end."""

    def http(path: str, period: int, failures: int) -> dict[str, Any]:
        return {
            "type": "http",
            "path": path,
            "port": 8080,
            "period": period,
            "timeout": 3,
            "failures": failures,
        }

    return {
        "kind": "Deployment",
        "containers": [
            {
                "name": name,
                "ports": [{"name": "http", "port": 8080}],
                "environment": environment,
                "resources": _resources("20m", memory, most),
                "probes": {
                    "startup": http("/healthz", 1, 30),
                    "readiness": http("/readyz", 2, 2),
                    "liveness": http("/healthz", 10, 3),
                },
            }
        ],
        "service": {"ports": [{"name": "http", "port": 8080, "target": "http"}]},
        "configuration": {"environment": True, "path": SETTINGS_PATH},
        "grace": 20,
        "scaling": {"min": 1, "max": 4},
    }


def _db() -> dict[str, Any]:
    ready = ["/usr/lib/postgresql/15/bin/pg_isready", "-q", "-h", "127.0.0.1", "-U", "shop", "-d", "shop"]

    def asked(period: int, failures: int) -> dict[str, Any]:
        return {"type": "exec", "command": ready, "period": period, "timeout": 5, "failures": failures}

    return {
        "kind": "StatefulSet",
        "containers": [
            {
                "name": "db",
                "ports": [{"name": "postgres", "port": 5432}],
                "environment": {"SHOP_DB_PASSWORD": SAMPLE_PASSWORD},
                "resources": _resources("30m", "64Mi", "160Mi"),
                "probes": {
                    "startup": asked(2, 60),
                    "readiness": asked(5, 2),
                    "liveness": {"type": "tcp", "port": 5432, "period": 10, "timeout": 3, "failures": 6},
                },
                "mounts": [{"volume": "data", "path": "/data"}],
            }
        ],
        "volumes": [{"name": "data", "type": "empty", "size": "512Mi"}],
        "service": {"ports": [{"name": "postgres", "port": 5432, "target": "postgres"}]},
        "configuration": {"environment": True, "path": ""},
        "grace": 30,
        "scaling": {"min": 1, "max": 1},
    }


def _cache() -> dict[str, Any]:
    def answers(period: int, failures: int) -> dict[str, Any]:
        command = ["/usr/bin/redis-cli", "ping"]
        return {"type": "exec", "command": command, "period": period, "timeout": 3, "failures": failures}

    return {
        "kind": "Deployment",
        "containers": [
            {
                "name": "cache",
                "ports": [{"name": "redis", "port": 6379}],
                "environment": {},
                "resources": _resources("10m", "16Mi", "48Mi"),
                "probes": {
                    "startup": answers(1, 30),
                    "readiness": answers(5, 2),
                    "liveness": {"type": "tcp", "port": 6379, "period": 10, "timeout": 3, "failures": 3},
                },
            }
        ],
        "service": {"ports": [{"name": "redis", "port": 6379, "target": "redis"}]},
        "configuration": {"environment": True, "path": ""},
        "grace": 10,
        "scaling": {"min": 1, "max": 1},
    }


def _resources(cpu: str, memory: str, most: str) -> dict[str, dict[str, str]]:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": most}}


_SPECS = {WEB: _web, API: _api, DB: _db, CACHE: _cache}
