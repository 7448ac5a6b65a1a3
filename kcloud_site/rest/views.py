"""What every view set of the API does the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from rest_framework import viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from kcloud_site.rest import etags, idempotency
from kcloud_site.rest.models import IdempotentRequest
from kcloud_site.rest.throttles import AddressThrottle


class ApiViewSet(viewsets.GenericViewSet[Any]):
    """Repeatable POSTs, versions, throttles before sign-in.

    `versioned`: detail answers carry an ETag, and changes ask for If-Match. `secret_fields` of answers are shown once:
    a repeated request gets null. `places` says where in the request's body a field of a service stands, when that is
    not `/spec/field`.
    """

    lookup_value_regex = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
    versioned = False
    secret_fields: tuple[str, ...] = ()
    places: Mapping[str, str] = {"name": "/name"}
    claim: IdempotentRequest | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        throttle = AddressThrottle()
        if not throttle.allow_request(request, self):
            self.throttled(request, throttle.wait() or 1)
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            self.claim = idempotency.claim(request)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, idempotency.Answered):
            return exc.response
        try:
            return super().handle_exception(exc)
        except Exception:
            self._release()
            raise

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.setdefault("Cache-Control", "no-store")
        if self.claim is not None:
            row, self.claim = self.claim, None
            idempotency.keep(row, response, self.secret_fields)
        return response

    def _release(self) -> None:
        if self.claim is not None:
            row, self.claim = self.claim, None
            idempotency.release(row)

    # ---- versions

    def etag(self, thing: Any) -> str:
        """The version of a thing: of what can be changed of it."""
        return etags.of(self.get_serializer(thing).data["spec"])

    @contextmanager
    def changing(self) -> Iterator[Any]:
        """The thing of this address, locked, after its version was compared: for the body of a change."""
        with transaction.atomic():
            found = self.get_object()
            # Whoever else changes it waits here, then meets the new version.
            list(type(found)._default_manager.select_for_update().filter(pk=found.pk).values_list("pk"))
            found = self.get_object()
            if self.versioned:
                etags.check(self.request, self.etag(found), required=self.request.method != "DELETE")
            yield found

    # ---- answers

    def valid(self, *, partial: bool = False, serializer: Any = None) -> dict[str, Any]:
        """The request's body, checked; `serializer` when it is another class than the view's."""
        chosen = serializer or self.get_serializer_class()
        checked = chosen(data=self.request.data, partial=partial, context=self.get_serializer_context())
        checked.is_valid(raise_exception=True)
        return dict(checked.validated_data)

    def answer(self, thing: Any, *, status: int = 200, location: str = "", **extra: Any) -> Response:
        """One thing as the API shows it."""
        headers = {"ETag": self.etag(thing)} if self.versioned else {}
        if location:
            headers["Location"] = location
        return Response({**self.get_serializer(thing).data, **extra}, status=status, headers=headers)

    def page(self, rows: Any) -> Response:
        """One page of a list."""
        shown = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(self.get_serializer(shown, many=True).data)


class ReadableViewSet(ApiViewSet):
    """A list, and one of it."""

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.page(self.get_queryset())

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.answer(self.get_object())
