"""A user's object with predict answers wherever a model does."""

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as sk

import blocks
from blocks.errors import InvalidArgument
from blocks.evaluate import metrics

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=200)
SOLD = np.where(X + RANDOM.normal(size=200) > 0, "yes", "no")
ROWS = pa.table({"x": X, "sold": SOLD, "w": RANDOM.uniform(1, 2, 200)})


class Scores:
    """Probabilities from one column; it sees no target."""

    def predict(self, rows):
        assert "sold" not in rows.column_names
        p = 1 / (1 + np.exp(-rows["x"].to_numpy()))
        return {"probabilities": np.stack([1 - p, p], axis=1)}


TOLD = {"data": ROWS, "target": "sold", "classes": ["no", "yes"]}


def test_it_is_judged_on_rows():
    found = metrics(Scores(), **TOLD, sample_weight="w", metrics=["roc_auc", "log_loss"], bootstrap=0)
    values = dict(zip(found["metric"].to_pylist(), found["value"].to_pylist(), strict=True))
    truth, weight = ROWS["sold"].to_numpy() == "yes", ROWS["w"].to_numpy()
    p = 1 / (1 + np.exp(-X))
    assert values["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, p, sample_weight=weight))
    assert values["log_loss"] == pytest.approx(sk.log_loss(truth, p, sample_weight=weight))


def test_it_is_compared_and_explained():
    found = blocks.compare({"one": Scores(), "same": Scores()}, **TOLD, metrics=["accuracy"])
    assert found["difference"].to_pylist() == [0.0]
    explained = blocks.explain(Scores(), {"x": 2.0, "w": 1.0}, background=ROWS.drop(["sold"]), n_samples=64)
    assert explained.contributions[0].column == "x"


def test_what_more_must_be_known_of_than_answers_is_refused(tmp_path):
    with pytest.raises(InvalidArgument, match=r"A model is judged on rows: give data=\. Received: a Scores alone"):
        metrics(Scores(), target="sold")
    with pytest.raises(InvalidArgument, match=r"answers\(chunk\) and describe\(\)\. Received: Scores"):
        blocks.evaluate.predict_table(Scores(), ROWS, tmp_path / "table.parquet")
