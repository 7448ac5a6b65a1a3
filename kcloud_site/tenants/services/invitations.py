"""Asking people by mail to join a tenant.

Errors: AlreadyInvited, AlreadyMember, InvitationGone, NameTaken, TenantClosed.

The mail's address holds a token that opens the invitation once, for a week; the database keeps its hash only. A mail
that cannot be sent loses nothing: the invitation stays, and `Sent.link` is what the inviter may hand over.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

from kcloud_site.audit import trail
from kcloud_site.tenants.adapters import mail
from kcloud_site.tenants.errors import (
    AlreadyInvited,
    AlreadyMember,
    InvitationGone,
    MailNotSent,
    NameTaken,
)
from kcloud_site.tenants.models import Invitation, Membership, Tenant, User
from kcloud_site.tenants.services.members import add_member
from kcloud_site.tenants.services.tenants import refuse_closed

LASTS = timedelta(days=7)

# From a token to the address of the page that accepts it.
Address = Callable[[str], str]


@dataclass(frozen=True)
class Sent:
    """An invitation on its way: the only copy of its link, and why no mail carries it (empty: one does)."""

    invitation: Invitation
    link: str
    why_not_mailed: str = ""


def invite_person(*, tenant: Tenant, email: str, role: str, by: Any, address: Address) -> Sent:
    """Invite somebody and mail the link. Raises AlreadyInvited, AlreadyMember, TenantClosed."""
    token = secrets.token_urlsafe(32)
    invitation = _write(tenant=tenant, email=email, role=role, token=token, by=by)
    return _mail(invitation, address(token), by)


def resend_invitation(*, invitation: Invitation, by: Any, address: Address) -> Sent:
    """A new link, good for another week; the old one opens nothing any more. Raises InvitationGone, TenantClosed."""
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        refuse_closed(invitation.tenant)
        _change_open(invitation, token_hash=hash_of(token), expires_at=timezone.now() + LASTS, mailed_at=None)
        trail.record(by=by, action="invitation.resend", subject=_subject(invitation))
    return _mail(invitation, address(token), by)


@transaction.atomic
def revoke_invitation(*, invitation: Invitation, by: Any) -> Invitation:
    """Its link opens nothing any more. Raises InvitationGone when it was accepted or revoked before."""
    _change_open(invitation, revoked_at=timezone.now())
    trail.record(by=by, action="invitation.revoke", subject=_subject(invitation))
    return invitation


@transaction.atomic
def accept_invitation(*, token: str, user: User) -> Membership:
    """The person at the screen joins. Raises InvitationGone, AlreadyMember."""
    return _join(find_open(token), user)


@transaction.atomic
def accept_as_new_person(
    *, token: str, username: str, password: str, first_name: str = "", last_name: str = ""
) -> Membership:
    """Make an account and join with it. Raises InvitationGone, NameTaken; ValidationError for a weak password."""
    invitation = find_open(token)
    user = User(username=username, email=invitation.email, first_name=first_name, last_name=last_name)
    validate_password(password, user)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise NameTaken(
            _("Somebody is called %(name)s already. Choose another name.") % {"name": username},
            field="username",
        ) from None
    trail.record(by=user, action="user.create", subject=user, reason=_invited_by(invitation))
    return _join(invitation, user)


def find_open(token: str) -> Invitation:
    """The invitation a token opens. Raises InvitationGone, the same for every reason."""
    found = Invitation.objects.select_related("tenant").filter(
        token_hash=hash_of(token),
        accepted_at__isnull=True,
        revoked_at__isnull=True,
        expires_at__gt=timezone.now(),
        tenant__closed_at__isnull=True,
    )
    invitation = found.first()
    if invitation is None:
        raise _gone()
    return invitation


def hash_of(token: str) -> str:
    """What the database keeps of a token: it has 256 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def _write(*, tenant: Tenant, email: str, role: str, token: str, by: Any) -> Invitation:
    refuse_closed(tenant)
    member = (
        Membership.objects.filter(tenant=tenant, user__email__iexact=email).select_related("user").first()
    )
    if member is not None:
        raise AlreadyMember(
            _("%(user)s has this address and is a member already. Change the role in the list of members.")
            % {"user": member.user.display_name},
            field="email",
        )
    _retire_expired(tenant, email)
    try:
        with transaction.atomic():
            invitation = Invitation.objects.create(
                tenant=tenant,
                email=email,
                role=role,
                token_hash=hash_of(token),
                invited_by=trail.Actor.of(by).name,
                expires_at=timezone.now() + LASTS,
            )
    except IntegrityError:
        raise AlreadyInvited(
            _("%(email)s is invited already. Send the invitation again from the list, or revoke it.")
            % {"email": email},
            field="email",
        ) from None
    trail.record(
        by=by, action="invitation.create", subject=_subject(invitation), after={"email": email, "role": role}
    )
    return invitation


def _retire_expired(tenant: Tenant, email: str) -> None:
    """An invitation nobody took in its week does not stand in the way of a new one."""
    now = timezone.now()
    old = Invitation.objects.filter(tenant=tenant, email__iexact=email, accepted_at__isnull=True)
    old.filter(revoked_at__isnull=True, expires_at__lte=now).update(revoked_at=now)


def _mail(invitation: Invitation, link: str, by: Any) -> Sent:
    """Outside any transaction: a mail server may take seconds."""
    said = {"invitation": invitation, "tenant": invitation.tenant, "link": link, "inviter": _name_of(by)}
    try:
        mail.send(
            to=invitation.email,
            subject=_("Invitation to %(tenant)s on KCloud") % {"tenant": invitation.tenant},
            text=render_to_string("tenants/email/invitation.txt", said),
        )
    except MailNotSent as error:
        return Sent(invitation, link, str(error))
    if not mail.is_delivered():
        return Sent(
            invitation, link, _("No mail server is set, so the mail was only kept as a file of the portal.")
        )
    invitation.mailed_at = timezone.now()
    Invitation.objects.filter(pk=invitation.pk).update(mailed_at=invitation.mailed_at)
    return Sent(invitation, link)


def _join(invitation: Invitation, user: User) -> Membership:
    _change_open(invitation, accepted_at=timezone.now(), accepted_by=user.get_username())
    try:
        member = add_member(
            tenant=invitation.tenant,
            user=user,
            role=invitation.role,
            by=user,
            reason=_invited_by(invitation),
        )
    except AlreadyMember as error:
        raise AlreadyMember(
            _("You are a member of %(tenant)s already.") % {"tenant": invitation.tenant}
        ) from error
    trail.record(by=user, action="invitation.accept", subject=_subject(invitation))
    return member


def _change_open(invitation: Invitation, **fields: Any) -> None:
    """Of two who change an open invitation at once, the second meets InvitationGone."""
    still_open = Invitation.objects.filter(
        pk=invitation.pk, token_hash=invitation.token_hash, accepted_at__isnull=True, revoked_at__isnull=True
    )
    if not still_open.update(**fields):
        raise _gone()
    for name, value in fields.items():
        setattr(invitation, name, value)


def _gone() -> InvitationGone:
    return InvitationGone(_("This invitation is not open any more. Ask for a new one."))


def _invited_by(invitation: Invitation) -> str:
    return _("Invited by %(name)s") % {"name": invitation.invited_by}


def _name_of(by: Any) -> str:
    return str(getattr(by, "display_name", "") or trail.Actor.of(by).name)


def _subject(invitation: Invitation) -> trail.Subject:
    return trail.Subject("tenants.invitation", str(invitation.pk), invitation.email, invitation.tenant_id)
