"""Addresses of the door and of what protects an account.

Names beginning with account_, mfa_, usersessions_ and openid_connect_ are those the sign-in library looks up. Its own
list of addresses is not used: what is not here (signing oneself up, other providers) cannot be reached.
"""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from kcloud_site.sign_in.views import entrance, passwords, security, sessions


class Base36Converter(StringConverter):
    """A person's id in the link of a mail."""

    regex = "[0-9A-Za-z]+"


register_converter(Base36Converter, "base36")

_sign_in = entrance.SignIn.as_view()
_sign_out = entrance.SignOut.as_view()
_change_password = passwords.ChangePassword.as_view()

urlpatterns = [
    path("sign-in/", _sign_in, name="login"),
    path("sign-in/", _sign_in, name="account_login"),
    path("sign-out/", _sign_out, name="logout"),
    path("sign-out/", _sign_out, name="account_logout"),
    path("sign-in/off/", entrance.SwitchedOff.as_view(), name="account_inactive"),
    path("sign-in/code/", entrance.Code.as_view(), name="mfa_authenticate"),
    path("sign-in/passkey/", entrance.ByPasskey.as_view(), name="mfa_login_webauthn"),
    path("sign-in/company/", entrance.company, name="company_sign_in"),
    path("sign-in/<slug:provider_id>/back/", entrance.company_back, name="openid_connect_callback"),
    path("sign-in/forgotten/", passwords.Forgotten.as_view(), name="account_reset_password"),
    path("sign-in/forgotten/sent/", passwords.ForgottenSent.as_view(), name="account_reset_password_done"),
    path(
        "sign-in/forgotten/<base36:uidb36>-<key>/",
        passwords.Reset.as_view(),
        name="account_reset_password_from_key",
    ),
    path("sign-in/again/", security.Again.as_view(), name="account_reauthenticate"),
    path("sign-in/again/code/", security.AgainByCode.as_view(), name="mfa_reauthenticate"),
    path("sign-in/again/passkey/", security.AgainByPasskey.as_view(), name="mfa_reauthenticate_webauthn"),
    path("preferences/password/", _change_password, name="password_change"),
    path("preferences/password/", _change_password, name="account_change_password"),
    path("preferences/security/", security.security, name="mfa_index"),
    path("preferences/security/app/", security.AddApp.as_view(), name="mfa_activate_totp"),
    path("preferences/security/app/remove/", security.RemoveApp.as_view(), name="mfa_deactivate_totp"),
    path("preferences/security/passkeys/add/", security.AddPasskey.as_view(), name="mfa_add_webauthn"),
    path(
        "preferences/security/passkeys/<int:pk>/", security.RenamePasskey.as_view(), name="mfa_edit_webauthn"
    ),
    path(
        "preferences/security/passkeys/<int:pk>/remove/",
        security.RemovePasskey.as_view(),
        name="mfa_remove_webauthn",
    ),
    path("preferences/security/codes/", security.RecoveryCodes.as_view(), name="mfa_view_recovery_codes"),
    path(
        "preferences/security/codes/new/",
        security.NewRecoveryCodes.as_view(),
        name="mfa_generate_recovery_codes",
    ),
    path(
        "preferences/security/codes/file/",
        security.RecoveryCodesFile.as_view(),
        name="mfa_download_recovery_codes",
    ),
    path("preferences/sessions/", sessions.sessions, name="usersessions_list"),
    path("preferences/sessions/end-others/", sessions.end_other_sessions, name="end_other_sessions"),
    path("preferences/sessions/<int:pk>/end/", sessions.end_session, name="end_session"),
]
