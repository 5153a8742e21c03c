"""DESIGN.md's "The user's program", word for word and every line, on a small table."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors


@pytest.fixture
def row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    age, income = rng.normal(40.0, 10.0, 300), rng.exponential(1e4, 300)
    columns = {
        "id": np.arange(300),
        "age": age,
        "income": income,
        "city": rng.choice(["Oslo", "Rome"], 300),
        "label": np.where(age + income / 1e3 + rng.normal(0, 5, 300) > 50, "yes", "no"),
    }
    pq.write_table(pa.table(columns), "people.parquet")
    return {name: columns[name][0] for name in ("age", "income", "city")}


# what the rows are too few for is warned of
@pytest.mark.filterwarnings("ignore::blocks.errors.BlocksWarning")
def test_the_users_program_runs_word_for_word(row):
    source = blocks.read("people.parquet")
    splits = source.split(train=0.8, valid=0.1, test=0.1, key="id")

    model = blocks.Model(
        preprocessor=preprocessors.Columns(
            {
                "age": preprocessors.Standardize(),
                "income": [preprocessors.Log1p(), preprocessors.Standardize()],
                "city": preprocessors.Vocabulary(min_count=2),
            }
        ),
        feature_extractor=feature_extractors.MLP([128, 64]),
        head=classifiers.Softmax("label"),
        postprocessors=[postprocessors.Temperature(), postprocessors.Labels()],
    )
    model.adapt(splits["train"])
    store = model.precompute(splits, "store", format="hdf5")
    model.compile(optimizer="adam")
    model.fit(store["train"], validation_data=store["valid"], epochs=10, batch_size=1024)
    model.calibrate(store["valid"])
    assert model.evaluate(store["test"]).keys() == {"loss", "accuracy"}
    answers = model.predict(splits["test"])
    assert answers["probabilities"].shape == (len(answers["label"]), 2)
    model.save("model.keras")
    model = blocks.load("model.keras")
    model.export("export/1")
    report = blocks.verify("export/1", splits["test"], store["test"])
    assert report.ok, report

    store = blocks.open_store("store")
    problems = store.check()
    assert problems == []
    rows = 0
    for features, target in store["train"].stream(batch_size=1024, shuffle=True, seed=0):
        assert features["numeric"].shape == (len(target), 2)
        rows += len(target)
    assert rows == store.rows["train"]

    table = model.predict_table(splits["test"], "test.parquet", keys=["id"])
    assert table.schema.names[:2] == ["id", "target_label"]  # an answer is called label too
    metrics = blocks.evaluate.metrics(table, by=["city"])
    assert metrics.schema.names[:6] == ["group", "metric", "value", "low", "high", "rows"]
    assert metrics["group"].combine_chunks().unique().to_pylist() == ["all", "city=Oslo", "city=Rome"]
    explanation = blocks.explain(model, row, background=splits["train"])
    assert {part.column for part in explanation.contributions} == {"age", "income", "city"}
    assert blocks.report(model, splits, path="report.html").read_text().rstrip().endswith("</html>")

    bigger = model.replace(feature_extractor=feature_extractors.ResNet(256, depth=4))
    assert bigger.precompute(splits, "store").reused
    assert isinstance(preprocessors.Columns.infer(source, exclude=["id", "label"]), preprocessors.Columns)
