"""Models of several heads: every answer by its name, no method of one head alone, and a reason for the first."""

import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks import classifiers, preprocessors, regressors
from blocks.heads import Heads


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    x = np.linspace(-1, 1, 64)
    rows = pa.table({"x": x, "sold": np.where(x > 0, "yes", "no"), "price": x * 3 + 1, "new": x > 0.5, "near": x < 0.2})
    heads = {
        "sale": classifiers.Softmax("sold"),
        "price": regressors.Mean("price"),
        "flags": classifiers.Sigmoid(["new", "near"]),
    }
    model = blocks.Model(preprocessors.Columns({"x": preprocessors.Standardize()}), head=Heads(heads), seed=0)
    model.adapt(rows)
    folder = tmp_path_factory.mktemp("heads") / "1"
    model.export(folder)
    application = blocks.serving.app({"shop": folder})
    yield application, model.predict(rows), x
    application.server.stop()


def test_every_answer_has_its_name(ask, served):
    application, expected, x = served
    status, answer = ask(application, "POST", "/v1/models/shop:predict", {"instances": x.tolist()})
    assert status == 200
    for name, values in expected.items():
        np.testing.assert_allclose([row[name] for row in answer["predictions"]], values, atol=1e-6)
    columns = ask(application, "POST", "/v1/models/shop:predict", {"inputs": x.tolist()})[1]["outputs"]
    assert set(columns) == set(expected) == set(answer["predictions"][0])


@pytest.mark.parametrize("method", ["classify", "regress"])
def test_methods_of_one_head_are_refused(ask, served, method):
    status, answer = ask(served[0], "POST", f"/v1/models/shop:{method}", {"examples": [{"x": 1}]})
    assert status == 400
    assert "Ask the model by :predict" in answer["error"]


def test_the_reason_is_of_the_first_head(ask, served):
    status, answer = ask(served[0], "POST", "/page/explain/shop", {"x": 0.5})
    assert status == 200
    name = f"{served[0].server.models['shop'].get().heads[0].name}_"
    assert answer["output"].startswith(name)
    assert [one["column"] for one in answer["contributions"]] == ["x"]
