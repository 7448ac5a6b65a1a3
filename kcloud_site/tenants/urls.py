"""Addresses about the person at the screen."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from kcloud_site.tenants import views

urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="login"),
    path("sign-out/", LogoutView.as_view(), name="logout"),
    path("preferences/", views.preferences, name="preferences"),
    path("preferences/language/", views.language, name="language"),
    path("preferences/appearance/", views.appearance, name="appearance"),
    path("preferences/password/", views.ChangePassword.as_view(), name="password_change"),
]
