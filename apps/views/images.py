"""A tenant's images in the platform's registry: what is there, how to push, deleting."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.errors import AppError, ImageError, ImageNameRefused, ImageNotFound
from apps.services import image_catalogue, registry_places
from clusters.forms import refusals
from kcloud_site.tenants import permissions
from kcloud_site.tenants.forms.confirmation import NameConfirmation
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.views.answers import opened, see

change = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@login_required
def image_list(request: HttpRequest, tenant: str) -> HttpResponse:
    """Repositories with their tags, and how to log in and push."""
    owner = opened(request, tenant, "image.view")
    context = _context(request, owner)
    try:
        context["repositories"] = image_catalogue.repositories(owner)
    except AppError as error:
        context["trouble"] = error
    return render(request, "apps/images.html", context)


@require_safe
@login_required
def repository(request: HttpRequest, tenant: str, repository: str) -> HttpResponse:
    """The images of one repository: tags, digest, size, which releases use them."""
    owner = opened(request, tenant, "image.view")
    context = _context(request, owner) | {"repository": repository}
    try:
        context["images"] = image_catalogue.images(owner, repository)
        context["reference"] = image_catalogue.reference_of(owner, repository).name
    except (ImageNotFound, ImageNameRefused):
        raise Http404 from None
    except AppError as error:
        context["trouble"] = error
    return render(request, "apps/image.html", context)


@change
@login_required
def remove(request: HttpRequest, tenant: str, repository: str, digest: str) -> HttpResponse:
    """Delete one image after its repository's name was typed."""
    owner = opened(request, tenant, "image.push")
    form = NameConfirmation(request.POST or None, expected=repository)
    context = _context(request, owner) | {"repository": repository, "form": form}
    try:
        context["image"] = image_catalogue.image(owner, repository, digest)
        if form.is_valid():
            image_catalogue.delete_image(tenant=owner, name=repository, digest=digest, by=request.user)
            messages.success(request, _("%(name)s was deleted.") % {"name": digest[:19]})
            return see("apps:images", owner.name)
    except (ImageNotFound, ImageNameRefused):
        raise Http404 from None
    except ImageError as error:
        if form.is_bound:
            refusals.show(form, error)
        else:
            context["trouble"] = error
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "apps/image_remove.html", context, status=status)


def _context(request: HttpRequest, tenant: Tenant) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "host": settings.REGISTRY_HOST,
        "is_off": not registry_places.addresses(),
        "may_push": permissions.may(request.user, "image.push", tenant),
    }
