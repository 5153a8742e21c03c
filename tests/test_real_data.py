"""Features of the SavedModel equal those computed offline, bit for bit, on real tables; needs BLOCKS_DATA."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors, regressors

DATA = os.environ.get("BLOCKS_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="BLOCKS_DATA does not name the folder of real data")

UCI = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital",
    "occupation",
    "relationship",
    "race",
    "sex",
    "gain",
    "loss",
    "hours",
    "country",
    "income",
]


def adult_uci(name):
    source = blocks.read(Path(DATA, "adult_census", name), column_names=UCI, null_values=["?"], skip_initial_space=True)
    table = source.to_table()
    income = pc.utf8_rtrim(pc.utf8_trim_whitespace(table["income"]), ".")
    return blocks.read(table.set_column(len(UCI) - 1, "income", income))


def flights():
    table = blocks.read(Path(DATA, "nycflights13", "flights.parquet")).to_table()
    return blocks.read(table.append_column("cancelled", pc.is_null(table["dep_time"]).cast(pa.int64())))


SETS = {
    "titanic": (lambda: blocks.read(Path(DATA, "titanic", "titanic.csv")), "survived", ["alive"]),
    "penguins": (lambda: blocks.read(Path(DATA, "penguins", "penguins.csv")), "species", []),
    "adult": (lambda: blocks.read(Path(DATA, "adult_census", "adult_train.csv")), "income", []),
    "adult_uci": (lambda: adult_uci("adult_uci_train.csv.gz"), "income", []),
    "nycflights13": (flights, "cancelled", ["dep_time", "dep_delay"]),
}


@pytest.mark.parametrize("name", SETS)
def test_features_of_the_savedmodel_equal_those_offline_bit_for_bit(name, tmp_path):
    make, target, exclude = SETS[name]
    source = make()
    splits = source.split(train=0.8, test=0.2)
    columns = preprocessors.Columns.infer(splits["train"], exclude=[target, *exclude])
    model = blocks.Model(
        columns,
        feature_extractors.MLP([16]),
        classifiers.Softmax(target),
        [postprocessors.Temperature(), postprocessors.Labels()],
        seed=0,
    )
    model.adapt(splits["train"])
    model.fit(splits["train"], epochs=1, verbose=0)
    store = model.precompute(splits, tmp_path / "store", verbose=False)
    model.export(tmp_path / "export" / "1")
    for split, rows in splits.items():
        report = blocks.verify(tmp_path / "export" / "1", rows, store[split])
        assert report.ok, str(report)
        assert len(report.features) == len(columns.get_feature_names_out())
        assert report.rows["rows of the source and store"] == rows.count() == store[split].rows


def test_values_unseen_in_training_are_served_as_offline(tmp_path):
    """The test file of UCI Adult holds labels and countries that its training file lacks."""
    train, test = adult_uci("adult_uci_train.csv.gz"), adult_uci("adult_uci_test.csv.gz")
    columns = preprocessors.Columns.infer(train, exclude=["income"])
    model = blocks.Model(columns, feature_extractors.MLP([16]), classifiers.Softmax("income"))
    model.adapt(train)
    model.export(tmp_path / "1")
    assert blocks.verify(tmp_path / "1", test).ok


def test_a_regressor_learns_flights_and_answers_in_minutes(tmp_path):
    source = flights().filter(pc.field("arr_delay").is_valid())
    splits = source.split(train=0.9, test=0.1)
    columns = preprocessors.Columns.infer(
        splits["train"], exclude=["arr_delay", "dep_time", "dep_delay", "arr_time", "air_time", "cancelled"]
    )
    model = blocks.Model(columns, feature_extractors.MLP([32]), regressors.Mean("arr_delay"), seed=0)
    model.adapt(splits["train"])
    model.fit(splits["train"], epochs=1, verbose=0)
    metrics = model.evaluate(splits["test"])
    spread = pc.stddev(splits["test"].to_table()["arr_delay"]).as_py()
    assert metrics["root_mean_squared_error"] < spread
    model.export(tmp_path / "1")
    assert blocks.verify(tmp_path / "1", splits["test"].select(list(model.preprocessor.inputs))).ok
