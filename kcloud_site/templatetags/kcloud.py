"""Template tags of the console; all are builtins, so no template loads them.

Nothing here queries: a tag shows what it is given. Text given to a tag is escaped unless it is safe already.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django import forms, template
from django.apps import apps
from django.core.paginator import Page
from django.forms.boundfield import BoundField
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import pgettext

from kcloud_site import formatting, status
from kcloud_site.tenants import permissions

register = template.Library()

register.filter("number", formatting.number)
register.filter("size", formatting.size)
register.filter("duration", formatting.duration)


@register.simple_tag
def icon(name: str, turns: bool = False) -> SafeString:
    """One icon of the sprite, hidden from screen readers: the word beside it says what it means."""
    spin = " kc-spin" if turns else ""
    href = f"{static('vendor/icons.svg')}#{name}"
    return format_html('<svg class="kc-i{}" aria-hidden="true"><use href="{}"/></svg>', spin, href)


@register.simple_tag
def state(key: str, word: Any = "", small: bool = False) -> SafeString:
    """The chip of a state. The word may be more precise; class and icon follow the key."""
    entry = status.get(str(key))
    return format_html(
        '<span class="kc-state {}{}">{}{}</span>',
        entry.css,
        " kc-sm" if small else "",
        icon(entry.icon, entry.turns),
        word or entry.word,
    )


@register.filter
def state_class(key: str) -> str:
    """is-ok, is-bad …: for bands, bars and cells."""
    return status.get(str(key)).css


@register.filter
def state_word(key: str) -> Any:
    return status.get(str(key)).word


@register.simple_tag
def state_icon(key: str) -> SafeString:
    entry = status.get(str(key))
    return icon(entry.icon, entry.turns)


@register.simple_tag
def bar(used: float | None, limit: float | None, label: Any = "", css: str = "") -> SafeString:
    """How much of a limit is used. Without a label the bar is decoration: the number stands beside it."""
    share = min(100.0, max(0.0, 100.0 * float(used or 0) / float(limit))) if limit else 0.0
    width = f"{share:.0f}%"
    said = (
        format_html('role="img" aria-label="{}"', f"{label} {share:.0f} %") if label else 'aria-hidden="true"'
    )
    return format_html(
        '<svg class="kc-bar {}" height="6" {}><rect width="{}" height="6"/></svg>',
        css,
        SafeString(said),
        width,
    )


@register.inclusion_tag("components/line_chart.html")
def line_chart(chart: Any) -> dict[str, Any]:
    """Lines over time: `chart` has label (lowest, highest, last and limit in words), top (the upper edge's value),
    lines of (class, path), ticks of (x, moment) and legend of (class, word). Show the table behind it beside it."""
    return {"chart": chart}


@register.filter(name="age")
def age_filter(moment: datetime | None) -> str | SafeString:
    """How long ago, with the clock time in `title`."""
    if not moment:
        return formatting.NOTHING
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        f"{date_format(local, pgettext('date format', 'j M Y'))} {local:%H:%M:%S}",
        formatting.age(moment, timezone.now()),
    )


@register.filter
def clock(moment: datetime | None) -> str | SafeString:
    """The time of day with seconds, 24 h, in the reader's zone; the date in `title`."""
    if not moment:
        return formatting.NOTHING
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        date_format(local, pgettext("date format", "j M Y")),
        f"{local:%H:%M:%S}",
    )


@register.filter
def moment(value: datetime | None) -> str | SafeString:
    """Date and time to the minute, in the reader's zone."""
    if not value:
        return formatting.NOTHING
    local = timezone.localtime(value)
    shown = f"{date_format(local, pgettext('date format', 'j M Y'))} {local:%H:%M}"
    return format_html('<time datetime="{}">{}</time>', value.isoformat(timespec="seconds"), shown)


_CHECKS = (forms.CheckboxInput,)
_GROUPS = (forms.RadioSelect, forms.CheckboxSelectMultiple)
_SELECTS = (forms.Select, forms.SelectMultiple)


@register.inclusion_tag("components/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """A labelled field with hint and error. The first field in error of a form takes the focus."""
    widget = bound.field.widget
    attrs: dict[str, Any] = {"class": _css_class(widget)}
    if bound.errors and bound.name == next(iter(bound.form.errors), None):
        attrs["autofocus"] = True
    return {
        "field": bound,
        "control": bound.as_widget(attrs={**attrs, **_keep_class(widget, attrs)}),
        "is_check": isinstance(widget, _CHECKS),
        "is_group": isinstance(widget, _GROUPS),
        # A list that may be left open says so by its own first entry.
        "is_select": isinstance(widget, _SELECTS),
    }


def _css_class(widget: forms.Widget) -> str:
    if isinstance(widget, _CHECKS + _GROUPS):
        return "form-check-input"
    return "form-select" if isinstance(widget, _SELECTS) else "form-control"


def _keep_class(widget: forms.Widget, attrs: dict[str, Any]) -> dict[str, str]:
    own = widget.attrs.get("class", "")
    return {"class": f"{attrs['class']} {own}"} if own else {}


@register.inclusion_tag("components/form_errors.html")
def form_errors(form: forms.BaseForm) -> dict[str, Any]:
    """The band above a refused form: every problem, each a link to its field."""
    problems = [
        {"label": form[name].label, "id": form[name].id_for_label, "errors": errors}
        for name, errors in form.errors.items()
        if name in form.fields
    ]
    return {"form": form, "problems": problems, "general": form.non_field_errors()}


@register.inclusion_tag("components/pager.html", takes_context=True)
def pager(context: template.Context, page: Page, order: Any = "") -> dict[str, Any]:
    """Pages of a list and "1 – 10 of 128"; the filter in the address stays."""
    query = context["request"].GET.copy()
    query.pop("page", None)
    around = page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    rest = query.urlencode()
    return {"page": page, "numbers": list(around), "order": order, "query": f"{rest}&" if rest else ""}


_PAGES = {
    "clusters.cluster": "clusters:detail",
    "clusters.environment": "clusters:environment_by_namespace",
    "clusters.host": "clusters:host",
    "tenants.tenant": "tenants:detail",
}


@register.simple_tag
def subject_link(subject_type: str, name: str) -> str | SafeString:
    """A thing's name, as a link to its page where it has one."""
    try:
        address = reverse(_PAGES[subject_type], args=[name])
    except (KeyError, NoReverseMatch):
        return name
    return format_html('<a href="{}">{}</a>', address, name)


@register.simple_tag
def took(started: datetime | None, finished: datetime | None, now: datetime) -> str:
    """How long something ran, or runs until now."""
    return formatting.duration(((finished or now) - started).total_seconds() if started else None)


@register.simple_tag
def log_address(wanted: Any, **place: Any) -> SafeString:
    """Another part of the same log: the filter stays, the place changes."""
    query = {"host": wanted.host, "step": wanted.step, **place}
    return format_html("?{}", urlencode({key: value for key, value in query.items() if value != ""}))


@register.filter
def as_pattern(text: str) -> str:
    """A `pattern` attribute that matches this text alone."""
    return "".join(f"\\{letter}" if letter in r"^$\.*+?()[]{}|/" else letter for letter in text)


@register.inclusion_tag("components/change.html")
def change(before: Any, after: Any) -> dict[str, Any]:
    """What an audit event changed, key by key; equal values are left out."""
    old, new = before or {}, after or {}
    keys = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    return {"rows": [(key, _plain(old.get(key)), _plain(new.get(key))) for key in keys]}


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# ---- the audit trail -----------------------------------------------------------------------------------------------


@register.filter
def noun(label: str) -> str:
    """What a type of object is called ("clusters.cluster": Cluster); types of long ago keep their label."""
    try:
        return str(apps.get_model(label)._meta.verbose_name)
    except (LookupError, ValueError):
        return label


@register.simple_tag
def filter_input(field: BoundField) -> SafeString:
    """A text field of a filter form, named by its placeholder."""
    attrs: dict[str, Any] = {
        "class": "form-control w-auto mw-100",
        "aria-label": field.label,
        "placeholder": field.label,
    }
    if not field.errors:
        return field.as_widget(attrs=attrs)
    # The field is described by its error (aria-describedby), which therefore has to be there.
    control, said = field.as_widget(attrs=attrs), " ".join(str(error) for error in field.errors)
    return format_html('{}<span class="kc-err" id="{}_error">{}</span>', control, field.auto_id, said)


@register.simple_tag(takes_context=True)
def other_events(context: template.Context, **place: Any) -> SafeString:
    """Another page of the same events: the filter stays."""
    query = {
        key: value for key, value in context["request"].GET.items() if key not in ("older", "newer") and value
    }
    return format_html("?{}", urlencode({**query, **place}))


@register.inclusion_tag("components/audit_panel.html", takes_context=True)
def audit_panel(context: template.Context, thing: Any, broke_at: datetime | None = None) -> dict[str, Any]:
    """ "What changed here" for the page of a thing; with `broke_at`, what changed before that. Loaded by htmx; nothing
    for readers without the right."""
    user = context["request"].user
    if thing is None or not permissions.may(user, "audit.view", thing):
        return {"address": ""}
    label, identity = thing._meta.label_lower, str(thing.pk)
    # An operation's changes are those of what it works on.
    query = {"type": getattr(thing, "subject_type", label), "id": getattr(thing, "subject_id", identity)}
    before = {"before": broke_at.isoformat()} if broke_at else {}
    until = {"until": broke_at.isoformat()} if broke_at else {}
    address = reverse("operations:audit_panel", args=[label, identity])
    return {
        "address": f"{address}?{urlencode(before)}".rstrip("?"),
        "all": f"{reverse('operations:audit')}?{urlencode({**query, **until})}",
        "broke_at": broke_at,
    }
