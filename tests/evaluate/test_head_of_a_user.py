"""A head that a user wrote, whose classes do not exclude each other: judged by what it says, not by its name."""

import json

import keras
import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as sk

import blocks
from blocks import preprocessors
from blocks.block import Classifier
from blocks.evaluate import metrics
from blocks.evaluate.tables.table_description import METADATA, Description
from blocks.targets.description import HeadDescription
from blocks.targets.label_sets import encode_labels, labels_of, once_a_row


@keras.saving.register_keras_serializable(package="tests")
class AnyOf(Classifier):
    """Labels of lists, each with a probability of its own."""

    exclusive = False
    gap = 255

    def observe(self, statistics, chunk):
        statistics["counts"].update(once_a_row(labels_of(chunk, None, self.target)))

    @property
    def encoding(self):
        return {**super().encoding, "kind": "any of"}

    def encode(self, target):
        return encode_labels(target, None, self.classes, self.target)

    def build(self, input_shape):
        self.logits = self.dense(len(self.classes), input_shape)
        self.built = True

    def call(self, inputs):
        return keras.ops.sigmoid(self.logits(inputs))

    def class_weights_of(self, counts):
        return None

    def default_loss(self):
        return keras.losses.BinaryCrossentropy()

    def default_metrics(self):
        return [keras.metrics.BinaryAccuracy(name="accuracy")]

    def answer(self, predictions):
        return {"probabilities": predictions}


ROWS = 96


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    x = random.normal(size=ROWS)
    tags = [["hot"] * (value > 0) + ["wet"] * (value % 1 > 0.5) for value in x.tolist()]
    return pa.table({"id": np.arange(ROWS), "x": x, "tags": tags})


@pytest.fixture(scope="module")
def model(rows):
    columns = preprocessors.Columns({"x": preprocessors.Standardize()})
    made = blocks.Model(columns, head=AnyOf("tags"), seed=0)
    made.adapt(rows)
    made.fit(rows, epochs=1, verbose=0)
    return made


def test_it_is_judged_label_by_label_by_model_export_and_table(model, rows, tmp_path):
    model.export(tmp_path / "export")
    table = model.predict_table(rows, tmp_path / "table.parquet", keys=["id"])
    score = model.predict(rows)["probabilities"]
    for one in (metrics(table), metrics(model, data=rows), metrics(tmp_path / "export", data=rows)):
        found = dict(zip(one["metric"].to_pylist(), one["value"].to_pylist(), strict=True))
        for i, label in enumerate(("hot", "wet")):
            truth = [label in tags for tags in rows["tags"].to_pylist()]
            assert found[f"roc_auc[{label}]"] == pytest.approx(sk.roc_auc_score(truth, score[:, i].astype(float)))
        assert "accuracy" not in found
    assert set(blocks.compare([table, table], metrics=["accuracy"])["metric"].to_pylist()) == {
        "accuracy[hot]",
        "accuracy[wet]",
    }


def test_it_is_explained_and_reported_by_model_and_export(model, rows, tmp_path):
    model.export(tmp_path / "export")
    row = {"x": 2.0}
    of_model, of_export = (
        blocks.explain(one, row, background=rows, target="wet", n_samples=64) for one in (model, tmp_path / "export")
    )
    assert of_model.target == "wet"
    assert of_export.prediction == pytest.approx(of_model.prediction, rel=1e-5)
    for one in (model, tmp_path / "export"):
        page = blocks.report(one, {"test": rows}, path=tmp_path / "report.html").read_text()
        assert "Share of each class of [wet] by label" in page


def test_what_was_written_before_heads_said_so_is_read():
    labels = {"kind": "Sigmoid", "targets": ["tags"], "classes": ["hot", "wet"]}
    classes = {"kind": "Softmax", "targets": ["sold"], "classes": ["no", "yes"]}
    assert [HeadDescription.from_json(head).exclusive for head in (labels, classes)] == [False, True]
    old = json.dumps({"version": 1, "heads": [labels], "plan": {}, "counts": {}}).encode()
    schema = pa.schema({"tags": pa.list_(pa.string())}, metadata={METADATA: old})
    assert Description.of_schema(schema).head(None).takes_labels
