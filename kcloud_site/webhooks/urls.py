"""Addresses of a tenant's webhooks."""

from django.urls import path

from kcloud_site.webhooks import views

app_name = "webhooks"

HOOKS = "tenants/<slug:name>/webhooks/"
HOOK = f"{HOOKS}<int:pk>/"

urlpatterns = [
    path(HOOKS, views.hook_list, name="list"),
    path(f"{HOOKS}new/", views.create, name="create"),
    path(HOOK, views.detail, name="detail"),
    path(f"{HOOK}edit/", views.edit, name="edit"),
    path(f"{HOOK}pause/", views.pause, name="pause"),
    path(f"{HOOK}secret/", views.secret, name="secret"),
    path(f"{HOOK}test/", views.test, name="test"),
    path(f"{HOOK}remove/", views.remove, name="remove"),
    path(f"{HOOK}deliveries/<int:delivery>/", views.delivery, name="delivery"),
    path(f"{HOOK}deliveries/<int:delivery>/again/", views.again, name="again"),
]
