"""The page that takes over a cluster by its kubeconfig, and the one that hands a kubeconfig out."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from clusters.errors import AddressRefused, ClusterError, KubeconfigRefused, ValueRefused
from clusters.forms.clusters import ImportForm, KubeconfigForm
from clusters.services import imports, kubeconfigs
from clusters.views import answers
from clusters.views import clusters as pages
from kcloud_site.tenants.permissions import operator_required

change = require_http_methods(["GET", "HEAD", "POST"])


@sensitive_post_parameters("kubeconfig")
@change
@operator_required
def cluster_import(request: HttpRequest) -> HttpResponse:
    """Read, connect, look, keep: or say which field is why not."""
    form = ImportForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            made = imports.import_cluster(
                name=chosen["name"],
                region=chosen["region"],
                text=chosen["kubeconfig"],
                allow_internal=chosen["allow_internal"],
                by=request.user,
            )
        except ClusterError as error:
            field, text = _said(error)
            form.add_error(field, text)
        else:
            messages.success(request, _("%(name)s is imported.") % {"name": made.name})
            return answers.see("clusters:detail", made.name)
    return answers.form_page(request, "clusters/import.html", {"form": form})


@change
@operator_required
def cluster_kubeconfig(request: HttpRequest, name: str) -> HttpResponse:
    """A form that says what the file can do; sent, it answers the file."""
    found = pages.one(name)
    form = KubeconfigForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            text = kubeconfigs.issue_kubeconfig(
                cluster=found, by=request.user, reason=form.cleaned_data["reason"]
            )
        except ClusterError as error:
            form.add_error(None, str(error))
        else:
            return _as_file(text, f"{found.name}.kubeconfig")
    context = {
        "cluster": found,
        "form": form,
        "refusal": kubeconfigs.unavailable(found),
        "group": kubeconfigs.GROUP,
    }
    return answers.form_page(request, "clusters/kubeconfig.html", context)


def _said(error: ClusterError) -> tuple[str, str]:
    """Field and text of what was refused, in the reader's language."""
    if isinstance(error, KubeconfigRefused):
        where = f"{error.field}: " if error.field else ""
        return "kubeconfig", f"{where}{error.problem.message_in(_)} {error.problem.remedy_in(_)}"
    if isinstance(error, ValueRefused):
        return error.field, str(error)
    return ("allow_internal" if isinstance(error, AddressRefused) else "kubeconfig"), str(error)


def _as_file(text: str, name: str) -> HttpResponse:
    """A key in a file: downloaded, and kept nowhere on the way."""
    response = HttpResponse(text, content_type="application/yaml")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response
