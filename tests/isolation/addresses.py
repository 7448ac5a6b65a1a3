"""Every address the portal answers, found by walking its routes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver


@dataclass(frozen=True)
class Address:
    """`area`: console, api or admin. `parameters`: names of what the path needs."""

    area: str
    name: str
    parameters: tuple[str, ...]


def walk(
    resolver: URLResolver | None = None, prefix: str = "", space: str = "", taken: tuple[str, ...] = ()
) -> Iterator[Address]:
    """Every named address, once for each name and set of parameters."""
    for entry in (resolver or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern)
        parameters = taken + tuple(entry.pattern.regex.groupindex)
        if isinstance(entry, URLResolver):
            inner = f"{entry.namespace}:" if entry.namespace else space
            yield from walk(entry, route, inner, parameters)
        elif isinstance(entry, URLPattern) and "format" not in parameters:
            area = next((a for a in ("admin", "api") if route.lstrip("^").startswith(f"{a}/")), "console")
            yield Address(area, space + str(entry.name), parameters)
