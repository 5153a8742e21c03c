"""Methods that a path does not take: 405 with what it takes; TensorFlow Serving's paths answer as its own server."""

import asyncio
import json

import pytest

from tests.serving.conftest import request


@pytest.mark.parametrize("method", ["TRACE", "DELETE", "PUT", "OPTIONS", "PATCH", "QUERY"])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/income", b"POST"),
        ("/v2", b"GET, HEAD"),
        ("/v2/health/ready", b"GET, HEAD"),
        ("/v2/models/income", b"GET, HEAD"),
        ("/v2/models/income/versions/1/infer", b"POST"),
        ("/v2/repository/index", b"POST"),
        ("/", b"GET, HEAD"),
        ("/page/explain/income", b"POST"),
    ],
)
def test_other_methods(mixed_app, method, path, allowed):
    status, headers, body = asyncio.run(request(mixed_app, method, path))
    assert (status, headers[b"allow"]) == (405, allowed)
    assert "takes" in json.loads(body)["error"]


def test_get_where_rows_are_due_and_rows_where_there_is_but_get(ask, mixed_app):
    assert ask(mixed_app, "GET", "/income")[0] == 405
    assert ask(mixed_app, "GET", "/v2/models/income/infer")[0] == 405
    assert ask(mixed_app, "POST", "/v2/models/income", {})[0] == 405


def test_head_is_get_without_its_body(mixed_app):
    asked = [asyncio.run(request(mixed_app, method, "/v2/models/income")) for method in ("GET", "HEAD")]
    assert asked[0][:2] == asked[1][:2]
    assert asyncio.run(request(mixed_app, "HEAD", "/"))[0] == 200


@pytest.mark.parametrize("method", ["TRACE", "HEAD", "DELETE"])
def test_tensorflow_serving_calls_it_malformed(ask, mixed_app, method):
    status, answer = ask(mixed_app, method, "/v1/models/income")
    assert (status, answer["error"]) == (400, f"Malformed request: {method} /v1/models/income")


@pytest.mark.parametrize("path", ["/nobody", "/v2/else", "/v2/models/income/else"])
def test_paths_that_are_not_there_take_no_method(mixed_app, path):
    for method in ("GET", "POST", "TRACE"):
        status, headers, _ = asyncio.run(request(mixed_app, method, path))
        assert (status, b"allow" in headers) == (404, False)
