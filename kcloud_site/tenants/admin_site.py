"""Django's admin, as platform operators get it: everything of the platform in lists with filters, search and actions.

Nothing is edited here. What services own is changed by services, so an action of a list names one (`Action`), asks for
a reason on a page of its own, and calls it for each row; the service checks and writes the audit event. Operators act,
auditors look, nobody else gets in. Who signs in does it at the console's door (kcloud_site/sign_in/admin_door.py).

What other libraries register is left out: their forms would write past our services.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kcloud_site.tenants import permissions

# So many rows at once: each is a service call within this one request.
MOST_AT_ONCE = 100
MOST_COUNTED = 1000


class PlatformAdmin(admin.AdminSite):
    """The site. `site_url` leads back to the console."""

    site_title = gettext_lazy("KCloud administration")
    site_header = gettext_lazy("KCloud administration")
    index_title = gettext_lazy("Everything of the platform")
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        return permissions.may(request.user, "platform.view")

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Only lists of ours."""
        if admin_class is not None and issubclass(admin_class, LookOnly):
            super().register(model_or_iterable, admin_class, **options)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        found: list[Any] = super().get_app_list(request, app_label)
        for app in found:
            for entry in app["models"]:
                entry["name"] = self._registry[entry["model"]].title  # type: ignore[attr-defined]
        return found

    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # type: ignore[override]
        return redirect("logout")

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return redirect("password_change")


@dataclass(frozen=True)
class Action:
    """What can be done to the chosen rows: `service(row, by, reason)`. Exceptions in `refusals` are told row by row."""

    key: str
    title: Any
    service: Callable[[Any, Any, str], Any]
    # What is lost or happens, said before it is done.
    warning: Any = ""
    refusals: tuple[type[Exception], ...] = ()


def column(name: str, title: Any, order: bool = True) -> Callable[[Any], Any]:
    """A field as a column of a list and as a fact of a page, under our own title, ordered by the field. `name` may
    reach over relations ("cluster__name"); what is no column of the database cannot be ordered by (`order`)."""

    @admin.display(description=title, ordering=name if order else None, empty_value="–")
    def shown(row: Any) -> Any:
        *path, last = name.split("__")
        for step in path:
            row = getattr(row, step, None)
        word = getattr(row, f"get_{last}_display", None)
        value = word() if word else getattr(row, last, None)
        return None if value == "" else value

    shown.__name__ = f"{name}_column"
    return shown


def choice(
    name: str, title: Any, options: Callable[[], Iterable[tuple[Any, Any]]]
) -> type[admin.SimpleListFilter]:
    """A filter of a list: rows whose field `name` has one of the options."""

    def lookups(self: Any, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(value), word) for value, word in options()]

    def queryset(self: Any, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        known = {value for value, _word in self.lookup_choices}
        return rows.filter(**{name: self.value()}) if self.value() in known else rows

    body = {"title": title, "parameter_name": name, "lookups": lookups, "queryset": queryset}
    return type("Choice", (admin.SimpleListFilter,), body)


def names_of(model: type[Model], text: str = "name") -> Callable[[], Iterable[tuple[Any, Any]]]:
    """Options of a filter: the rows of a model. One query."""
    return lambda: model._default_manager.order_by(text).values_list("pk", text)


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable when the program runs
    """Counts no further than MOST_COUNTED, so that a million rows cost what a thousand do."""

    @cached_property
    def count(self) -> int:
        return int(self.object_list[:MOST_COUNTED].count())  # type: ignore[attr-defined]


class LookOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable when the program runs
    """Rows that only services write: a list of `columns`, a page of `columns` and `facts`, `acts` on chosen rows.

    `title` is what the list is called."""

    title: ClassVar[Any]
    columns: ClassVar[Sequence[Callable[[Any], Any]]]
    facts: ClassVar[Sequence[Callable[[Any], Any]]] = ()
    acts: ClassVar[Sequence[Action]] = ()

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    preserve_filters = True

    def get_list_display(self, request: HttpRequest) -> Any:
        return self.columns

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return [*self.columns, *self.facts]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return [*self.columns, *self.facts]

    def console(self, row: Any) -> str:
        """The row's page in the console; "" where it has none."""
        return ""

    def get_view_on_site_url(self, obj: Model | None = None) -> str | None:
        return (self.console(obj) or None) if obj else None

    def has_module_permission(self, request: HttpRequest) -> bool:
        return permissions.may(request.user, "platform.view")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return permissions.may(request.user, "platform.view")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"title": self.title, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return super().change_view(
            request, object_id, form_url, {"title": self.title, **(extra_context or {})}
        )

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The admin's own history knows nothing of what services did; the trail does."""
        query = f"type={self.model._meta.label_lower}&id={object_id}"
        response = redirect("operations:audit")
        response["Location"] += f"?{query}"
        return response

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        if not permissions.may(request.user, "platform.operate"):
            return {}
        return {act.key: (partial(_act, act), act.key, act.title) for act in self.acts}


def _act(
    act: Action, model_admin: LookOnly, request: HttpRequest, rows: QuerySet[Any]
) -> HttpResponse | None:
    """Ask first, on a page that names the rows; then do it, row by row."""
    permissions.check(request.user, "platform.operate")
    chosen = list(rows[: MOST_AT_ONCE + 1])
    if len(chosen) > MOST_AT_ONCE:
        text = _("That is more than %(most)s at once. Choose fewer.") % {"most": MOST_AT_ONCE}
        model_admin.message_user(request, text, messages.ERROR)
        return None
    if "confirmed" not in request.POST:
        context = {
            **model_admin.admin_site.each_context(request),
            "title": act.title,
            "list_title": model_admin.title,
            "act": act,
            "rows": chosen,
            "opts": model_admin.opts,
            "checkbox": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/confirm_action.html", context)
    reason = request.POST.get("reason", "").replace("\x00", "")[:500]
    for row in chosen:
        _act_on(act, model_admin, request, row, reason)
    return None


def _act_on(act: Action, model_admin: LookOnly, request: HttpRequest, row: Any, reason: str) -> None:
    name = str(row)
    try:
        act.service(row, request.user, reason)
    except act.refusals as error:
        model_admin.message_user(request, f"{name}: {error}", messages.ERROR)
    else:
        model_admin.message_user(request, f"{act.title}: {name}", messages.SUCCESS)
