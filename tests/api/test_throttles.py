"""Throttles: each token, and each address, has its share; over it 429 says how long to wait."""

import pytest
from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache


@pytest.fixture(autouse=True)
def _fresh_counts():
    caches["throttles"].clear()
    yield
    caches["throttles"].clear()


def test_a_token_over_its_rate_waits_and_others_do_not(settings, api, program, operator):
    settings.API_RATES = {"token": "2/min", "address": "1000/min"}
    other = program(operator, name="other")
    assert [api.get("me").status_code for _ in range(3)] == [200, 200, 429]
    answer = api.get("me")
    assert answer.json()["code"] == "throttled"
    assert 0 < int(answer["Retry-After"]) <= 60
    assert other.get("me").status_code == 200


def test_an_address_that_guesses_tokens_waits(settings, client, api):
    settings.API_RATES = {"token": "1000/min", "address": "3/min"}
    guesses = [client.get("/api/v1/me", headers={"Authorization": f"Token kc_{n}"}) for n in range(5)]
    assert [answer.status_code for answer in guesses] == [401, 401, 401, 429, 429]
    assert api.get("me").status_code == 429  # from the same address


def test_what_an_address_claims_to_be_is_not_believed(settings, client, db):
    settings.API_RATES = {"token": "1000/min", "address": "2/min"}
    answers = [client.get("/api/v1/me", headers={"X-Forwarded-For": f"10.0.0.{n}"}) for n in range(3)]
    assert answers[-1].status_code == 429


def test_a_cache_that_is_away_throttles_nobody(monkeypatch, api):
    away = RedisCache("redis://127.0.0.1:1/0", {})
    monkeypatch.setattr("kcloud_site.rest.throttles.caches", {"throttles": away})
    assert api.get("me").status_code == 200
