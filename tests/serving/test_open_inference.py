"""The Open Inference Protocol: tensors as JSON and as bytes, what is refused, and what a model says of itself."""

import asyncio
import gzip
import json
import struct

import numpy as np
import pytest

from tests.serving.conftest import mixed_rows, request

INFER = "/v2/models/income/infer"


@pytest.fixture(scope="module")
def columns(json_rows, mixed_model):
    """The raw columns as they enter the graph."""
    from blocks.inference.graph import raw_tensors

    tensors = raw_tensors(mixed_rows(), mixed_model.preprocessor)
    return {name: tensor.numpy() for name, tensor in tensors.items()}


DATATYPES = {"float64": "FP64", "float32": "FP32", "int64": "INT64", "object": "BYTES"}


def as_text(values):
    if values.dtype == object:
        return [value.decode() for value in values.tolist()]
    return [None if value != value else value for value in values.tolist()]


def as_bytes(values):
    if values.dtype == object:
        return b"".join(struct.pack("<I", len(value)) + value for value in values.tolist())
    return values.tobytes()


def json_inputs(columns, rows):
    return [
        {"name": name, "datatype": DATATYPES[values.dtype.name], "shape": [rows], "data": as_text(values[:rows])}
        for name, values in columns.items()
    ]


def binary_body(columns, rows, **more):
    inputs, tail = [], []
    for name, values in columns.items():
        tail.append(as_bytes(values[:rows]))
        inputs.append(
            {
                "name": name,
                "datatype": DATATYPES[values.dtype.name],
                "shape": [rows, 1],
                "parameters": {"binary_data_size": len(tail[-1])},
            }
        )
    head = json.dumps({"inputs": inputs, **more}).encode()
    return head + b"".join(tail), [(b"inference-header-content-length", str(len(head)).encode())]


def outputs_of(answer, headers):
    """A binary answer's outputs as arrays."""
    length = int(headers[b"inference-header-content-length"])
    content, tail, found = json.loads(answer[:length]), answer[length:], {}
    for one in content["outputs"]:
        size = one["parameters"]["binary_data_size"]
        data, tail = tail[:size], tail[size:]
        if one["datatype"] == "FP32":
            found[one["name"]] = np.frombuffer(data, np.float32).reshape(one["shape"])
        else:
            values = []
            while data:
                end = 4 + struct.unpack("<I", data[:4])[0]
                values.append(data[4:end].decode())
                data = data[end:]
            found[one["name"]] = values
    assert not tail
    return content, found


def test_json_and_bytes_give_the_models_answers(ask, mixed_app, mixed_model, columns):
    expected = mixed_model.predict(mixed_rows())
    status, answer = ask(mixed_app, "POST", INFER, {"id": "7", "inputs": json_inputs(columns, 50)})
    assert (status, answer["id"], answer["model_name"], answer["model_version"]) == (200, "7", "income", "1")
    by_name = {one["name"]: one for one in answer["outputs"]}
    assert by_name["probabilities"]["shape"] == [50, 2]
    np.testing.assert_allclose(
        np.reshape(by_name["probabilities"]["data"], (50, 2)), expected["probabilities"][:50], atol=1e-6
    )
    assert by_name["label"]["data"] == expected["label"][:50].tolist()

    body, headers = binary_body(columns, len(expected["label"]), parameters={"binary_data_output": True})
    status, sent, answer = asyncio.run(request(mixed_app, "POST", INFER, body, headers))
    assert status == 200
    _, found = outputs_of(answer, sent)
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-6)
    assert found["label"] == expected["label"].tolist()


def test_outputs_are_chosen(ask, mixed_app, columns):
    body = {"inputs": json_inputs(columns, 2), "outputs": [{"name": "label"}]}
    assert [one["name"] for one in ask(mixed_app, "POST", INFER, body)[1]["outputs"]] == ["label"]
    status, answer = ask(mixed_app, "POST", INFER, {**body, "outputs": [{"name": "none"}]})
    assert status == 400
    assert "Unknown output: 'none'" in answer["error"]


def test_packed_bodies(ask, mixed_app, columns):
    body = json.dumps({"inputs": json_inputs(columns, 2)}).encode()
    status, _ = ask(mixed_app, "POST", INFER, gzip.compress(body), [(b"content-encoding", b"gzip")])
    assert status == 200
    bomb = gzip.compress(b" " * (40 << 20))
    status, answer = ask(mixed_app, "POST", INFER, bomb, [(b"content-encoding", b"gzip")])
    assert status == 413
    for wrong, kind in ((b"no", b"gzip"), (gzip.compress(body)[:-9], b"gzip"), (body, b"br")):
        status, answer = ask(mixed_app, "POST", INFER, wrong, [(b"content-encoding", kind)])
        assert (status, list(answer)) == (400, ["error"])


def test_types_that_hold_no_more_are_taken(ask, mixed_app, columns):
    inputs = {one["name"]: one for one in json_inputs(columns, 3)}
    expected = ask(mixed_app, "POST", INFER, {"inputs": list(inputs.values())})[1]["outputs"]
    inputs["member"] = {**inputs["member"], "datatype": "BOOL", "data": [bool(v) for v in inputs["member"]["data"]]}
    assert ask(mixed_app, "POST", INFER, {"inputs": list(inputs.values())})[1]["outputs"] == expected


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "none"}, "Unknown input: 'none'"),
        ({"datatype": "FP8"}, "'datatype' is one of"),
        ({"shape": [2]}, "'data' has 2 values by its shape. Received: 1"),
        ({"shape": []}, "has shape ['rows']".replace("'", "")),
        ({"shape": [1, 2]}, "has shape"),
        ({"shape": [-1]}, "whole numbers"),
        ({"shape": [2**62, 1]}, "more values than the body has bytes"),
        ({"data": None}, "'data' is a list"),
        ({"data": ["old"]}, "takes numbers"),
        ({"data": [[1], 2]}, "equal depth"),
        ({"parameters": {"binary_data_size": 99}}, "what is left of the body"),
    ],
)
def test_what_does_not_fit_is_said_by_name(ask, mixed_app, columns, change, says):
    inputs = json_inputs(columns, 1)
    age = next(one for one in inputs if one["name"] == "age")
    age.update(change)
    status, answer = ask(mixed_app, "POST", INFER, {"inputs": inputs})
    assert (status, list(answer)) == (400, ["error"])
    assert says in answer["error"]


def test_bytes_that_do_not_add_up(ask, mixed_app, columns):
    body, headers = binary_body(columns, 3)
    for wrong in (body[:-1], body + b"x"):
        status, answer = ask(mixed_app, "POST", INFER, wrong, headers)
        assert (status, list(answer)) == (400, ["error"])
    status, answer = ask(mixed_app, "POST", INFER, body, [(headers[0][0], b"99999999")])
    assert "Inference-Header-Content-Length" in answer["error"]
    as_text = {name: values for name, values in columns.items() if name != "age"} | {"age": columns["city"]}
    body, headers = binary_body(as_text, 3)
    assert "takes FP64" in ask(mixed_app, "POST", INFER, body, headers)[1]["error"]


def test_what_the_server_and_the_model_say(ask, mixed_app):
    assert ask(mixed_app, "GET", "/v2")[1]["extensions"][0] == "binary_tensor_data"
    assert ask(mixed_app, "GET", "/v2/health/live") == (200, {"live": True})
    assert ask(mixed_app, "GET", "/v2/health/ready") == (200, {"ready": True})
    assert ask(mixed_app, "GET", "/v2/models/income/ready")[0] == 200
    found = ask(mixed_app, "GET", "/v2/models/income/versions/1")[1]
    assert found["versions"] == ["1"]
    assert {one["name"]: (one["datatype"], one["shape"]) for one in found["inputs"]}["city"] == ("BYTES", [-1])
    assert {one["name"]: one["shape"] for one in found["outputs"]} == {
        "probabilities": [-1, 2],
        "label": [-1],
        "confidence": [-1],
    }
    assert ask(mixed_app, "GET", "/v2/models/income/config")[1]["input"][0]["data_type"] == "TYPE_FP64"
    assert ask(mixed_app, "GET", "/v2/models/none")[0] == 404
    assert ask(mixed_app, "GET", "/v2/else")[0] == 404
    assert ask(mixed_app, "POST", "/v2/repository/index", {})[1][0]["state"] == "READY"
    assert ask(mixed_app, "GET", "/v2/models/income/stats")[1]["model_stats"][0]["inference_count"] >= 0
