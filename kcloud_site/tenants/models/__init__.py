"""People, tenants, who belongs to which, and exceptions granted to one person."""

from kcloud_site.tenants.models.grants import Grant
from kcloud_site.tenants.models.people import FailedSignIn, User
from kcloud_site.tenants.models.tenants import Invitation, Membership, Tenant

__all__ = ["FailedSignIn", "Grant", "Invitation", "Membership", "Tenant", "User"]
