"""Decides what is a lost node and what may be done about it. Pure: no Django, no network, no clock."""
