"""The short way of a request gives the answers of the usual one, and is left where it does not fit."""

import asyncio
import gzip
import json

import pytest

from blocks.serving import direct_connection
from blocks.serving.application import Application
from blocks.serving.bounded_connection import BoundedConnection
from blocks.serving.direct_connection import DirectConnection
from tests.serving.conftest import connection_of


def post(path, body, *headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def said(transport, answers=1):
    """What a connection has sent when it has given its answers."""
    async with asyncio.timeout(30):
        while transport.sent.count(b"HTTP/1.1 ") < answers or transport.protocol.tasks:
            await asyncio.sleep(0.001)
    return transport.sent


@pytest.fixture
def usual(monkeypatch):
    """The paths of requests that went the usual way."""
    paths, call = [], Application.__call__

    async def recorded(self, scope, receive, send):
        paths.append(scope["path"])
        await call(self, scope, receive, send)

    monkeypatch.setattr(Application, "__call__", recorded)
    return paths


def test_both_ways_say_the_same(mixed_app, json_rows, usual):
    tensors = [{"name": "age", "shape": [1], "datatype": "FP64", "data": [1.0]}]
    requests = [
        post("/income", json_rows[0]),
        post("/income", json_rows[0], "Connection: close"),
        post("/income", [1]),
        post("/v1/models/income:predict", {"instances": json_rows[:3]}),
        post("/v1/models/nobody:predict", {"instances": json_rows[:3]}),
        post("/v1/models/income:predict", b"{"),
        post("/v2/models/income/infer", {"inputs": tensors}),
        post("/v2/models/income", {}),
    ]

    async def ask(kind, request):
        transport = connection_of(kind, mixed_app)
        transport.protocol.data_received(request)
        return await said(transport), transport.closed

    for request in requests:
        short = asyncio.run(ask(DirectConnection, request))
        assert not usual
        assert short == asyncio.run(ask(BoundedConnection, request))
        assert len(usual) == 1
        usual.clear()


def test_a_body_may_come_in_parts_and_a_late_one_goes_the_usual_way(mixed_app, json_rows, usual, monkeypatch):
    request = post("/income", json_rows[0])

    async def in_parts(seconds):
        monkeypatch.setattr(direct_connection, "SOON_SECONDS", seconds)
        transport = connection_of(DirectConnection, mixed_app)
        for part in (request[:20], request[20:-9], request[-9:-4]):
            transport.protocol.data_received(part)
        await asyncio.sleep(0.1)
        transport.protocol.data_received(request[-4:])
        return await said(transport)

    soon = asyncio.run(in_parts(9))
    assert not usual
    assert asyncio.run(in_parts(0.01)) == soon
    assert usual == ["/income"]
    assert soon.startswith(b"HTTP/1.1 200")


def test_requests_of_one_packet_are_answered_in_turn(mixed_app, json_rows):
    async def pipelined():
        transport = connection_of(DirectConnection, mixed_app)
        transport.protocol.data_received(
            post("/income", json_rows[0]) + post("/nobody", {}) + post("/income", [json_rows[0]] * 2)
        )
        first, nobody, last = (await said(transport, 3)).split(b"HTTP/1.1 ")[1:]
        transport.protocol.data_received(post("/income", [json_rows[0]] * 2))
        again = (await said(transport, 4)).split(b"HTTP/1.1 ")[4]
        return first, nobody, last, again

    first, nobody, last, again = asyncio.run(pipelined())
    assert (first[:3], nobody[:3], last[:3]) == (b"200", b"404", b"200")
    assert json.loads(last.partition(b"\r\n\r\n")[2])[0] == json.loads(first.partition(b"\r\n\r\n")[2])
    assert again == last


@pytest.mark.parametrize("header", ["Content-Encoding: gzip", "Expect: 100-continue", "Large: yes"])
def test_what_goes_the_usual_way(mixed_app, json_rows, usual, header):
    body = json.dumps(json_rows[0]).encode()
    body = gzip.compress(body) if "gzip" in header else body.ljust(70_000) if "Large" in header else body

    async def ask():
        transport = connection_of(DirectConnection, mixed_app)
        transport.protocol.data_received(post("/income", body, header))
        return await said(transport)

    assert b"HTTP/1.1 200 OK" in asyncio.run(ask())
    assert usual == ["/income"]


def test_without_its_token_nobody_takes_the_short_way(mixed_app, json_rows, monkeypatch):
    monkeypatch.setattr(mixed_app, "_token", b"secret")

    async def ask(*headers):
        transport = connection_of(DirectConnection, mixed_app)
        transport.protocol.data_received(post("/income", json_rows[0], *headers))
        return (await said(transport))[9:12]

    assert asyncio.run(ask()) == b"401"
    assert asyncio.run(ask("Authorization: Bearer secre")) == b"401"
    assert asyncio.run(ask("Authorization: Bearer secret")) == b"200"


def test_bodies_that_wait_are_bounded_on_the_short_way_too(mixed_app, json_rows, monkeypatch):
    bodies = mixed_app.server.bodies
    before = bodies.held_bytes
    monkeypatch.setattr(bodies, "held_bytes", 8 * mixed_app.server.limits.body_bytes)

    async def ask():
        transport = connection_of(DirectConnection, mixed_app)
        transport.protocol.data_received(post("/income", json_rows[0]))
        return await said(transport)

    assert asyncio.run(ask()).startswith(b"HTTP/1.1 429")
    monkeypatch.setattr(bodies, "held_bytes", before)
    assert asyncio.run(ask()).startswith(b"HTTP/1.1 200")
    assert bodies.held_bytes == before


def test_a_stop_waits_for_the_rest_of_a_request_and_a_client_that_has_gone_gets_nothing(mixed_app, json_rows):
    request = post("/income", json_rows[0])

    async def stop():
        transport = connection_of(DirectConnection, mixed_app)
        transport.protocol.data_received(request[:-3])
        transport.protocol.shutdown()
        transport.protocol.data_received(request[-3:])
        return await said(transport), transport.closed

    async def go():
        transport = connection_of(DirectConnection, mixed_app)
        transport.protocol.data_received(request)
        tasks = list(transport.protocol.tasks)
        transport.protocol.connection_lost(None)
        await asyncio.gather(*tasks)
        return transport.sent

    answer, closed = asyncio.run(stop())
    assert answer.startswith(b"HTTP/1.1 200")
    assert (b"connection: close" in answer, closed) == (True, True)
    assert asyncio.run(go()) == b""
