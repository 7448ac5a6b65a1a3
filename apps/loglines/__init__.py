"""Log lines of applications: reading, ordering, filtering and pointing at them. Pure."""
