"""What stands in an address, taken with care."""

from __future__ import annotations

from kcloud_site.requests import ConsoleRequest


def whole_number(request: ConsoleRequest, name: str) -> int | None:
    """A whole number from the address; None when absent or nonsense."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
