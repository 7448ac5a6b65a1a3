"""Regions, credentials and hosts in Django's admin: to look at. Changing them is the services' business, which check,
reach the host and write the audit row; so the admin adds, changes and deletes nothing, and no secret is on a page."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from clusters.models import Credential, Host, Region


class LookOnly(admin.ModelAdmin):
    """Rows that only services write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Region)
class RegionAdmin(LookOnly):
    list_display = ["name", "title", "created_at"]
    search_fields = ["name", "title"]


@admin.register(Credential)
class CredentialAdmin(LookOnly):
    list_display = ["name", "kind", "username", "fingerprint", "created_at"]
    search_fields = ["name", "username", "fingerprint"]
    exclude = ["sealed_secret"]


@admin.register(Host)
class HostAdmin(LookOnly):
    list_display = ["name", "state", "region", "address", "ssh_port", "cluster", "facts_at"]
    list_filter = ["state", "region"]
    list_select_related = ["region", "cluster"]
    search_fields = ["name", "address"]
