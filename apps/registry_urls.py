"""What clients of the platform's own image registry ask the portal itself."""

from django.urls import path

from apps.views import registry_tokens

app_name = "registry"
urlpatterns = [
    path("token", registry_tokens.token, name="token"),
    path("ca.crt", registry_tokens.authority, name="authority"),
]
