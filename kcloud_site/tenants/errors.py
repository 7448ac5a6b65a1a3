"""What can be wrong about tenants and members, named by condition; each says what to do."""


class TenantError(Exception):
    """A change that cannot be made. `field` names the input at fault, as forms and the API call it."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NameTaken(TenantError):
    """Another tenant has the name."""


class AlreadyMember(TenantError):
    """The person is in the tenant already."""


class LastOwner(TenantError):
    """The change would leave a tenant without an owner."""


class TenantClosed(TenantError):
    """Nothing can be made in a closed tenant."""


class AlreadyInvited(TenantError):
    """An invitation to the address is open."""


class InvitationGone(TenantError):
    """No open invitation has the token: unknown, expired, revoked, used, or of a closed tenant. Which, is not said."""


class GrantRefused(TenantError):
    """An exception that cannot be made; `field` says which of its parts is at fault."""


class MailNotSent(TenantError):
    """The mail server did not take a mail."""


class TokenRefused(TenantError):
    """An API token cannot be made as asked."""
