"""Addresses of operations and the audit trail."""

from django.urls import URLPattern

app_name = "operations"

urlpatterns: list[URLPattern] = []
