"""Reading from a real VictoriaLogs that holds lines as its shipper writes them: the same interface as a cluster's."""

import itertools
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import urllib3

from apps.adapters.victorialogs import VictoriaLogs
from apps.errors import LogStoreUnreachable
from apps.loglines.lines import BILLION, stamp
from apps.loglines.patterns import read_pattern
from apps.loglines.query import Query
from apps.selectors import log_places
from apps.services import log_program
from tests.clusters.control_plane import free_port
from tests.operations.processes import until

NOW = int(time.time()) * BILLION


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The real program, as `manage.py logs run` starts it; answers its address with name and password."""
    program = log_program.find_program()
    if program is None:
        pytest.skip("no release bundle has victoria-logs: manage.py bundle build")
    home, address = tmp_path_factory.mktemp("logs"), f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        log_program.command(program, [address], home, "30d"), stderr=subprocess.DEVNULL
    )
    try:
        url = log_places.own_url(address, home)
        until(lambda: _is_up(address), 30)
        fill(url, SHAPE)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _is_up(address):
    try:
        return urllib3.request("GET", f"http://{address}/health", retries=False).status in (200, 401)
    except urllib3.exceptions.HTTPError:
        return False


def row(
    second, text, pod="web-1", container="web", app="web", namespace="retail-dev", cluster="shared", nano=0
):
    return {
        "_time": stamp(NOW - 600 * BILLION + second * BILLION + nano),
        "_msg": text,
        "kubernetes.pod_name": pod,
        "kubernetes.container_name": container,
        "kubernetes.pod_namespace": namespace,
        "kubernetes.pod_labels.kcloud.local/app": app,
        "kcloud.cluster": cluster,
    }


SHAPE = [
    row(1, "INFO started"),
    row(2, "WARN between", pod="web-2"),
    row(3, 'ERROR (a+b) "quoted" | limit 0', nano=5),
    row(4, "sidecar", container="side"),
    row(2, "other application", pod="db-0", app="db"),
    row(2, "other tenant", namespace="logistics-dev"),
    row(2, "same name on another cluster", cluster="other"),
]


def fill(url, rows):
    """As the shipper sends: lines of JSON. Answers once they can be read."""
    scheme, _slashes, rest = url.partition("://")
    secret, _at, address = rest.partition("@")
    headers = urllib3.make_headers(basic_auth=secret)
    streams = "kubernetes.pod_name,kubernetes.container_name,kubernetes.pod_namespace"
    body = "\n".join(json.dumps(each) for each in rows).encode()
    place = f"{scheme}://{address}/insert/jsonline?_stream_fields={streams}"
    assert urllib3.request("POST", place, body=body, headers=headers).status == 200
    urllib3.request("GET", f"{scheme}://{address}/internal/force_flush", headers=headers)


def store(url, **place):
    return VictoriaLogs(url, **{"cluster": "shared", "namespace": "retail-dev", "app": "web", **place})


def texts(page):
    return [line.text for line in page.lines]


ALL = ["INFO started", "WARN between", 'ERROR (a+b) "quoted" | limit 0', "sidecar"]


@pytest.mark.lab
def test_lines_of_one_application_in_one_place_come_by_time(server):
    page = store(server).read(Query())
    assert texts(page) == ALL
    assert [(each.pod, each.container) for each in page.streams] == [
        ("web-1", "side"),
        ("web-1", "web"),
        ("web-2", "web"),
    ]
    assert page.lines[2].point.at == NOW - 597 * BILLION + 5
    assert texts(store(server, namespace="logistics-dev").read(Query())) == ["other tenant"]
    assert texts(store(server, app='web" or "').read(Query())) == []


@pytest.mark.lab
@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"words": "BETWEEN"}, ALL[1:2]),
        ({"words": "(a+b)"}, ALL[2:3]),
        ({"words": '"quoted" | limit 0'}, ALL[2:3]),
        ({"pattern": read_pattern("^(info|warn)")}, ALL[:2]),
        ({"severity": "error"}, ALL[2:3]),
        ({"pods": ("web-2",)}, ALL[1:2]),
        ({"container": "side"}, ALL[3:]),
        ({"since": NOW - 598 * BILLION, "until": NOW - 596 * BILLION}, ALL[1:3]),
        ({"limit": 2}, ALL[2:]),
        ({"limit": 2, "oldest_first": True}, ALL[:2]),
    ],
)
def test_the_filter_means_the_same_as_everywhere(server, asked, shown):
    assert texts(store(server).read(Query(**asked))) == shown


@pytest.mark.lab
def test_following_gives_every_line_once_also_those_that_arrive_late(server):
    follow = store(server, app="follow")
    sent = [row(n, f"{pod} {n}", pod=pod, app="follow") for n in range(40) for pod in ("a", "b")]
    early = [each for each in sent if each["kubernetes.pod_name"] == "a" or each["_msg"] in ("b 0", "b 1")]
    fill(server, early)
    page = follow.read(Query(limit=7, oldest_first=True))
    seen = list(page.lines)
    for turn in itertools.count():
        if turn == 3:
            fill(server, [each for each in sent if each not in early])
        page = follow.read(Query(after=page.positions, limit=7, oldest_first=True))
        seen.extend(page.lines)
        if turn > 3 and not page.lines:
            break
    assert sorted(line.text for line in seen) == sorted(each["_msg"] for each in sent)


@pytest.mark.lab
def test_the_newest_lines_and_what_follows_fit_together(server):
    newest = store(server, app="newest")
    fill(server, [row(n, f"line {n}", app="newest") for n in range(30)])
    page = newest.read(Query(limit=5))
    assert (texts(page), page.earlier) == ([f"line {n}" for n in range(25, 30)], True)
    fill(server, [row(30, "line 30", app="newest")])
    assert texts(newest.read(Query(after=page.positions, oldest_first=True))) == ["line 30"]


@pytest.mark.lab
def test_who_has_not_the_password_reads_nothing(server):
    address = server.rpartition("@")[2]
    with pytest.raises(LogStoreUnreachable) as refused:
        store(f"http://kcloud:wrong@{address}").read(Query())
    assert "401" in refused.value.why


def test_a_store_that_is_not_there_is_told_without_its_password():
    with pytest.raises(LogStoreUnreachable) as refused:
        store(f"http://kcloud:secret@127.0.0.1:{free_port()}").read(Query())
    assert "secret" not in str(refused.value)


def test_it_listens_at_no_address_everybody_reaches(tmp_path):
    for address in ("0.0.0.0:9428", ":9428", "[::]:9428", "localhost"):
        with pytest.raises(ValueError, match="give one address"):
            log_program.command(Path("x"), [address], tmp_path, "30d")
    assert os.stat(log_places.password_file(tmp_path)).st_mode & 0o777 == 0o600
