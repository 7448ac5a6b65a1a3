"""Objects of the Kubernetes API that the portal applies, built in Python as plain dicts. Pure."""
