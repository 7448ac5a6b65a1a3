"""Where a request comes from: past as many proxies of ours as KCLOUD_PROXIES says, never further."""

from allauth.core.internal.httpkit import get_client_ip
from django.http import HttpRequest


def address_of(request: HttpRequest | None) -> str:
    """The client's address as text, empty when it cannot be told."""
    return (get_client_ip(request) or "") if request is not None else ""
