"""Wake-ups through a real Redis with real workers; it is killed, frozen and brought back, and nothing is lost."""

import os
import subprocess
import sys

import pytest
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import OrmQ

from kcloud_site.operations import broker, portal, queue
from kcloud_site.operations.models import Portal, State
from tests import redis_server
from tests.operations import processes
from tests.operations.pools import ended, pool, pool_and_clock, request
from tests.operations.sample_kinds import registered, step


@pytest.fixture
def redis(real_database, monkeypatch):
    """A running server that this process, and what it forks, has in its settings."""
    if why := redis_server.missing():
        pytest.skip(why)
    server = redis_server.Server()
    monkeypatch.setattr(Conf, "REDIS", server.url)
    monkeypatch.setattr(Conf, "BROKER_CLASS", "kcloud_site.operations.broker.RedisOrDatabase")
    monkeypatch.setattr(broker, "_breaker", broker._Breaker())
    server.start()
    yield server
    server.close()


@pytest.fixture
def work():
    with registered("test.work", [step("one")]):
        yield


def pushed(server):
    """How many wake-ups this server has been given since it started."""
    return server.client.info("commandstats").get("cmdstat_rpush", {"calls": 0})["calls"]


def carried_out(operation):
    processes.until(lambda: ended(operation))
    return (operation.state, operation.attempts) == (State.SUCCEEDED, 1)


def waiting(server):
    return sum(server.client.llen(name) for name in server.client.keys("kcloud:*"))


def test_a_request_is_carried_out_through_redis_alone(redis, work):
    with pool():  # and no clock
        assert carried_out(request())
    assert pushed(redis) == 1
    assert not OrmQ.objects.exists()


def test_a_wake_up_waits_in_redis_for_the_workers_to_start(redis, work):
    operation = request()
    assert waiting(redis) == 1
    with pool():
        assert carried_out(operation)
    assert waiting(redis) == 0


def test_what_redis_held_when_it_was_killed_is_woken_by_the_clock(redis, work):
    operations = [request(number) for number in range(3)]
    assert waiting(redis) == 3
    redis.kill()
    with pool_and_clock():
        assert all(carried_out(operation) for operation in operations)


def test_workers_go_on_through_the_database_and_return_to_redis(redis, work):
    with pool():  # and no clock: the wake-ups themselves arrive
        assert carried_out(request(1))
        redis.kill()
        assert carried_out(request(2))
        redis.start()
        processes.until(lambda: queue.wake(0, "default") or pushed(redis))  # nobody's operation
        before = pushed(redis)
        assert carried_out(request(3))
    assert pushed(redis) == before + 1


def test_workers_start_while_redis_is_away(redis, work):
    redis.kill()
    with pool():
        assert carried_out(request(1))
        redis.start()
        processes.until(lambda: queue.wake(0, "default") or pushed(redis))
        assert carried_out(request(2))


def test_a_redis_that_says_nothing_keeps_nobody_waiting_for_ever(redis, work):
    with pool_and_clock():
        assert carried_out(request(1))
        redis.freeze()
        try:
            assert carried_out(request(2))
        finally:
            redis.thaw()
        assert carried_out(request(3))


def test_a_process_leaves_a_redis_that_is_away_alone_for_a_while(redis, caplog):
    redis.kill()
    for _number in range(20):
        queue.wake(0, "default")
    assert OrmQ.objects.count() == 20
    assert sum("Redis is away" in record.message for record in caplog.records) == 1


def test_portals_that_share_a_redis_take_only_their_own(redis, work):
    queue.wake(0, "default")  # another portal's, which nobody serves
    foreign = f"kcloud:{portal.identity()}:default"
    Portal.objects.all().delete()
    with pool():
        assert carried_out(request())
    assert redis.client.llen(foreign) == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "ORM"),
        ("redis://127.0.0.1:1/0", "RedisOrDatabase"),
    ],
)
def test_the_address_of_a_redis_is_all_it_takes(tmp_path, url, expected):
    home = {"KCLOUD_HOME": str(tmp_path), "KCLOUD_QUEUE_URL": url, "DATABASE_URL": "sqlite://"}
    code = (
        "import django; django.setup();"
        "from django.core.management import call_command; call_command('migrate', verbosity=0);"
        "from django_q.brokers import get_broker; print(type(get_broker()).__name__)"
    )
    environment = {**os.environ, **home, "DJANGO_SETTINGS_MODULE": "kcloud_site.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == expected


def test_each_queue_has_a_list_of_its_own(redis):
    lists = {get_broker(name)._list for name in ("default", "provisioning")}
    assert lists == {f"kcloud:{portal.identity()}:{name}" for name in ("default", "provisioning")}
