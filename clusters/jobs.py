"""Operation kinds of this app are registered here; each step calls one service."""
