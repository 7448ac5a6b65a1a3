"""The icon sprite: which icons the product uses, and a sprite cut to them. Pure text work.

An icon is used where a template has an icon tag with a quoted name, or code sets `icon` to a quoted name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_IN_TEMPLATE = re.compile(r"""\{%-?\s*icon\s+["']([a-z0-9-]+)["']""")
_IN_CODE = re.compile(r"""\bicon["']?\s*[=:]\s*["']([a-z0-9-]+)["']""")
_SYMBOL = re.compile(r'<symbol id="([a-z0-9-]+)".*?</symbol>', re.DOTALL)
_BETWEEN_TAGS = re.compile(r">\s+<")


class UnknownIcon(Exception):
    """A name that no icon of the set has. Remedy: look it up at lucide.dev and correct the name."""


def names_in(text: str) -> set[str]:
    """The icons a template or a module names."""
    return set(_IN_TEMPLATE.findall(text)) | set(_IN_CODE.findall(text))


def cut(sprite: str, names: Iterable[str]) -> str:
    """A sprite with only these icons, sorted. Raises UnknownIcon naming every one the sprite lacks."""
    symbols = {match.group(1): match.group(0) for match in _SYMBOL.finditer(sprite)}
    wanted = sorted(set(names))
    missing = [name for name in wanted if name not in symbols]
    if missing:
        raise UnknownIcon(f"The icon set has no {', '.join(missing)}. Correct the names.")
    body = "\n".join(_BETWEEN_TAGS.sub("><", symbols[name]) for name in wanted)
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n<!-- lucide, ISC licence -->\n{body}\n</svg>\n'
