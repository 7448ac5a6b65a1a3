"""What is sent, how it is signed, and when it is tried again. Pure.

A message follows the Standard Webhooks convention: `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature`:
"v1," and the base64 HMAC-SHA256 of "id.timestamp.body" under the secret ("whsec_" and base64). The receiver compares
the signature and refuses old time stamps.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

PREFIX = "whsec_"
# After each failed attempt; then it is given up. About a day in all.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 2 * 3600, 6 * 3600, 12 * 3600))
LONGEST_ANSWER = 1000
# Parts of audit events that may quote what people wrote into objects and commands: they do not leave the portal.
LEFT_OUT = frozenset({"differences", "command"})


def encode(payload: Mapping[str, Any]) -> bytes:
    """The body: the same bytes for the same payload."""
    return json.dumps(payload, separators=(",", ":"), sort_keys=True).encode()


def outgoing(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What may be sent of the "before" or "after" of an event."""
    return None if told is None else {key: value for key, value in told.items() if key not in LEFT_OUT}


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of webhook-signature."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def next_attempt(attempts: int, now: datetime) -> datetime | None:
    """When to try again after `attempts` have failed; None: given up."""
    return now + PAUSES[attempts - 1] if attempts <= len(PAUSES) else None


def wants(events: Sequence[str], action: str) -> bool:
    """Whether one of the beginnings fits."""
    return any(action.startswith(each) for each in events)


def shown(answer: bytes) -> str:
    """The beginning of what a stranger answered, as text every database holds."""
    return answer.decode("utf-8", "replace").replace("\x00", "\ufffd")[:LONGEST_ANSWER]
