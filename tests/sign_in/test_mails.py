"""A new password by mail, sent through a real SMTP server on loopback."""

import re
import socket
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from django.test import Client

pytestmark = pytest.mark.django_db

FORGOTTEN = "/sign-in/forgotten/"


class Box:
    """Keeps what it is sent."""

    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((envelope.rcpt_tos, mail["Subject"], mail.get_content()))
        return "250 kept"


@pytest.fixture
def box(settings):
    box = Box()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    settings.MAIL_URL = "smtp://"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    yield box
    server.stop()


@pytest.fixture
def li(person):
    person.email = "li.wei@example.com"
    person.save()
    return person


def link_in(box):
    return re.search(r"http://testserver(/\S+)", box.mails[-1][2]).group(1)


def ask(client, address="li.wei@example.com"):
    return client.post(FORGOTTEN, {"email": address})


def test_known_and_unknown_addresses_are_answered_alike(client, li, box):
    known, unknown = ask(client), ask(Client(), "nobody@example.com")
    assert (known.status_code, known["Location"]) == (303, f"{FORGOTTEN}sent/")
    assert (unknown.status_code, unknown["Location"]) == (known.status_code, known["Location"])
    # Both had a mail sent, so that the time it takes tells nothing either.
    assert [to for to, _, _ in box.mails] == [["li.wei@example.com"], ["nobody@example.com"]]
    assert "http" not in box.mails[1][2]


def test_the_link_of_the_mail_sets_a_new_password(client, li, box, enter, events):
    elsewhere = Client()
    enter("person", to=elsewhere)
    ask(client)
    page = client.get(link_in(box), follow=True)
    address = page.redirect_chain[-1][0]
    # The key itself is not in the address of the page: it would go out as the Referer.
    assert address.endswith("-set-password/")
    data = {"password1": "a-brand-new-one", "password2": "a-brand-new-one"}
    response = client.post(address, data)
    assert (response.status_code, response["Location"]) == (303, "/sign-in/")
    assert "Password changed." in client.get("/sign-in/").content.decode()
    assert elsewhere.get("/preferences/").status_code == 302
    assert enter("person").status_code == 422
    assert enter("person", "a-brand-new-one").status_code == 303
    assert events("user.password_reset")


def test_the_link_is_good_once(client, li, box):
    ask(client)
    link = link_in(box)
    address = client.get(link)["Location"]
    client.post(address, {"password1": "a-brand-new-one", "password2": "a-brand-new-one"})
    assert "no longer good" in Client().get(link).content.decode()


def test_a_link_that_is_made_up_opens_nothing(client, li):
    response = client.get(f"{FORGOTTEN}1-abc-0123456789abcdef/")
    assert "no longer good" in response.content.decode()


def test_the_rules_for_passwords_hold_here_too(client, li, box):
    ask(client)
    address = client.get(link_in(box))["Location"]
    response = client.post(address, {"password1": "1234567890", "password2": "1234567890"})
    assert response.status_code == 422
    li.refresh_from_db()
    assert li.check_password("a-long-password")


def test_a_one_time_password_is_done_with_after_a_reset(client, li, box):
    li.must_change_password = True
    li.save()
    ask(client)
    address = client.get(link_in(box))["Location"]
    client.post(address, {"password1": "a-brand-new-one", "password2": "a-brand-new-one"})
    li.refresh_from_db()
    assert not li.must_change_password


def test_somebody_switched_off_gets_no_link(client, li, box):
    li.is_active = False
    li.save()
    ask(client)
    assert "http" not in box.mails[0][2]


def test_the_mail_is_in_the_language_of_its_reader(client, li, box):
    li.language = "zh-hans"
    li.save()
    ask(client)
    assert box.mails[0][1] == "为 KCloud 设置新密码"
    assert "请在此设置" in box.mails[0][2]


def test_a_mail_server_that_is_away_is_said_and_can_be_tried_again(client, li, settings):
    settings.MAIL_URL = "smtp://"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    for address in ("li.wei@example.com", "nobody@example.com"):
        response = ask(client, address)
        assert response.status_code == 503
        assert "The mail could not be sent." in response.content.decode()


def test_without_mail_the_page_says_whom_to_ask(client, settings):
    settings.MAIL_URL = ""
    page = client.get(FORGOTTEN).content.decode()
    assert "This portal sends no mail" in page
    assert '<form class="card"' not in page


def test_one_address_is_mailed_five_times_a_minute_at_most(client, li, box):
    codes = [ask(client).status_code for _ in range(6)]
    assert codes == [303] * 5 + [429]
    assert len(box.mails) == 5


@pytest.mark.parametrize("address", ["", "no address", "a@b\nBcc: c@d.example"])
def test_what_is_no_address_is_refused_with_the_field_marked(client, box, address):
    response = ask(client, address)
    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.content.decode()
    assert box.mails == []
