"""Secrets at rest open only for the row they were sealed for, under the key they were sealed with."""

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcloud_site.tenants.encryption import SecretUnreadable, seal, unseal

ROW = "clusters.Credential:lab:secret"


@given(st.binary(max_size=4096), st.text(max_size=80))
def test_what_is_sealed_opens_for_the_same_row(secret, row):
    assert unseal(seal(secret, identity=row), identity=row) == secret


def test_a_ciphertext_moved_to_another_row_does_not_open():
    with pytest.raises(SecretUnreadable, match="other-row"):
        unseal(seal(b"secret", identity=ROW), identity="other-row")


@given(st.integers(min_value=0))
def test_a_changed_byte_does_not_open(position):
    sealed = bytearray(seal(b"secret", identity=ROW))
    sealed[position % len(sealed)] ^= 1
    with pytest.raises(SecretUnreadable):
        unseal(bytes(sealed), identity=ROW)


@pytest.mark.parametrize("cut", range(0, 30, 3))
def test_a_truncated_ciphertext_does_not_open(cut):
    with pytest.raises(SecretUnreadable):
        unseal(seal(b"secret", identity=ROW)[:cut], identity=ROW)


def test_another_master_key_does_not_open_it_and_the_message_says_which_setting(settings):
    sealed = seal(b"secret", identity=ROW)
    settings.MASTER_KEY = base64.b64encode(os.urandom(32)).decode()
    with pytest.raises(SecretUnreadable, match="master key"):
        unseal(sealed, identity=ROW)


def test_the_same_secret_never_looks_the_same_twice():
    assert seal(b"secret", identity=ROW) != seal(b"secret", identity=ROW)
    assert b"secret" not in seal(b"secret", identity=ROW)
