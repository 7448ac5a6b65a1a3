"""Webhooks: other programs are told what happened. What they are told is what the audit trail and operations say."""
