"""The request as the console's views meet it. Types only; any app may use it."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class ConsoleRequest(HttpRequest):
    """A request that passed HtmxMiddleware."""

    htmx: HtmxDetails
