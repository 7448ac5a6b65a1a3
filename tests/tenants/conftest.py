"""Mail servers, environments to grant exceptions on, and links of invitations."""

import re
import socket

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message


class Letterbox(Message):
    """What a mail server took; `refuses` is the answer to every further recipient."""

    def __init__(self):
        super().__init__()
        self.mails, self.refuses = [], ""

    def handle_message(self, message):
        self.mails.append(message)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"


@pytest.fixture
def letterbox(settings):
    """A real SMTP server on a free port, which the portal sends its mails to."""
    box = Letterbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.MAIL_URL = "smtp://127.0.0.1"
    yield box
    server.stop()


def link_in(mail):
    """The address an invitation's mail tells to open."""
    text = mail.get_payload(decode=True).decode()
    return re.search(r"https?://\S+", text).group()


@pytest.fixture
def environment(tenant):
    return environment_of(tenant)


def environment_of(tenant, name="dev"):
    from clusters.models import Cluster, Environment

    cluster, _ = Cluster.objects.get_or_create(name="east", defaults={"state": "ready"})
    return Environment.objects.create(
        tenant=tenant, cluster=cluster, name=name, namespace=f"{tenant.name}-{name}"
    )
