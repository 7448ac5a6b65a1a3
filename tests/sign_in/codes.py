"""What an authenticator app does: RFC 6238. Written anew, so that the portal is not believed about its own codes."""

import base64
import hashlib
import hmac
import struct


def code(secret, at):
    """The code that the app with this base32 secret shows at the time `at` (seconds)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"
