"""/tenants/{tenant}/apps/{app}/in/{environment}/configuration: revisions, drafts, publishing.

Secrets go in, never out.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.configuring import exchange
from apps.errors import ValueRefused
from apps.models import App, ConfigRevision
from apps.selectors import configurations as reading
from apps.selectors.workloads import right_to_change
from apps.services import config_exchange, configurations
from clusters.models import Environment
from kcloud_site.operations.api.operations import DetailedOperationSerializer, accepted
from kcloud_site.operations.models import Operation
from kcloud_site.rest import etags
from kcloud_site.tenants import permissions
from kcloud_site.tenants.api.things import InTenant


class EntrySerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["variable", "file"])
    format = serializers.ChoiceField(choices=["text", "json", "yaml", "properties"])
    secret = serializers.BooleanField()
    value = serializers.CharField(allow_null=True, help_text="Null for secrets: they are never told.")
    schema = serializers.JSONField(allow_null=True, help_text="JSON schema the content is checked by.")


class ConfigRevisionSerializer(serializers.ModelSerializer[ConfigRevision]):
    # Said here, because what a column holds at most differs from database to database.
    number = serializers.IntegerField(read_only=True)
    base = serializers.IntegerField(read_only=True)
    entries = serializers.SerializerMethodField()

    class Meta:
        model = ConfigRevision
        fields = (
            "number",
            "state",
            "base",
            "note",
            "entries",
            "reason",
            "created_by",
            "created_at",
            "proposed_by",
            "approved_by",
            "published_by",
            "published_at",
        )

    @extend_schema_field(EntrySerializer(many=True))
    def get_entries(self, row: ConfigRevision) -> Any:
        return EntrySerializer(reading.entries_of(row), many=True).data


class DraftSerializer(serializers.Serializer[Any]):
    entries = serializers.JSONField(
        help_text="A list of name, kind, format, secret, value, schema. A secret without a value stays as it is."
    )
    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class CopySerializer(serializers.Serializer[Any]):
    from_environment = serializers.CharField(max_length=63, help_text="Name of the environment to copy from.")
    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class ExportSerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=exchange.FORMATS)
    text = serializers.CharField(help_text="Secrets are not in it: a placeholder stands for each.")


class ConfigImportSerializer(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=exchange.FORMATS)
    text = serializers.CharField(
        allow_blank=True,
        trim_whitespace=False,
        max_length=exchange.MOST_BYTES,
        help_text="As exported. env and properties hold variables only: files stay. "
        "A placeholder keeps the secret that is there, and is refused where there is none.",
    )
    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class ReaderSerializer(serializers.Serializer[Any]):
    container = serializers.CharField()
    path = serializers.CharField(allow_blank=True, help_text="Of the file; empty: it is a variable.")
    hidden = serializers.BooleanField(
        help_text="The release sets a variable of this name itself, which wins."
    )


class ReadKeySerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["variable", "file"])
    secret = serializers.BooleanField()
    readers = ReaderSerializer(many=True, help_text="Containers of the release that runs; empty: nobody.")


class LineSerializer(serializers.Serializer[Any]):
    old = serializers.IntegerField()
    new = serializers.IntegerField()
    sign = serializers.CharField(allow_blank=True)
    text = serializers.CharField(allow_blank=True)


class ConfigChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.CharField()
    what = serializers.ChoiceField(choices=["added", "removed", "changed", "unknown"])
    secret = serializers.BooleanField()
    lines = LineSerializer(many=True)


class ImportPreviewSerializer(serializers.Serializer[Any]):
    changes = ConfigChangeSerializer(many=True)
    kept = serializers.ListField(child=serializers.CharField(), help_text="Secrets that stay as they are.")
    count = serializers.IntegerField(help_text="Keys and files the draft would have.")
    files_stay = serializers.BooleanField(help_text="The format holds variables only.")


class ConfigurationViewSet(InTenant):
    """The configuration of an application in an environment."""

    right = "config.view"
    rights = {
        "draft": "config.edit",
        "copy": "config.edit",
        "preview_import": "config.edit",
        "import_draft": "config.edit",
        "propose": "config.edit",
        "withdraw": "config.edit",
        "rollback": "config.edit",
        "publish": "config.publish",
    }
    serializer_class = ConfigRevisionSerializer
    queryset = ConfigRevision.objects.none()
    spec_place = ""

    def rows(self) -> QuerySet[ConfigRevision]:
        return ConfigRevision.objects.select_related("app", "environment", "tenant").order_by("-number")

    def retrieve(self, request: Request, tenant: str = "", app: str = "", environment: str = "") -> Response:
        """The open draft, else what is published. Its ETag is what a change is meant for."""
        _app, _environment, base = self._base()
        return self._shown(base)

    @extend_schema(request=DraftSerializer, responses=ConfigRevisionSerializer)
    def draft(self, request: Request, tenant: str = "", app: str = "", environment: str = "") -> Response:
        """Save a draft: a new one, or the next edition of the open one."""
        found, where, base = self._base()
        if base is not None:
            etags.check(request, f'"{base.etag}"')
        chosen = self.valid(serializer=DraftSerializer)
        saved = configurations.save_draft(
            app=found,
            environment=where,
            entries=chosen["entries"],
            note=chosen["note"],
            by=request.user,
            expected=base.etag if base else "",
        )
        return self._shown(saved)

    @extend_schema(responses=ConfigRevisionSerializer(many=True), filters=False)
    def revisions(self, request: Request, tenant: str = "", app: str = "", environment: str = "") -> Response:
        """All revisions, newest first."""
        found, where = self._place()
        return self.page(reading.revisions(found, where))

    @extend_schema(request=CopySerializer, responses=ConfigRevisionSerializer)
    def copy(self, request: Request, **_place: Any) -> Response:
        """A draft equal to what is published in another environment, but for secrets: those of here stay."""
        found, where = self._place()
        chosen = self.valid(serializer=CopySerializer)
        source = get_object_or_404(Environment, tenant_id=found.tenant_id, name=chosen["from_environment"])
        return self._shown(
            configurations.copy_from(
                app=found, environment=where, source=source, by=request.user, note=chosen["note"]
            )
        )

    @extend_schema(request=ConfigImportSerializer, responses=ImportPreviewSerializer)
    def preview_import(self, request: Request, **_place: Any) -> Response:
        """What an import would change. Saves nothing."""
        found, where = self._place()
        chosen = self.valid(serializer=ConfigImportSerializer)
        seen = config_exchange.preview_import(
            app=found, environment=where, text=chosen["text"], form=chosen["format"]
        )
        return Response(ImportPreviewSerializer(seen).data, headers={"ETag": f'"{seen.expected}"'})

    @extend_schema(request=ConfigImportSerializer, responses=ConfigRevisionSerializer)
    def import_draft(self, request: Request, **_place: Any) -> Response:
        """A draft of an exported configuration: a new one, or the next edition of the open one."""
        found, where, base = self._base()
        if base is not None:
            etags.check(request, f'"{base.etag}"')
        chosen = self.valid(serializer=ConfigImportSerializer)
        saved = config_exchange.import_draft(
            app=found,
            environment=where,
            text=chosen["text"],
            form=chosen["format"],
            by=request.user,
            note=chosen["note"],
            expected=base.etag if base else "",
        )
        return self._shown(saved)

    @extend_schema(
        responses=ExportSerializer,
        parameters=[OpenApiParameter("as", str, enum=exchange.FORMATS, description="By default json.")],
    )
    def export(self, request: Request, **_place: Any) -> Response:
        """The revision as a text to take along."""
        row = self._revision()
        form = request.query_params.get("as", exchange.JSON)
        if form not in exchange.FORMATS:
            raise ValueRefused("as", _("This format is not known."), "", ", ".join(exchange.FORMATS))
        return Response(ExportSerializer({"format": form, "text": reading.exported(row, form)}).data)

    @extend_schema(responses=ReadKeySerializer(many=True))
    def readers(self, request: Request, **_place: Any) -> Response:
        """Who reads which key of the open draft, else of what is published."""
        found, where, base = self._base()
        entries = reading.entries_of(base)
        readers = reading.readers(reading.workload_in(found, where), entries)
        rows = [
            {
                "name": each.name,
                "kind": each.kind,
                "secret": each.secret,
                "readers": readers.get(each.name, []),
            }
            for each in entries
        ]
        return Response(ReadKeySerializer(rows, many=True).data)

    @extend_schema(responses=ConfigRevisionSerializer)
    def revision(self, request: Request, **_place: Any) -> Response:
        """One of them."""
        return self._shown(self._revision())

    @extend_schema(
        responses=ConfigChangeSerializer(many=True),
        parameters=[OpenApiParameter("against", int, description="Another revision; by default its base.")],
    )
    def diff(self, request: Request, **_place: Any) -> Response:
        """What it changes. Of secrets only that they changed."""
        after = self._revision()
        text = request.query_params.get("against", str(after.base))
        rows = reading.revisions(after.app, after.environment)
        before = (
            rows.filter(number=int(text)).first()
            if text.isascii() and text.isdigit() and len(text) < 9
            else None
        )
        return Response(ConfigChangeSerializer(reading.changes(before, after), many=True).data)

    @extend_schema(request=None, responses=ConfigRevisionSerializer)
    def propose(self, request: Request, **_place: Any) -> Response:
        """Hand the draft to whoever may publish it."""
        return self._shown(configurations.propose(revision=self._revision(), by=request.user))

    @extend_schema(request=None, responses=ConfigRevisionSerializer)
    def withdraw(self, request: Request, **_place: Any) -> Response:
        """It will not be published."""
        row = self._revision()
        configurations.withdraw(revision=row, by=request.user)
        return self._shown(row)

    @extend_schema(request=None, responses=ConfigRevisionSerializer)
    def rollback(self, request: Request, **_place: Any) -> Response:
        """A draft equal to this revision, secrets included."""
        return self._shown(configurations.roll_back(revision=self._revision(), by=request.user))

    @extend_schema(request=None, responses={200: ConfigRevisionSerializer, 202: DetailedOperationSerializer})
    def publish(self, request: Request, **_place: Any) -> Response:
        """All pods get it: 202 with the operation. 200 where nothing runs yet."""
        row = self._to_publish(request)
        made = configurations.publish(revision=row, by=request.user)
        if made is None:
            return self._shown(row)
        return accepted(Operation.objects.get(pk=made.operation_id or 0))

    # ---- what they share

    def _place(self) -> tuple[App, Environment]:
        owner = self.tenant
        found = get_object_or_404(App.objects.select_related("tenant"), tenant=owner, name=self.kwargs["app"])
        rows = Environment.objects.select_related("cluster", "tenant")
        return found, get_object_or_404(rows, tenant=owner, name=self.kwargs["environment"])

    def _base(self) -> tuple[App, Environment, ConfigRevision | None]:
        found, where = self._place()
        return found, where, reading.open_revision(found, where) or reading.published(found, where)

    def _revision(self) -> ConfigRevision:
        found, where = self._place()
        return get_object_or_404(reading.revisions(found, where), number=self.kwargs["number"])

    def _to_publish(self, request: Request) -> ConfigRevision:
        """Publishing changes what runs: in protected environments that takes the right for it, too."""
        row = self._revision()
        permissions.check(request.user, right_to_change(row.environment), row)
        etags.check(request, f'"{row.etag}"', required=False)
        return row

    def _shown(self, row: ConfigRevision | None) -> Response:
        if row is None:
            empty = {name: None for name in ConfigRevisionSerializer.Meta.fields}
            return Response({**empty, "number": 0, "state": "", "entries": []})
        return Response(ConfigRevisionSerializer(row).data, headers={"ETag": f'"{row.etag}"'})
