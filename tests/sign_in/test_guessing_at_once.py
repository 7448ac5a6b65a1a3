"""Many guesses at the same moment, on a real database of each kind."""

from concurrent.futures import ThreadPoolExecutor

from django.db import connection
from django.utils import timezone

from kcloud_site.sign_in import services
from kcloud_site.sign_in.errors import TooManyTries


def guess(_):
    """Whether a password would have been looked at."""
    try:
        services.begin_try(name="person", address="192.0.2.7", now=timezone.now())
        return True
    except TooManyTries:
        return False
    finally:
        connection.close()


def test_many_guesses_at_once_are_no_more_than_many_in_turn(real_database):
    with ThreadPoolExecutor(8) as pool:
        looked_at = sum(pool.map(guess, range(24)))
    assert 0 < looked_at <= services.TRIES
