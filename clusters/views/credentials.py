"""Pages of credentials: what may be known of them. Their secrets are on none."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from clusters.errors import ValueRefused
from clusters.forms import refusals
from clusters.forms.credentials import NewCredential, Secret
from clusters.models import Credential
from clusters.selectors import hosts as reading
from clusters.services import credentials
from clusters.views import answers
from kcloud_site.tenants.permissions import operator_required

change = require_http_methods(["GET", "HEAD", "POST"])
# An error page or report never shows them.
hidden = sensitive_post_parameters("private_key", "password")


@require_safe
@operator_required
def credential_list(request: HttpRequest) -> HttpResponse:
    return render(request, "clusters/credentials.html", {"credentials": reading.credential_list()})


@hidden
@change
@operator_required
def credential_create(request: HttpRequest) -> HttpResponse:
    form = NewCredential(request.POST or None)
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            made = credentials.create_credential(
                name=chosen["name"],
                username=chosen["username"],
                kind=chosen["kind"],
                secret=form.secret,
                by=request.user,
            )
        except ValueRefused as error:
            _show(form, error)
        else:
            messages.success(request, _("Credential %(name)s is there.") % {"name": made.name})
            return answers.see("clusters:credential", made.name)
    context = {
        "form": form,
        "title": _("New credential"),
        "tab": "credentials",
        "submit": _("Create the credential"),
    }
    return answers.form_page(request, "clusters/record_form.html", context)


@hidden
@change
@operator_required
def credential(request: HttpRequest, name: str) -> HttpResponse:
    """What may be known of a credential, who uses it, and a form that replaces its secret."""
    found = get_object_or_404(reading.credential_list(), name=name)
    form = Secret(request.POST or None, initial={"kind": found.kind})
    if request.method == "POST" and form.is_valid():
        try:
            credentials.replace_secret(
                credential=found, kind=form.cleaned_data["kind"], secret=form.secret, by=request.user
            )
        except ValueRefused as error:
            _show(form, error)
        else:
            messages.success(request, _("Hosts are signed in to with the new secret from now on."))
            return answers.see("clusters:credential", name)
    users = found.hosts.select_related("region").order_by("name")[:50]
    context = {"credential": found, "hosts": users, "form": form}
    return answers.form_page(request, "clusters/credential.html", context)


@change
@operator_required
def credential_delete(request: HttpRequest, name: str) -> HttpResponse:
    found = get_object_or_404(Credential, name=name)
    context = {
        "title": _("Delete credential %(name)s?") % {"name": name},
        "tab": "credentials",
        "back": reverse("clusters:credential", args=[name]),
        "what": _("The secret is destroyed and cannot return. A credential hosts sign in with stays."),
    }
    return answers.delete_page(
        request,
        name=name,
        context=context,
        delete=lambda: credentials.delete_credential(credential=found, by=request.user),
        done=_("Credential %(name)s is deleted.") % {"name": name},
        then="clusters:credentials",
    )


def _show(form: Secret, error: ValueRefused) -> None:
    """The service speaks of "the secret"; the form has a field for each kind."""
    if error.field == "secret":
        form.add_error(form.secret_field, str(error))
    else:
        refusals.show(form, error)
