"""The sample shop as applications and releases, for the demo and for tests. Pure."""
