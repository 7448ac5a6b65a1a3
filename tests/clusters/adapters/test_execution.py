"""Commands in containers, against servers that answer well, endlessly, wrongly and not at all."""

import base64
import hashlib
import json
import struct
from urllib.parse import parse_qsl, urlsplit

import pytest

from clusters.errors import ClusterRefused, ClusterUnreachable, ResourceNotFound
from tests.clusters.hostile_api import HostileServer

POD = "/api/v1/namespaces/retail-dev/pods/web-1"


def frame(payload, kind=2, final=True):
    size = len(payload)
    head = bytes([(128 if final else 0) | kind])
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65536:
        return head + bytes([126]) + struct.pack(">H", size) + payload
    return head + bytes([127]) + struct.pack(">Q", size) + payload


def status(**told):
    return frame(b"\x03" + json.dumps(told).encode())


def exited(code):
    if code == 0:
        return status(status="Success")
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return status(status="Failure", reason="NonZeroExitCode", details={"causes": causes})


def saying(*frames, protocol="v5.channel.k8s.io", hang=False, accept=""):
    """A server that changes to a WebSocket and sends these frames."""

    def answer(handler):
        key = handler.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        handler.send_response(101)
        handler.send_header("Upgrade", "websocket")
        handler.send_header("Connection", "Upgrade")
        wanted = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        handler.send_header("Sec-WebSocket-Accept", accept or wanted)
        handler.send_header("Sec-WebSocket-Protocol", protocol)
        handler.end_headers()
        for each in frames:
            handler.wfile.write(each)
            handler.wfile.flush()
        if hang:
            server.release.wait(20)
        handler.close_connection = True

    server = HostileServer(answer)
    return server


def run(server, *command, seconds=5.0, most=1000, token=""):
    return server.client(token=token).execute(
        POD, command or ("true",), container="app", seconds=seconds, max_output=most
    )


def test_a_command_travels_as_a_list_and_its_output_and_exit_code_come_back():
    with saying(frame(b"\x01out\n"), frame(b"\x02err\n"), exited(7)) as server:
        done = run(server, "sh", "-c", "echo out & a=b", token="abc")
        assert (done.output, done.ended, done.exit_code) == (b"out\nerr\n", "exited", 7)
        _method, path, headers, _body = server.requests[0]
    assert urlsplit(path).path == f"{POD}/exec"
    assert parse_qsl(urlsplit(path).query) == [
        ("command", "sh"),
        ("command", "-c"),
        ("command", "echo out & a=b"),
        ("container", "app"),
        ("stdout", "true"),
        ("stderr", "true"),
    ]
    assert headers["authorization"] == "Bearer abc"


def test_success_is_exit_code_zero_and_the_older_protocol_is_understood():
    with saying(exited(0), protocol="v4.channel.k8s.io") as server:
        done = run(server)
    assert (done.ended, done.exit_code) == ("exited", 0)


def test_messages_in_parts_and_pings_between_them_are_put_together():
    parts = [frame(b"\x01he", final=False), frame(b"?", kind=9), frame(b"llo", kind=0), exited(0)]
    with saying(*parts) as server:
        assert run(server).output == b"hello"


def test_a_command_that_takes_too_long_is_left_after_its_time():
    with saying(frame(b"\x01so far"), hang=True) as server:
        done = run(server, seconds=0.4)
        assert (done.output, done.ended, done.exit_code) == (b"so far", "time", None)


def test_output_is_cut_at_its_size():
    with saying(*[frame(b"\x01" + b"x" * 30_000)] * 50, hang=True) as server:
        done = run(server, most=65_536)
        assert (len(done.output), done.ended) == (65_536, "size")


def test_what_kubernetes_says_of_a_command_that_cannot_start_is_kept():
    with saying(status(status="Failure", message='exec: "nope": not found')) as server:
        done = run(server)
    assert (done.ended, done.exit_code, done.why) == ("broken", None, 'exec: "nope": not found')


@pytest.mark.parametrize("said", [b"\x03[1]", b"\x03{", b"\x03" + json.dumps({"details": 5}).encode()])
def test_a_status_that_is_none_is_borne(said):
    with saying(frame(said)) as server:
        assert run(server).exit_code is None


def test_a_connection_that_closes_early_says_so():
    with saying(frame(b"\x01half"), frame(b"", kind=8)) as server:
        assert run(server).ended == "broken"
    with saying(frame(b"\x01half")) as server, pytest.raises(ClusterUnreachable):
        run(server)


@pytest.mark.parametrize("odd", [{"accept": "wrong"}, {"protocol": "chat"}])
def test_what_speaks_another_protocol_is_refused(odd):
    with saying(exited(0), **odd) as server, pytest.raises(ClusterUnreachable):
        run(server)


def test_a_frame_that_claims_to_be_huge_is_not_waited_for():
    huge = bytes([130, 127]) + struct.pack(">Q", 1 << 40)
    with saying(huge, hang=True) as server, pytest.raises(ClusterUnreachable):
        run(server)


def test_a_no_is_told_as_kubernetes_says_it():
    body = json.dumps({"kind": "Status", "message": 'pods "web-1" not found'}).encode()
    with HostileServer(lambda handler: handler.reply(404, body)) as server:
        with pytest.raises(ResourceNotFound) as refused:
            run(server)
        assert refused.value.why == 'pods "web-1" not found'
    with HostileServer(lambda handler: handler.reply(403)) as server, pytest.raises(ClusterRefused):
        run(server)


def test_a_command_is_sent_once_also_when_there_is_another_server_to_ask():
    with saying(frame(b"\x01begun")) as server:
        client = server.client()
        client._endpoints = client._endpoints * 2
        with pytest.raises(ClusterUnreachable):
            client.execute(POD, ["true"], container="app", seconds=5, max_output=10)
        assert len(server.requests) == 1


def test_silence_is_not_waited_for_longer_than_its_time():
    with HostileServer(lambda handler: server.release.wait(20)) as server, pytest.raises(ClusterUnreachable):
        run(server, seconds=0.4)
