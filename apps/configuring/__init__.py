"""Configuration of applications: what a key or file may be, whether it is well-formed, what differs. Pure."""
