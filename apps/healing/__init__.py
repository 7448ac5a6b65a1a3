"""Decides what is done about an application that is not well: which rung, and whether it may be taken. Pure."""
