"""Compare: every model with every seed on one store, judged as `Model.evaluate` judges."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks import baselines, classifiers, feature_extractors, preprocessors
from blocks.errors import InvalidArgument
from blocks.evaluate.model_ranking import Comparison


@pytest.fixture(scope="module")
def model():
    made = blocks.Model(
        preprocessors.Columns({"x": preprocessors.Standardize()}),
        feature_extractors.MLP([8]),
        classifiers.Softmax("label"),
    )
    made.adapt(rows())
    return made


def rows(count=300):
    x = np.random.default_rng(0).normal(0, 1, count)
    return {"x": x, "label": x > 0.3}


@pytest.fixture(scope="module")
def store(model, tmp_path_factory):
    splits = blocks.read(rows()).split(train=0.6, valid=0.2, test=0.2)
    return model.precompute(splits, tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def found(model, store):
    models = {
        "small": model,
        "wide": model.replace(feature_extractor=feature_extractors.MLP([16])),
        "boosted": baselines.boosted,
        "constant": baselines.constant,
    }
    return blocks.compare(models, store, seeds=(0, 1), epochs=2, batch_size=32)


def test_the_table_says_metrics_spread_parameters_and_time(found):
    losses = found.table["valid_loss"].to_pylist()
    assert losses == sorted(losses)
    assert found.table["rank"].to_pylist() == [1, 2, 3, 4]
    order = ["small", "wide", "boosted", "constant"]
    table = sorted(found.table.to_pylist(), key=lambda row: order.index(row["model"]))
    assert [row["parameters"] for row in table] == [8 * 2 + 9 * 2, 16 * 2 + 17 * 2, 0, 0]
    for row in table:
        mine = [run for run in found.runs.to_pylist() if run["model"] == row["model"]]
        assert [run["seed"] for run in mine] == [0, 1]
        for metric in ("loss", "accuracy", "valid_loss", "valid_accuracy"):
            values = [run[metric] for run in mine]
            assert row[metric] == pytest.approx(np.mean(values))
            assert row[f"{metric}_spread"] == pytest.approx(np.std(values, ddof=1))
        assert row["seconds"] > 0
        assert row["rows_per_second"] > 0
    assert table[0]["epochs"] == 2
    assert table[0]["accuracy_spread"] is not None
    assert table[3]["loss_spread"] == 0
    assert blocks.read(found).schema.names == found.table.column_names


def test_it_prints_as_a_table(found):
    lines = repr(found).splitlines()
    assert len(lines) == 6
    assert len({len(line) for line in lines[:5]}) == 1
    assert lines[0].split()[:2] == ["rank", "model"]
    assert sorted(lines[0].split()[2:4]) == ["valid_accuracy", "valid_loss"]
    assert lines[0].split()[4:] == ["parameters", "epochs", "seconds", "rows/s"]
    assert [line.split()[0] for line in lines[1:5]] == ["1", "2", "3", "4"]
    assert all("+-" in line for line in lines[1:5])
    # the test rows' numbers once, of the model that validation chose
    best = found.table.to_pylist()[0]
    assert lines[5].startswith(f"on test rows, of the first alone: {best['model']}: ")
    assert f"accuracy {best['accuracy']:.4g}" in lines[5]


def test_it_is_ranked_by_validation_and_not_by_test():
    runs = [
        {"model": name, "seed": 0, "valid_loss": valid, "loss": test, "parameters": 1, "epochs": 1}
        for name, valid, test in (("a", 0.5, 0.1), ("b", 0.3, 0.4), ("c", float("nan"), 0.0))
    ]
    runs = [{**run, "seconds": 1.0, "rows_per_second": 1.0} for run in runs]
    found = Comparison(pa.Table.from_pylist(runs))
    assert found.table["model"].to_pylist() == ["b", "a", "c"]
    assert repr(found).splitlines()[-1] == "on test rows, of the first alone: b: loss 0.4"
    unranked = Comparison(pa.Table.from_pylist(runs).drop_columns(["valid_loss"]))
    assert unranked.table["model"].to_pylist() == ["a", "b", "c"]
    assert unranked.table["rank"].to_pylist() == [None, None, None]
    assert repr(unranked).splitlines()[0].split()[:2] == ["model", "loss"]


def test_a_notebook_shows_names_as_they_are():
    counts = {"parameters": 1, "epochs": 1, "seconds": 1.0, "rows_per_second": 1.0}
    shown = Comparison(pa.Table.from_pylist([{"model": "<b>", "seed": 0, "loss": 0.5, **counts}]))._repr_html_()
    assert shown.count("<tr>") == 2
    assert ">&lt;b&gt;</th>" in shown


def test_a_fit_is_the_one_that_the_model_makes_itself(model, store, found):
    again = model.replace(seed=1)
    again.fit(store["train"], validation_data=store["valid"], epochs=2, batch_size=32, seed=1)
    run = next(run for run in found.runs.to_pylist() if run["model"] == "small" and run["seed"] == 1)
    assert again.evaluate(store["test"])["loss"] == pytest.approx(run["loss"], rel=1e-5)
    judged = baselines.boosted(store["train"], model.head, seed=1).evaluate(store["test"])
    run = next(run for run in found.runs.to_pylist() if run["model"] == "boosted" and run["seed"] == 1)
    assert judged["loss"] == pytest.approx(run["loss"])


def test_models_go_by_their_extractors_and_a_budget_ends_a_fit(model, store):
    found = blocks.compare([model, baselines.constant], store, seeds=[0], epochs=50, seconds=0)
    assert sorted(found.table["model"].to_pylist()) == ["MLP", "constant"]
    assert found.table["epochs"].to_pylist() == [1, 1]
    assert found.table["loss_spread"].to_pylist() == [None, None]


def test_what_cannot_be_compared_is_refused(model, store):
    with pytest.raises(InvalidArgument, match=r"distinct names.*twice MLP"):
        blocks.compare([model, model], store)
    with pytest.raises(InvalidArgument, match="Received: none"):
        blocks.compare({}, store)
    with pytest.raises(InvalidArgument, match=r"one blocks\.Model at least"):
        blocks.compare([baselines.linear], store)
    with pytest.raises(InvalidArgument, match="'other', a str"):
        blocks.compare({"mine": model, "other": "TabM"}, store)
    with pytest.raises(InvalidArgument, match="'exam'; it has"):
        blocks.compare([model], store, test="exam")
    with pytest.raises(InvalidArgument, match=r"anew on a store, .* or as they are on rows"):
        blocks.compare([model, model])
    with pytest.raises(InvalidArgument, match="trains on a store"):
        blocks.compare([model], ["city"])
    with pytest.raises(InvalidArgument, match=r"compare_tables takes .* Received: epochs"):
        blocks.compare([{"y": [1.0], "prediction": [1.0]}] * 2, target="y", epochs=3)
    with pytest.raises(InvalidArgument, match=r"Received: epoch \(did you mean epochs\?\)"):
        blocks.compare([model], store, epoch=3)


def test_the_example_swaps_extractors_on_one_store(tmp_path):
    script = Path(__file__).parents[1] / "examples" / "swap.py"
    arguments = ["--out", str(tmp_path), "--epochs", "1"]
    done = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    head, *lines, on_test = done.stdout.splitlines()[1:]
    assert head.split()[:2] == ["rank", "model"]
    assert sorted(line.split()[1] for line in lines) == sorted(
        ["auto", "MLP", "ResNet", "DCN", "WideDeep", "linear", "boosted"]
    )
    assert on_test.startswith(f"on test rows, of the first alone: {lines[0].split()[1]}: ")
    assert "adapted in 1 pass" in done.stdout
