"""Views of what belongs to tenants: who may see and change it is asked here, for every address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

from kcloud_site.rest.views import ReadableViewSet
from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import Tenant


class TenantThings(ReadableViewSet):
    """`rows()` answers all; `right` is for reading, `rights` for actions that need another one.

    An outsider meets 404, as if the thing were not there; a member without the right 403.
    """

    right: ClassVar[str]
    rights: ClassVar[Mapping[str, str]] = {}

    def needed(self) -> str:
        return self.rights.get(self.action, self.right)

    def rows(self) -> QuerySet[Any]:
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[Any]:
        """What the person may see of them: for lists."""
        if getattr(self, "swagger_fake_view", False):
            return self.rows().none()
        permissions.check_anywhere(self.request.user, self.needed())
        return permissions.visible(self.rows(), self.request.user, self.needed())

    def get_object(self) -> Any:
        """The thing of this address, for whoever has the right on it."""
        name = self.lookup_url_kwarg or self.lookup_field
        found = get_object_or_404(self.rows(), **{self.lookup_field: self.kwargs[name]})
        permissions.check(self.request.user, self.needed(), found)
        return found


class InTenant(TenantThings):
    """Addresses below /tenants/{tenant}/…: `self.tenant` is that tenant."""

    @property
    def tenant(self) -> Tenant:
        """The tenant of the address, once the right for this action was asked for. Raises Http404, PermissionDenied."""
        found = Tenant.objects.filter(name=self.kwargs["tenant"]).first()
        if found is None:
            raise Http404
        permissions.check(self.request.user, self.needed(), found)
        return found

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return self.rows().none()
        return self.rows().filter(tenant=self.tenant)

    def get_object(self) -> Any:
        name = self.lookup_url_kwarg or self.lookup_field
        rows = self.rows().filter(tenant=self.tenant)
        return get_object_or_404(rows, **{self.lookup_field: self.kwargs[name]})
