"""Lists: by page number where they can be counted, by cursor where they grow at the end."""

from __future__ import annotations

from typing import Any

from rest_framework import pagination
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

LARGEST = 200


class Pages(pagination.PageNumberPagination):
    """?page=2&page_size=50"""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = LARGEST


class NewestFirst(pagination.CursorPagination):
    """?cursor=…: events, by their id. What is added meanwhile moves nothing."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = LARGEST
    ordering = "-id"

    def decode_cursor(self, request: Request) -> Any:
        """A cursor somebody made up is refused before it reaches the database."""
        cursor = super().decode_cursor(request)
        position: Any = cursor.position if cursor else None
        if position is not None and not (position.isascii() and position.isdigit() and len(position) < 19):
            raise NotFound(self.invalid_cursor_message)
        return cursor
