"""Idempotency-Key: a request that is sent again does nothing again."""

import datetime

import pytest
from django.utils import timezone

from clusters.models import Region
from kcloud_site.audit.models import AuditEvent
from kcloud_site.rest import idempotency
from kcloud_site.rest.models import IdempotentRequest
from kcloud_site.tenants.models import ApiToken

EAST = {"name": "east", "spec": {"title": "East"}}


def test_the_same_key_and_request_give_the_same_answer(api):
    first = api.post("regions", EAST, Idempotency_Key="k1")
    again = api.post("regions", EAST, Idempotency_Key="k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert (again["Location"], again["ETag"]) == (first["Location"], first["ETag"])
    assert again["Idempotency-Replayed"] == "true"
    assert AuditEvent.objects.filter(action="region.create").count() == 1


@pytest.mark.parametrize(("path", "body"), [("regions", {"name": "west"}), ("tenants", EAST)])
def test_the_same_key_with_another_request_is_refused(api, path, body):
    api.post("regions", EAST, Idempotency_Key="k1")
    answer = api.post(path, body, Idempotency_Key="k1")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert Region.objects.count() == 1


def test_keys_of_two_tokens_have_nothing_to_do_with_each_other(api, program, operator):
    api.post("regions", EAST, Idempotency_Key="k1")
    answer = program(operator, name="second").post("regions", EAST, Idempotency_Key="k1")
    assert answer.json()["code"] == "value_refused"


def test_a_refused_request_may_be_sent_again(api):
    bad = api.post("regions", {"name": "Not A Name"}, Idempotency_Key="k1")
    assert bad.status_code == 422
    assert api.post("regions", EAST, Idempotency_Key="k1").status_code == 201


def test_a_request_still_at_work_is_409(api):
    token = ApiToken.objects.get()
    api.post("regions", EAST, Idempotency_Key="k1")
    IdempotentRequest.objects.update(status=None)
    answer = api.post("regions", EAST, Idempotency_Key="k1")
    assert (answer.status_code, answer.json()["code"]) == (409, "still_running")
    assert answer["Retry-After"]
    assert IdempotentRequest.objects.get().owner == f"token:{token.pk}"


def test_a_request_whose_process_died_does_not_block_its_key(api):
    api.post("regions", EAST, Idempotency_Key="k1")
    Region.objects.all().delete()
    IdempotentRequest.objects.update(status=None, begun_at=timezone.now() - datetime.timedelta(minutes=6))
    assert api.post("regions", EAST, Idempotency_Key="k1").status_code == 201
    assert Region.objects.count() == 1


def test_after_a_day_a_key_is_new_and_the_clock_forgets_it(api):
    api.post("regions", EAST, Idempotency_Key="k1")
    IdempotentRequest.objects.update(expires_at=timezone.now() - datetime.timedelta(seconds=1))
    assert api.post("regions", {"name": "west"}, Idempotency_Key="k1").status_code == 201
    IdempotentRequest.objects.update(expires_at=timezone.now() - datetime.timedelta(seconds=1))
    assert idempotency.prune() == 1
    assert not IdempotentRequest.objects.exists()


@pytest.mark.parametrize("key", ["", "with space", "x" * 201, "sch\u00f6n"])
def test_what_is_no_key_is_refused(api, key):
    answer = api.post("regions", EAST, Idempotency_Key=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_unusable")


def test_a_secret_is_not_kept_for_the_second_answer(api):
    wanted = {"name": "ci", "spec": {"role": "viewer"}}
    secret = api.post("tokens", wanted, Idempotency_Key="k1").json()["secret"]
    again = api.post("tokens", wanted, Idempotency_Key="k1")
    assert (again.status_code, again.json()["secret"]) == (201, None)
    assert secret not in str(IdempotentRequest.objects.values().get())
