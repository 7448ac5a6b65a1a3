"""The OpenAPI description, made from the code: what every address of the API has in common is said here once."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457), why, and what to do.",
    "required": ["type", "status", "title", "code", "detail", "errors", "remedy"],
    "properties": {
        "type": {"type": "string"},
        "status": {"type": "integer"},
        "title": {"type": "string"},
        "code": {"type": "string", "description": "For programs: never translated, never changed."},
        "detail": {"type": "string", "description": "What happened and why, in the reader's language."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "message"],
                "properties": {
                    "pointer": {"type": "string", "description": "Where in the body (RFC 6901)."},
                    "message": {"type": "string"},
                },
            },
        },
        "remedy": {"type": "string", "description": "What to do."},
        "operation": {"type": "string", "description": "The operation at work on the subject."},
    },
}
_IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[!-~]+$"},
    OpenApiParameter.HEADER,
    description="The same key and request give the same answer for 24 hours.",
)


def _if_match(required: bool) -> OpenApiParameter:
    return OpenApiParameter(
        "If-Match",
        str,
        OpenApiParameter.HEADER,
        required=required,
        description="The ETag of the version this change is meant for.",
    )


class Schema(AutoSchema):
    """Adds what every address has: problems as answers, Idempotency-Key on POST, If-Match on versioned things."""

    def get_override_parameters(self) -> list[Any]:
        found = list(super().get_override_parameters())
        if self.method == "POST":
            found.append(_IDEMPOTENCY)
        versioned = getattr(self.view, "versioned", False) or self._action() == "set_plan"
        if versioned and self.method in ("PATCH", "PUT"):
            found.append(_if_match(True))
        if versioned and self.method == "DELETE":
            found.append(_if_match(False))
        return found

    def _action(self) -> str:
        return getattr(self.view, "action", "") or ""

    def get_filter_backends(self) -> list[Any]:
        return super().get_filter_backends() if self._action() == "list" else []

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        found: dict[str, Any] = super()._get_response_bodies(*args, **kwargs)
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        found["4XX"] = {"content": content, "description": "Refused"}
        found["5XX"] = {"content": content, "description": "The portal could not answer"}
        return found


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "kcloud_site.tenants.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": 'An API token: "Token kc_…". Made under Preferences, API tokens, or by POST /tokens.',
        }


def finish(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's last step: the problem's shape; what is sent may hold nothing unknown."""
    schemas = result["components"]["schemas"]
    schemas["Problem"] = PROBLEM
    for name, schema in schemas.items():
        if name.endswith("Request") and schema.get("type") == "object" and "properties" in schema:
            schema["additionalProperties"] = False
    return result
