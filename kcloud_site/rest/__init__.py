"""How the API answers, whatever it is about: lists, versions, repeated requests, throttles, its description.

Knows nothing of what the apps own; their `api` modules build on it.
"""
