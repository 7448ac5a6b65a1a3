"""Mails to people, by the mail server of the settings (KCLOUD_MAIL_URL).

`send` returns when the server has taken the mail. Without a server mails are kept as files below KCLOUD_HOME, so
nothing is lost; `is_delivered` then says no. Errors: MailNotSent, with the server's reason. No ORM.
"""

from __future__ import annotations

import smtplib

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.translation import gettext as _

from kcloud_site.tenants.errors import MailNotSent


def is_delivered() -> bool:
    """Whether a mail server is set."""
    return bool(settings.MAIL_URL)


def send(*, to: str, subject: str, text: str) -> None:
    """Send one plain text mail. Raises MailNotSent."""
    message = EmailMessage(subject=" ".join(subject.split()), body=text, to=[to])
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        _code, reason = next(iter(error.recipients.values()), (0, b""))
        raise MailNotSent(
            _("The mail server refused the address: %(reason)s") % {"reason": _readable(reason)}
        ) from error
    except smtplib.SMTPResponseException as error:
        raise MailNotSent(
            _("The mail server refused the mail: %(reason)s") % {"reason": _readable(error.smtp_error)}
        ) from error
    except (smtplib.SMTPException, OSError) as error:
        raise MailNotSent(
            _("The mail server cannot be reached: %(reason)s") % {"reason": _readable(error)}
        ) from error


def _readable(reason: object) -> str:
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    return " ".join(text.split())[:200] or type(reason).__name__
