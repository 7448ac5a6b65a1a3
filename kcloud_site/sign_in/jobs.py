"""What the clock has done."""

from django.utils import timezone

from kcloud_site.sign_in import services


def forget_ended_sessions() -> None:
    services.forget_ended_sessions(now=timezone.now())
