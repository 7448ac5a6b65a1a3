"""Addresses about the person at the screen, and of tenants."""

from django.urls import include, path

from kcloud_site.tenants.views import acceptance, grants, invitations, members, people, tenants, tokens

of_tenants = [
    path("tenants/", tenants.tenant_list, name="list"),
    # The words "new" and "roles" are no names of tenants (services.tenants.RESERVED).
    path("tenants/new/", tenants.create, name="create"),
    path("tenants/roles/", tenants.roles, name="roles"),
    path("tenants/<slug:name>/", tenants.detail, name="detail"),
    path("tenants/<slug:name>/settings/", tenants.settings, name="settings"),
    path("tenants/<slug:name>/close/", tenants.close, name="close"),
    path("tenants/<slug:name>/reopen/", tenants.reopen, name="reopen"),
    path("tenants/<slug:name>/members/", members.member_list, name="members"),
    path("tenants/<slug:name>/members/add/", members.add, name="member_add"),
    path("tenants/<slug:name>/members/<int:pk>/", members.member, name="member"),
    path("tenants/<slug:name>/members/<int:pk>/remove/", members.remove, name="member_remove"),
    path("tenants/<slug:name>/invitations/", invitations.invitation_list, name="invitations"),
    path("tenants/<slug:name>/invitations/new/", invitations.invite, name="invite"),
    path("tenants/<slug:name>/invitations/<int:pk>/resend/", invitations.resend, name="invitation_resend"),
    path("tenants/<slug:name>/invitations/<int:pk>/revoke/", invitations.revoke, name="invitation_revoke"),
    path("tenants/<slug:name>/exceptions/", grants.grant_list, name="grants"),
    path("tenants/<slug:name>/exceptions/new/", grants.create, name="grant_create"),
    path("tenants/<slug:name>/exceptions/<int:pk>/end/", grants.end, name="grant_end"),
    path("invitations/<str:token>/", acceptance.accept, name="accept"),
]

urlpatterns = [
    path("preferences/", people.preferences, name="preferences"),
    path("preferences/language/", people.language, name="language"),
    path("preferences/appearance/", people.appearance, name="appearance"),
    path("preferences/tokens/", tokens.token_list, name="tokens"),
    path("preferences/tokens/<int:pk>/revoke/", tokens.revoke, name="token_revoke"),
    path("", include((of_tenants, "tenants"))),
]
