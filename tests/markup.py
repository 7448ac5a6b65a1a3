"""Markup as tests compare it: how a template is laid out over lines says nothing about the page."""

import re


def squeezed(html: str) -> str:
    """Every run of whitespace as one space, and none beside a tag of a block or at its content's edges."""
    return re.sub(r"(?<=>) (?=<)| (?=</)|(?<=>) ", "", re.sub(r"\s+", " ", html))
