"""People, tenants, who belongs to which, exceptions granted to one person, and what a tenant may use."""

from kcloud_site.tenants.models.grants import Grant
from kcloud_site.tenants.models.people import FailedSignIn, User
from kcloud_site.tenants.models.quotas import Loan, Quota, ResourceColumns, UsageSample
from kcloud_site.tenants.models.tenants import Invitation, Membership, Tenant
from kcloud_site.tenants.models.tokens import ApiToken

__all__ = [
    "ApiToken",
    "FailedSignIn",
    "Grant",
    "Invitation",
    "Loan",
    "Membership",
    "Quota",
    "ResourceColumns",
    "Tenant",
    "UsageSample",
    "User",
]
