"""People are asked by mail to join: a link that works once, for a week, and of which only a hash is kept."""

from datetime import timedelta

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.utils import timezone

from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants.errors import AlreadyInvited, AlreadyMember, InvitationGone, NameTaken, TenantClosed
from kcloud_site.tenants.models import Invitation, Membership, User
from kcloud_site.tenants.services import invitations, tenants
from tests.tenants.conftest import link_in

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


def address(token):
    return f"https://kcloud.example.com/invitations/{token}/"


def token_in(sent):
    return sent.link.rstrip("/").rpartition("/")[2]


@pytest.fixture
def invite(tenant, operator):
    def asking(email="new@example.com", role="developer", **other):
        return invitations.invite_person(
            **{
                "tenant": tenant,
                "email": email,
                "role": role,
                "by": operator,
                "address": address,
                **other,
            }
        )

    return asking


def test_the_mail_server_gets_a_mail_with_the_link(letterbox, invite):
    sent = invite()
    (mail,) = letterbox.mails
    assert (mail["To"], mail["Subject"]) == ("new@example.com", "Invitation to Retail on KCloud")
    assert link_in(mail) == sent.link
    assert sent.why_not_mailed == ""
    assert Invitation.objects.get().mailed_at is not None


def test_only_a_hash_of_the_token_is_kept(invite):
    token = token_in(invite())
    assert len(token) >= 43
    stored = [str(value) for row in Invitation.objects.values() for value in row.values()]
    told = [str(value) for row in AuditEvent.objects.values() for value in row.values()]
    assert not any(token in value for value in stored + told)


def test_a_mail_that_is_refused_does_not_lose_the_invitation(letterbox, invite):
    letterbox.refuses = "550 No such person here"
    sent = invite()
    assert "refused the address: No such person here" in sent.why_not_mailed
    assert Invitation.objects.get().mailed_at is None
    assert invitations.find_open(token_in(sent)).email == "new@example.com"


def test_a_mail_server_that_is_away_does_not_lose_the_invitation(letterbox, invite, settings):
    settings.EMAIL_PORT = 1
    sent = invite()
    assert "cannot be reached" in sent.why_not_mailed
    assert invitations.find_open(token_in(sent))


def test_without_a_mail_server_the_mail_is_kept_as_a_file(invite, settings, tmp_path):
    settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = (
        "django.core.mail.backends.filebased.EmailBackend",
        str(tmp_path),
    )
    sent = invite()
    assert "No mail server is set" in sent.why_not_mailed
    (kept,) = tmp_path.iterdir()
    assert sent.link in kept.read_text()


def test_a_title_with_a_line_break_adds_no_header(letterbox, invite, tenant):
    tenant.title = "Retail\nBcc: everybody@example.com"
    invite()
    assert letterbox.mails[0]["Bcc"] is None


def test_an_invitation_is_recorded_as_the_tenants(invite, tenant):
    invite()
    event = AuditEvent.objects.get(action="invitation.create")
    assert (event.tenant_id, event.after) == (tenant.pk, {"email": "new@example.com", "role": "developer"})


def test_an_address_is_invited_once(invite):
    invite()
    with pytest.raises(AlreadyInvited, match="invited already") as refused:
        invite(email="New@Example.com")
    assert refused.value.field == "email"
    assert Invitation.objects.count() == 1


def test_after_its_week_an_address_is_invited_anew(invite):
    old = token_in(invite())
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=1)):
        new = token_in(invite())
        assert invitations.find_open(new)
        with pytest.raises(InvitationGone):
            invitations.find_open(old)


def test_a_member_is_not_invited(invite, tenant, join):
    join(tenant, "viewer")
    with pytest.raises(AlreadyMember, match="retail-viewer has this address") as refused:
        invite(email="RETAIL-viewer@example.com")
    assert refused.value.field == "email"


def test_nobody_is_invited_into_a_closed_tenant(invite, tenant, operator, letterbox):
    tenants.close_tenant(tenant=tenant, by=operator, reason="merged")
    with pytest.raises(TenantClosed):
        invite()
    assert letterbox.mails == []


def test_a_person_who_accepts_has_the_role(invite, person, tenant):
    invitations.accept_invitation(token=token_in(invite()), user=person)
    assert Membership.objects.get(user=person, tenant=tenant).role == "developer"
    invitation = Invitation.objects.get()
    assert (invitation.accepted_by, invitation.accepted_at is not None) == ("person", True)
    told = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"invitation.accept", "member.add"} <= told
    assert AuditEvent.objects.get(action="member.add").reason == "Invited by operator"


def spoil(how, sent, operator):
    """Make the link of an invitation one that opens nothing."""
    if how == "used":
        user = User.objects.create_user("first")
        invitations.accept_invitation(token=token_in(sent), user=user)
    elif how == "revoked":
        invitations.revoke_invitation(invitation=sent.invitation, by=operator)
    elif how == "expired":
        Invitation.objects.update(expires_at=timezone.now())
    elif how == "sent again":
        invitations.resend_invitation(invitation=sent.invitation, by=operator, address=address)
    elif how == "closed tenant":
        tenants.close_tenant(tenant=sent.invitation.tenant, by=operator, reason="merged")
    return "x" * 43 if how == "unknown" else token_in(sent)


SPOILT = ["unknown", "used", "revoked", "expired", "sent again", "closed tenant"]


@pytest.mark.parametrize("how", SPOILT)
def test_a_link_that_is_not_open_opens_nothing_and_does_not_say_why(invite, person, operator, how):
    token = spoil(how, invite(), operator)
    with pytest.raises(InvitationGone) as refused:
        invitations.accept_invitation(token=token, user=person)
    assert str(refused.value) == "This invitation is not open any more. Ask for a new one."
    with pytest.raises(InvitationGone):
        invitations.accept_as_new_person(token=token, username="n", password=PASSWORD)
    assert not Membership.objects.filter(user=person).exists()
    assert not User.objects.filter(username="n").exists()


def test_somebody_new_chooses_name_and_password(invite, tenant):
    member = invitations.accept_as_new_person(
        token=token_in(invite()), username="lin", password=PASSWORD, first_name="Lin"
    )
    user = User.objects.get(username="lin")
    assert member.user == user
    assert user.check_password(PASSWORD)
    assert (user.email, user.is_staff, user.is_auditor) == ("new@example.com", False, False)


def test_a_taken_name_leaves_the_invitation_open(invite, person):
    token = token_in(invite())
    with pytest.raises(NameTaken) as refused:
        invitations.accept_as_new_person(token=token, username="person", password=PASSWORD)
    assert refused.value.field == "username"
    assert invitations.find_open(token)
    assert not Membership.objects.exists()


def test_a_weak_password_is_refused_and_nothing_is_made(invite):
    token = token_in(invite())
    with pytest.raises(ValidationError):
        invitations.accept_as_new_person(token=token, username="lin", password="password")
    assert not User.objects.filter(username="lin").exists()
    assert invitations.find_open(token)


def test_a_member_who_follows_a_link_keeps_the_role_and_the_invitation_stays(invite, tenant, join):
    viewer = join(tenant, "viewer")
    token = token_in(invite())
    with pytest.raises(AlreadyMember):
        invitations.accept_invitation(token=token, user=viewer)
    assert Membership.objects.get().role == "viewer"
    assert invitations.find_open(token)


def test_sending_again_makes_a_new_link_for_another_week(letterbox, invite, operator):
    sent = invite()
    with time_machine.travel(timezone.now() + timedelta(days=6)):
        again = invitations.resend_invitation(invitation=sent.invitation, by=operator, address=address)
    assert [link_in(mail) for mail in letterbox.mails] == [sent.link, again.link]
    with time_machine.travel(timezone.now() + timedelta(days=12)):
        assert invitations.find_open(token_in(again))


@pytest.mark.parametrize("how", ["used", "revoked"])
def test_what_is_over_is_neither_sent_again_nor_revoked(invite, operator, how):
    sent = invite()
    spoil(how, sent, operator)
    with pytest.raises(InvitationGone):
        invitations.resend_invitation(invitation=sent.invitation, by=operator, address=address)
    with pytest.raises(InvitationGone):
        invitations.revoke_invitation(invitation=sent.invitation, by=operator)
