"""Regions, hosts, credentials, release bundles and clusters over the API: for whoever runs the platform."""
