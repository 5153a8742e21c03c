"""TensorFlow Serving's REST: rows and columns, errors, status and metadata, as its clients know them."""

import json

import numpy as np
import pytest

from tests.serving.conftest import mixed_rows

PREDICT = "/v1/models/income:predict"


@pytest.fixture(scope="module")
def expected(mixed_model):
    return mixed_model.predict(mixed_rows())


def test_rows(ask, mixed_app, json_rows, expected):
    status, answer = ask(mixed_app, "POST", PREDICT, {"instances": json_rows})
    assert status == 200
    np.testing.assert_allclose(
        np.float32([row["probabilities"] for row in answer["predictions"]]), expected["probabilities"], atol=1e-6
    )
    assert [row["label"] for row in answer["predictions"]] == expected["label"].tolist()


def test_columns(ask, mixed_app, json_rows, expected):
    columns = {name: [row[name] for row in json_rows] for name in json_rows[0]}
    status, answer = ask(mixed_app, "POST", "/v1/models/income/versions/1:predict", {"inputs": {**columns, "more": 1}})
    assert status == 200
    np.testing.assert_allclose(answer["outputs"]["probabilities"], expected["probabilities"], atol=1e-6)
    assert answer["outputs"]["label"] == expected["label"].tolist()


def test_features_are_those_of_the_model_bit_for_bit(ask, mixed_app, mixed_model, json_rows):
    body = {"signature_name": "transform_features", "instances": json_rows}
    status, answer = ask(mixed_app, "POST", PREDICT, body)
    assert status == 200
    made = mixed_model.preprocessor(_raw(mixed_model))
    for name, tensor in made.items():
        found = np.array([row[name] for row in answer["predictions"]], tensor.numpy().dtype)
        assert found.tobytes() == tensor.numpy().tobytes(), name


def _raw(model):
    from blocks.inference.graph import raw_tensors

    return raw_tensors(mixed_rows(), model.preprocessor)


def test_values_have_one_meaning_in_every_form(ask, mixed_app, json_rows):
    row = json_rows[1]
    forms = [
        row,
        {**row, "member": float(row["member"])},
        {**row, "at": 1_704_157_200_000_000 if row["at"].startswith("2024-01-02T01") else row["at"]},
        {**row, "at": row["at"].replace("+00:00", "Z")},
        {**row, "city": {"b64": "T3Nsbw=="} if row["city"] == "Oslo" else row["city"]},
    ]
    answers = [ask(mixed_app, "POST", PREDICT, {"instances": [form]})[1]["predictions"][0] for form in forms]
    assert all(answer == answers[0] for answer in answers)
    nan = json.dumps({"instances": [{**row, "age": float("nan")}, {**row, "age": None}]}).encode()
    status, answer = ask(mixed_app, "POST", PREDICT, nan)
    assert status == 200
    assert answer["predictions"][0] == answer["predictions"][1] != answers[0]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "JSON Parse error"),
        (b"[" * 200_000, "nested too deep"),
        (b"\xff", "JSON Parse error"),
        ([], "must be a JSON object"),
        ({}, "either 'instances' or 'inputs'. Received: neither"),
        ({"instances": [1], "inputs": 1}, "Received: both"),
        ({"instances": []}, "at least one row"),
        ({"instances": 3}, "at least one row"),
        ({"instances": [3]}, "A row is an object"),
        ({"instances": [{}]}, "Missing: 'age', 'at', 'city'"),
        ({"instances": [{"drop": "city"}]}, "Missing: 'city'"),
        ({"instances": [{"new": 1}]}, "Received also: 'new'"),
        ({"instances": [{"age": "old"}]}, "Column 'age' takes numbers, or null. Received: 'old'"),
        ({"instances": [{"age": [1]}]}, "Column 'age' takes numbers"),
        ({"instances": [{"age": 10**400}]}, "more than 60 digits"),
        ({"instances": [{"shop id": 1.0}]}, "Column 'shop id' takes whole numbers"),
        ({"instances": [{"shop id": 2**63}]}, "within int64"),
        ({"instances": [{"city": 3}]}, "Column 'city' takes text"),
        ({"instances": [{"city": "\ud800"}]}, "surrogate"),
        ({"instances": [{"city": {"b64": "?"}}]}, "holds no base64"),
        ({"instances": [{"at": "2024-01-01T00:00:00"}]}, "with a zone"),
        ({"instances": [{"at": "yesterday"}]}, "ISO 8601"),
        ({"inputs": {"age": [1]}}, "Missing: "),
        ({"inputs": {"age": 1}, "signature_name": "none"}, "Serving signature name"),
    ],
)
def test_what_does_not_fit_is_said_by_name(ask, mixed_app, json_rows, body, says):
    if (
        isinstance(body, dict)
        and isinstance(body.get("instances"), list)
        and body["instances"][:1] not in ([], [1], [3], [{}])
    ):
        change = body["instances"][0]
        row = {**json_rows[0], **{name: value for name, value in change.items() if name != "drop"}}
        row.pop(change.get("drop"), None)
        body = {"instances": [row]}
    status, answer = ask(mixed_app, "POST", PREDICT, body)
    assert (status, list(answer)) == (400, ["error"])
    assert says in answer["error"]


def test_columns_of_unequal_length(ask, mixed_app, json_rows):
    columns = {name: [row[name] for row in json_rows[:3]] for name in json_rows[0]}
    status, answer = ask(mixed_app, "POST", PREDICT, {"inputs": {**columns, "age": [1, 2]}})
    assert status == 400
    assert "one value a row" in answer["error"]


def test_classify_and_regress(ask, mixed_app, json_rows, expected):
    shared = {"city": "Rome"}
    rows = [{name: [value] for name, value in row.items() if name != "city"} for row in json_rows[:2]]
    status, answer = ask(mixed_app, "POST", "/v1/models/income:classify", {"context": shared, "examples": rows})
    assert status == 200
    assert [[label for label, _ in row] for row in answer["results"]] == [["no", "yes"]] * 2
    assert all(abs(sum(score for _, score in row) - 1) < 1e-6 for row in answer["results"])
    status, answer = ask(mixed_app, "POST", "/v1/models/income:regress", {"examples": json_rows[:1]})
    assert status == 400
    assert "tensorflow/serving/regress" in answer["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/v1/models", 400, "Missing model name"),
        ("GET", "/v1/models/none", 404, "Could not find"),
        ("POST", "/v1/models/none:predict", 404, "Servable not found"),
        ("POST", "/v1/models/income/versions/7:predict", 404, "Specific(income, 7)"),
        ("POST", f"/v1/models/income/versions/{10**30}:predict", 400, "int64"),
        ("POST", "/v1/models/income/labels/none:predict", 400, "Unrecognized servable version label"),
        ("GET", "/v1/models/income:predict", 400, "Malformed request: GET"),
        ("POST", "/v1/models/income", 400, "Malformed request: POST"),
        ("DELETE", "/v1/else", 400, "Malformed request: DELETE"),
    ],
)
def test_paths(ask, mixed_app, method, path, status, says):
    found, answer = ask(mixed_app, method, path, {"instances": [{}]})
    assert found == status
    assert says in answer["error"]


def test_paths_take_any_case(ask, mixed_app, json_rows):
    assert ask(mixed_app, "POST", "/V1/Models/income:Predict", {"instances": json_rows[:1]})[0] == 200


def test_status_and_metadata(ask, mixed_app):
    assert ask(mixed_app, "GET", "/v1/models/income")[1] == {
        "model_version_status": [
            {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }
    found = ask(mixed_app, "GET", "/v1/models/income/metadata")[1]
    assert found["model_spec"] == {"name": "income", "signature_name": "", "version": "1"}
    serve = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert {name: one["dtype"] for name, one in serve["inputs"].items()} == {
        "age": "DT_DOUBLE", "height": "DT_FLOAT", "member": "DT_DOUBLE", "shop id": "DT_INT64", "city": "DT_STRING",
        "at": "DT_INT64",
    }  # fmt: skip
    assert serve["inputs"]["age"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]
    assert serve["outputs"]["probabilities"]["tensor_shape"]["dim"][1]["size"] == "2"


def test_other_signatures(ask, mixed_app, json_rows, expected):
    features = ask(mixed_app, "POST", PREDICT, {"signature_name": "transform_features", "instances": json_rows[:4]})[1]
    body = {"signature_name": "predict_features", "instances": features["predictions"]}
    status, answer = ask(mixed_app, "POST", PREDICT, body)
    assert status == 200
    np.testing.assert_allclose(answer["predictions"], expected["probabilities"][:4], atol=1e-6)


def test_a_token_is_asked_for(mixed_export, ask, json_rows, monkeypatch):
    import blocks

    monkeypatch.setenv("BLOCKS_SERVING_TOKEN", "s3cret")
    application = blocks.serving.app({"income": mixed_export})
    body = {"instances": json_rows[:1]}
    for headers in ([], [(b"authorization", b"Bearer wrong")], [(b"authorization", b"s3cret")]):
        assert ask(application, "POST", PREDICT, body, headers)[0] == 401
    assert ask(application, "POST", PREDICT, body, [(b"authorization", b"Bearer s3cret")])[0] == 200
    assert ask(application, "GET", "/v2/health/live")[0] == 200
    application.server.stop()


@pytest.mark.parametrize("name", ["", "a/b", "v1", "a:b", " a", "health"])
def test_names_that_cannot_stand_in_a_url(mixed_export, name):
    import blocks
    from blocks.errors import InvalidArgument

    with pytest.raises(InvalidArgument, match="A model's name"):
        blocks.serving.app({name: mixed_export})


def test_windows_are_lists_of_numbers(ask, tmp_path):
    import pyarrow as pa

    import blocks
    from blocks import feature_extractors, preprocessors, regressors

    random = np.random.default_rng(0)
    load = random.normal(size=(64, 3)).astype(np.float32)
    rows = pa.table(
        {
            "load": pa.FixedSizeListArray.from_arrays(pa.array(load.ravel()), 3),
            "city": ["Oslo", "Rome"] * 32,
            "price": load.sum(axis=1).astype(np.float64),
        }
    )
    columns = preprocessors.Columns({"load": preprocessors.Standardize(), "city": preprocessors.Vocabulary()})
    model = blocks.Model(columns, feature_extractor=feature_extractors.MLP([4]), head=regressors.Mean("price"), seed=0)
    model.adapt(rows)
    expected = model.predict(rows)["prediction"]
    model.export(tmp_path / "1")
    application = blocks.serving.app({"load": tmp_path})
    body = {"instances": rows.drop_columns(["price"]).to_pylist()}
    status, answer = ask(application, "POST", "/v1/models/load:predict", body)
    assert status == 200
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-5)
    missing = {"city": "Oslo", "load": None}
    holes = {"city": "Oslo", "load": [None, None, None]}
    found = ask(application, "POST", "/v1/models/load:predict", {"instances": [missing, holes]})[1]["predictions"]
    assert found[0] == found[1]
    status, answer = ask(application, "POST", "/load", {"city": "Oslo", "load": [1, 2]})
    assert status == 400
    assert "Column 'load' takes a list of 3 values" in answer["error"]
    inputs = [
        {"name": "load", "datatype": "FP32", "shape": [64, 3], "data": load.ravel().tolist()},
        {"name": "city", "datatype": "BYTES", "shape": [64], "data": rows["city"].to_pylist()},
    ]
    status, answer = ask(application, "POST", "/v2/models/load/infer", {"inputs": inputs})
    np.testing.assert_allclose(answer["outputs"][0]["data"], expected, atol=1e-5)
    assert ask(application, "GET", "/v2/models/load")[1]["inputs"][1]["shape"] in ([-1], [-1, 3])
    application.server.stop()
