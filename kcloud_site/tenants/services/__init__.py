"""Changing tenants, their members and exceptions, and people. Each service writes its audit event."""
