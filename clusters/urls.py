"""Addresses of the infrastructure pages: clusters, nodes, plans, hosts, regions, credentials, bundles."""

from django.urls import URLPattern

app_name = "clusters"

urlpatterns: list[URLPattern] = []
