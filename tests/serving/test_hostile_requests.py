"""What nobody sends by mistake: nested beyond repr, numbers beyond digits, types where text is due. Each gets a 400."""

import asyncio
import json
import time

import numpy as np
import pytest

from blocks.serving.batcher import Batcher
from blocks.serving.request_bodies import RequestBodies
from blocks.serving.request_error import RequestError
from tests.serving.conftest import connection_of

PREDICT = "/v1/models/income:predict"
INFER = "/v2/models/income/infer"
DEEP = b"[" * 990 + b"]" * 990
TENSOR = {"name": "age", "shape": [1], "datatype": "FP64", "data": [1.0]}


def with_deep(content):
    """JSON with lists in lists, deeper than `repr` goes, where "@" stands."""
    return json.dumps(content).encode().replace(b'"@"', DEEP)


@pytest.mark.parametrize("column", ["age", "shop id", "city", "at"])
def test_values_nested_deeper_than_repr_goes(ask, mixed_app, json_rows, column):
    for path, body in (("/income", {**json_rows[0], column: "@"}), (PREDICT, {"instances": ["@"]})):
        status, answer = ask(mixed_app, "POST", path, with_deep(body))
        assert status == 400
        assert "[[[" in answer["error"]
        assert len(answer["error"]) < 300


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PREDICT, {"signature_name": "@", "instances": [1]}),
        (INFER, {"id": "@", "inputs": [TENSOR]}),
        (INFER, {"inputs": [{**TENSOR, "datatype": "@"}]}),
        (INFER, {"inputs": [{**TENSOR, "datatype": {}}]}),
        (INFER, {"inputs": [{**TENSOR, "name": "@"}]}),
        (INFER, {"inputs": [{**TENSOR, "data": "@"}]}),
    ],
)
def test_types_where_text_is_due(ask, mixed_app, path, body):
    assert ask(mixed_app, "POST", path, with_deep(body))[0] == 400


@pytest.mark.parametrize("value", [0, False, [], {}, 1])
def test_a_signature_is_named_by_text(ask, mixed_app, json_rows, value):
    status, answer = ask(mixed_app, "POST", PREDICT, {"signature_name": value, "instances": json_rows[:1]})
    assert status == 400
    assert "Serving signature name" in answer["error"]


@pytest.mark.parametrize("path", ["/v1/models/income/versions/{}:predict", "/v2/models/income/versions/{}/infer"])
def test_versions_of_more_digits_than_python_reads(ask, mixed_app, json_rows, path):
    assert ask(mixed_app, "POST", path.format("9" * 5000), {"instances": json_rows[:1]})[0] == 400
    if path.startswith("/v1"):
        assert ask(mixed_app, "POST", path.format("0" * 5000 + "1"), {"instances": json_rows[:1]})[0] == 200


def test_a_header_length_of_more_digits_than_python_reads(ask, mixed_app):
    for length in (b"9" * 5000, b"-1", b""):
        headers = [(b"inference-header-content-length", length)]
        status, answer = ask(mixed_app, "POST", INFER, {"inputs": [TENSOR]}, headers)
        assert status == 400
        assert "Inference-Header-Content-Length" in answer["error"]


def test_text_is_utf8(ask, mixed_app, json_rows):
    text = json.dumps({"instances": [{**json_rows[0], "city": "\ud800"}]})
    assert ask(mixed_app, "POST", PREDICT, text.encode("utf-16"))[0] == 400
    assert (
        ask(mixed_app, "POST", PREDICT, b"\xef\xbb\xbf" + json.dumps({"instances": json_rows[:1]}).encode())[0] == 200
    )


def test_features_beyond_their_type_are_refused_not_wrapped(ask, mixed_app, json_rows):
    made = ask(mixed_app, "POST", PREDICT, {"signature_name": "transform_features", "instances": json_rows[:1]})[1]
    features = made["predictions"][0]
    tokens = [name for name, values in features.items() if type(np.ravel(values).tolist()[0]) is int]
    assert tokens
    for name in tokens:
        for value in (2**32 + 1, 2**64 - 1, True, 1.5):
            row = {**features, name: np.full_like(features[name], value, object).tolist()}
            status, answer = ask(mixed_app, "POST", PREDICT, {"signature_name": "predict_features", "instances": [row]})
            assert (status, f"Input {name!r}" in answer["error"]) == (400, True)


def test_packed_texts_of_unequal_lengths(ask, mixed_app):
    servable = mixed_app.server.models["income"].get()
    row = {name: np.zeros(servable.packed.width(name)).tolist() for name in servable.packed.columns}
    rows = [{**row, "strings": ["a"]}, {**row, "strings": [["b"]]}]
    status, answer = ask(mixed_app, "POST", PREDICT, {"signature_name": "serve_packed", "instances": rows})
    assert status == 400
    assert "takes" in answer["error"]


def test_the_thread_outlives_answers_that_have_no_rows():
    """A signature whose output is one number for all rows has no part for each request."""

    async def ask_twice():
        batcher = Batcher()
        one = {"x": np.zeros((1, 1))}
        with pytest.raises(IndexError):
            await batcher.submit(lambda inputs: {"loss": np.float32(1)[()]}, one, 1, time.monotonic() + 9)
        with pytest.raises(ZeroDivisionError):
            await batcher.submit(lambda inputs: dict(inputs), one, 1, time.monotonic() + 9, lambda rows, counted: 1 / 0)
        found = await asyncio.wait_for(batcher.submit(lambda inputs: dict(inputs), one, 1, time.monotonic() + 9), 10)
        batcher.close()
        return found.answers["x"].shape

    assert asyncio.run(ask_twice()) == (1, 1)


def parts_of(*parts, then=None):
    """ASGI's receive, of a body in parts."""
    left = [{"type": "http.request", "body": part, "more_body": True} for part in parts]

    async def receive():
        if left:
            return left.pop(0)
        return then or await asyncio.Event().wait()

    return receive


def test_a_body_comes_in_time_and_bodies_share_memory():
    end = {"type": "http.request", "body": b"!", "more_body": False}

    async def attack():
        bodies = RequestBodies(100, seconds=0.05)
        with pytest.raises(RequestError, match="A body comes within") as slow:
            await bodies.received(parts_of(b"a"))
        assert (slow.value.status, bodies.held_bytes) == (408, 0)
        with pytest.raises(RequestError, match="at most 100 bytes") as large:
            await bodies.received(parts_of(b"a" * 60, b"a" * 60, then=end))
        assert (large.value.status, bodies.held_bytes) == (413, 0)
        held = [await bodies.received(parts_of(b"a" * 98, then=end)) for _ in range(8)]
        with pytest.raises(RequestError, match="wait for answers") as full:
            await bodies.received(parts_of(b"a" * 9, then=end))
        assert full.value.status == 429
        bodies.release(held.pop())
        assert await bodies.received(parts_of(b"a" * 9, then=end)) == b"a" * 9 + b"!"
        for body in held:
            bodies.release(body)
        assert bodies.held_bytes == 10

    asyncio.run(attack())


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nX", b"\r\n\r\n"])
def test_a_connection_that_asks_for_nothing_is_closed(said, monkeypatch):
    from blocks.serving import bounded_connection

    monkeypatch.setattr(bounded_connection, "HEAD_SECONDS", 0.05)

    async def wait():
        transport = connection_of(bounded_connection.BoundedConnection)
        if said:
            transport.protocol.data_received(said)
        assert not transport.closed
        await asyncio.sleep(0.2)
        return transport.closed

    assert asyncio.run(wait())


def test_headers_have_an_end():
    from blocks.serving import bounded_connection

    async def flood(start, more):
        transport = connection_of(bounded_connection.BoundedConnection)
        transport.protocol.data_received(start)
        for _ in range(40):
            if transport.closed:
                break
            transport.protocol.data_received(more)
        return transport.sent[:12], transport.closed

    for start, more in ((b"GET /", b"a" * 9000), (b"GET / HTTP/1.1\r\n", b"X: " + b"a" * 9000 + b"\r\n")):
        assert asyncio.run(flood(start, more)) == (b"HTTP/1.1 431", True)


def test_a_large_body_is_no_head():
    from blocks.serving import bounded_connection

    async def post():
        asked = []

        async def application(scope, receive, send):
            asked.append(scope["path"])
            await asyncio.Event().wait()

        transport = connection_of(bounded_connection.BoundedConnection, application)
        transport.protocol.data_received(b"POST /a HTTP/1.1\r\nContent-Length: 300000\r\n\r\n")
        for _ in range(30):
            transport.protocol.data_received(b"a" * 10_000)
        transport.protocol.data_received(b"POST /b HTTP/1.1\r\n")  # pipelined, and not whole
        await asyncio.sleep(0)
        state = (asked, transport.closed)
        for task in transport.protocol.tasks:
            task.cancel()
        return state

    assert asyncio.run(post()) == (["/a"], False)
