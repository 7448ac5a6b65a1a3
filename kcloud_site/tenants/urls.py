"""Addresses about the person at the screen."""

from django.urls import path

from kcloud_site.tenants import views

urlpatterns = [
    path("preferences/", views.preferences, name="preferences"),
    path("preferences/language/", views.language, name="language"),
    path("preferences/appearance/", views.appearance, name="appearance"),
]
