"""What can go wrong at the door, named by condition."""

import math
from datetime import datetime

from django.utils.translation import ngettext


class TooManyTries(Exception):
    """So many wrong passwords or codes that even the right one waits. Remedy: wait until `ends`."""

    def __init__(self, ends: datetime, now: datetime) -> None:
        self.ends = ends
        minutes = max(1, math.ceil((ends - now).total_seconds() / 60))
        text = ngettext(
            "Too many wrong passwords. Wait %(minutes)d minute, then try again.",
            "Too many wrong passwords. Wait %(minutes)d minutes, then try again.",
            minutes,
        )
        super().__init__(text % {"minutes": minutes})
