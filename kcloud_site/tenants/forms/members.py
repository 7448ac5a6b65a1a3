"""Forms about members: finding, inviting, adding, changing, exceptions, and accepting an invitation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.contrib.auth.password_validation import password_validators_help_text_html, validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from kcloud_site.tenants.models import Membership, User
from kcloud_site.tenants.models.tenants import ROLE_CHOICES
from kcloud_site.tenants.roles import GRANTABLE, RIGHTS


class MemberFilter(forms.Form):
    """Of the list."""

    q = forms.CharField(label=_("Name or address"), required=False, max_length=100)
    role = forms.ChoiceField(label=_("Role"), required=False, choices=[("", _("Any role")), *ROLE_CHOICES])


class Invite(forms.Form):
    """Whom to ask, and as what."""

    email = forms.EmailField(
        label=_("E-mail address"), help_text=_("The person gets a link that works once, for 7 days.")
    )
    role = forms.ChoiceField(label=_("Role"), choices=ROLE_CHOICES)


class AddMember(forms.Form):
    """Somebody who has an account already."""

    user = forms.CharField(label=_("Sign-in name"), max_length=150)
    role = forms.ChoiceField(label=_("Role"), choices=ROLE_CHOICES)

    def clean_user(self) -> User:
        found = User.objects.filter(username=self.cleaned_data["user"], is_active=True).first()
        if found is None:
            raise ValidationError(_("Nobody signs in with this name. Invite the person by mail instead."))
        return found


class ChangeRole(forms.Form):
    """Another role, and why."""

    role = forms.ChoiceField(label=_("Role"), choices=ROLE_CHOICES)
    reason = forms.CharField(label=_("Why"), required=False, max_length=500)


class _PersonField(forms.ModelChoiceField):
    """People by the name others read."""

    def label_from_instance(self, obj: Any) -> str:
        return str(obj.display_name)


class NewGrant(forms.Form):
    """One person, one right, one object, until a date. `things`: the rows it may be about."""

    user = _PersonField(label=_("Member"), queryset=User.objects.none())
    thing = forms.ChoiceField(label=_("Object"))
    right = forms.ChoiceField(label=_("Right"))
    expires_at = forms.DateTimeField(
        label=_("Until"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=_("In your time zone. The exception ends by itself at this moment."),
    )
    reason = forms.CharField(label=_("Why"), max_length=500)

    def __init__(
        self, *args: Any, members: Iterable[Membership], things: Iterable[models.Model], **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.things = {f"{thing._meta.label_lower}:{thing.pk}": thing for thing in things}
        person = cast(forms.ModelChoiceField, self.fields["user"])
        person.queryset = User.objects.filter(pk__in=[member.user_id for member in members])
        cast(forms.ChoiceField, self.fields["thing"]).choices = [
            (key, f"{thing._meta.verbose_name} {getattr(thing, 'name', thing)}")
            for key, thing in self.things.items()
        ]
        rights = dict.fromkeys(right for rights in GRANTABLE.values() for right in rights)
        cast(forms.ChoiceField, self.fields["right"]).choices = [(right, RIGHTS[right]) for right in rights]

    def clean_thing(self) -> models.Model:
        return self.things[self.cleaned_data["thing"]]


class NewAccount(forms.Form):
    """Somebody without an account chooses a name and a password."""

    username = forms.CharField(
        label=_("Sign-in name"),
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
        help_text=_("Letters, digits and @ . + - _ only."),
    )
    full_name = forms.CharField(
        label=_("Your name"),
        required=False,
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        help_text=_("As others will read it."),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=password_validators_help_text_html(),
    )
    again = forms.CharField(
        label=_("Password once more"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        password, again = data.get("password"), data.get("again")
        if password and again and password != again:
            self.add_error("again", _("The two passwords differ. Type the same one twice."))
        if password:
            self._check(password, data)
        return data

    def _check(self, password: str, data: dict[str, Any]) -> None:
        person = User(username=data.get("username", ""), first_name=data.get("full_name", ""))
        try:
            validate_password(password, person)
        except ValidationError as error:
            self.add_error("password", error)
