"""Operations and the audit trail in the platform operators' admin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import kinds, services
from kcloud_site.operations.errors import OperationNotResumable, SubjectBusy
from kcloud_site.operations.models import Operation, State
from kcloud_site.operations.progress import title_of
from kcloud_site.tenants.admin_site import Action, LookOnly, choice, column, names_of
from kcloud_site.tenants.models import Tenant

_REFUSALS = (OperationNotResumable, SubjectBusy)


def _kinds() -> Iterable[tuple[str, Any]]:
    return ((key, title_of(key)) for key in kinds.known())


@admin.display(description=_("What failed"), empty_value="–")
def _failed(operation: Operation) -> str:
    return str(operation.failure.get("what") or "")


@admin.register(Operation)
class OperationAdmin(LookOnly):
    title = _("Operations")
    columns = (
        column("pk", _("Number")),
        column("kind", _("Kind")),
        column("subject_name", _("Subject")),
        column("state", _("State")),
        column("requested_by_name", _("By")),
        column("tenant__name", _("Tenant")),
        column("created_at", _("Requested")),
        column("finished_at", _("Ended")),
    )
    facts = (_failed, column("reason", _("Why")), column("attempts", _("Attempts")))
    list_filter = (
        choice("state", _("State"), lambda: State.choices),
        choice("kind", _("Kind"), _kinds),
        choice("tenant", _("Tenant"), names_of(Tenant)),
    )
    list_select_related = ("tenant",)
    search_fields = ("subject_name__exact", "requested_by_name__exact", "pk__exact")
    search_help_text = _("Whole names, or the number.")
    acts = (
        Action(
            "cancel",
            _("Cancel"),
            lambda row, by, reason: services.cancel_operation(operation=row, by=by, reason=reason),
            _("Running ones stop at the next safe place; what was done stays done."),
            _REFUSALS,
        ),
        Action(
            "resume",
            _("Resume"),
            lambda row, by, reason: services.resume_operation(operation=row, by=by, reason=reason),
            _("They go on with the first step that is not done."),
            _REFUSALS,
        ),
    )

    def console(self, row: Any) -> str:
        return reverse("operations:detail", args=[row.pk])

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).defer("inputs")


@admin.register(AuditEvent)
class AuditEventAdmin(LookOnly):
    """To read; filters for everything else are on the console's page."""

    title = _("Audit")
    columns = (
        column("at", _("When")),
        column("actor", _("Who")),
        column("actor_kind", _("Acting as")),
        column("action", _("Action")),
        column("object_name", _("Object")),
        column("reason", _("Why")),
    )
    facts = (
        column("via", _("Token or rule")),
        column("object_type", _("Type of object")),
        column("object_id", _("Number of the object")),
        column("before", _("Before")),
        column("after", _("After")),
        column("operation_id", _("Operation")),
        column("hash", _("Seal")),
    )
    list_filter = (
        choice("actor_kind", _("Acting as"), lambda: AuditEvent.ActorKind.choices),
        ("at", admin.DateFieldListFilter),
    )
    search_fields = ("object_name__exact", "actor__exact", "action__exact")
    search_help_text = _("Whole names.")
