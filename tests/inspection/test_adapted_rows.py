"""What a model keeps of the rows that it was adapted on: no pass more, nothing counted twice, in all of its files."""

import datetime
import json
import re

import numpy as np
import pyarrow as pa
import pytest

import blocks
from blocks import classifiers, feature_extractors, preprocessors
from blocks.data import Source
from blocks.data.formats.in_memory import TableReader
from blocks.errors import InvalidArgument, MalformedData
from blocks.export.export_manifest import read_manifest
from blocks.inspection.drift.drift_reference import DriftReference
from blocks.inspection.observed_columns import MOST_ROWS, ObservedColumns, RowsAtRandom
from blocks.statistics import Counts, Moments

INPUTS = ["age", "Cost: Total $", "class", "größe", "city", "is it?"]


class Counted(TableReader):
    """A table that counts how often it is read, and which columns."""

    def __init__(self, table):
        super().__init__(table, "Table")
        self.reads = []

    def chunks(self, rows, columns=None, *, encoded=False):
        self.reads.append(columns)
        return super().chunks(rows, columns, encoded=encoded)


def small_model(**columns):
    chosen = columns or {"x": preprocessors.Standardize(), "city": preprocessors.Vocabulary()}
    return blocks.Model(
        preprocessors.Columns(chosen), feature_extractors.MLP([2]), classifiers.Softmax("label"), seed=0
    )


def rows(number=60):
    random = np.random.default_rng(1)
    return pa.table(
        {
            "id": np.arange(number),
            "who": [f"p{i % 13}" for i in range(number)],
            "when": pa.array(np.arange(number) * 3_600_000, pa.timestamp("ms")),
            "x": random.normal(size=number),
            "city": random.choice(["rome", "oslo"], number),
            "label": random.choice(["yes", "no"], number),
        }
    )


def same(one, other):
    return {name: repr(column) for name, column in one.items()} == {n: repr(c) for n, c in other.items()}


def test_the_schema_is_that_of_infer_and_takes_no_pass_more(table):
    reader = Counted(table)
    model = small_model(
        age=[preprocessors.Impute("median"), preprocessors.Standardize()], city=preprocessors.Hashing(8)
    )
    model.adapt(Source(reader), verbose=0)
    assert len(reader.reads) == model.passes == 2
    assert "city" in reader.reads[0], "a block that learns nothing does not read it"
    assert "city" not in reader.reads[1]
    expected = blocks.Schema.infer(blocks.read(table).select(["age", "city", "label"]))
    expected["label"].min_fraction = 0.0
    assert same(model.schema, expected)


def test_what_a_block_counts_is_not_counted_again(monkeypatch):
    seen = dict.fromkeys((Counts, Moments), 0)
    for kind in seen:

        def counted(self, values, weights, kind=kind, update=kind._update):
            seen[kind] += len(values)
            update(self, values, weights)

        monkeypatch.setattr(kind, "_update", counted)
    small_model().adapt(rows(), verbose=0)
    # city by its vocabulary, the target by the head, and once as a column; x by Standardize
    assert seen == {Counts: 3 * 60, Moments: 60}


def test_pictures_that_nothing_learns_from_are_not_read():
    table = rows().append_column("picture", pa.array([b"\x00" * 9] * 60))
    reader = Counted(table)
    columns = {"x": preprocessors.Standardize(), "picture": preprocessors.Hashing(4)}
    model = small_model(**columns)
    model.adapt(Source(reader), verbose=0)
    assert all("picture" not in columns for columns in reader.reads)
    assert model.schema["picture"].kind == "bytes"
    assert "picture" not in model.drift_reference.columns


def test_all_files_carry_it(fitted, keras_file, exported):
    loaded = blocks.load(keras_file)
    assert list(fitted.schema) == [*INPUTS, "label"]
    assert same(loaded.schema, fitted.schema)
    assert loaded.splits == fitted.splits == []
    assert loaded.drift_reference.to_bytes() == fitted.drift_reference.to_bytes()
    assert set(loaded.drift_reference.answers) >= {"label", "probabilities[0]"}
    kept = json.loads((exported / "assets.extra/blocks/schema.json").read_text())
    assert [feature["name"] for feature in kept["feature"]] == [*INPUTS, "label"]
    assert read_manifest(exported)["splits"] == []
    assert same(blocks.Schema.load(exported / "assets.extra/blocks/schema.json"), fitted.schema)


def test_it_is_edited_replaced_and_turned_off(tmp_path):
    model = small_model()
    model.adapt(rows(), verbose=0)
    model.schema["x"].max = 1000.0
    other = model.replace(feature_extractor=feature_extractors.MLP([3]))
    other.schema["x"].min = -1000.0
    assert (other.schema["x"].max, model.schema["x"].max) == (1000.0, 1000.0)
    assert model.schema["x"].min != -1000.0
    assert other.drift_reference.columns.keys() == model.drift_reference.columns.keys()
    fresh = model.replace(preprocessor=preprocessors.Columns({"x": preprocessors.Standardize()}))
    assert (fresh.schema, fresh.splits, fresh.drift_reference) == (None, None, None)
    other.save(tmp_path / "model.keras")
    assert blocks.load(tmp_path / "model.keras").schema["x"].max == 1000.0
    other.schema = other.drift_reference = None
    other.save(tmp_path / "model.keras")
    with pytest.warns(match="never fitted"):
        other.export(tmp_path / "1")
    loaded = blocks.load(tmp_path / "model.keras")
    assert (loaded.schema, loaded.drift_reference) == (None, None)
    assert {file.name for file in (tmp_path / "1/assets.extra/blocks").iterdir()}.isdisjoint(
        {"schema.json", "drift_reference.bin"}
    )
    with pytest.raises(InvalidArgument, match=re.escape("Set model.schema")):
        blocks.inspection.schema.request_check.RequestCheck.of_export(tmp_path / "1")
    with pytest.raises(InvalidArgument, match=r"schema is a blocks\.Schema"):
        other.schema = {"x": 1}
    model.schema["x"].max = "much"
    with pytest.raises(InvalidArgument, match="column 'x' makes no sense"):
        model.save(tmp_path / "model.keras")


def test_rows_that_others_are_continued_with_are_not_taken_for_all():
    model = small_model()
    summary = model.adapt(rows(), verbose=0)
    model.adapt(rows(), initial=summary, verbose=0)
    assert (model.schema, model.drift_reference) == (None, None)


WAYS = {
    "hash": {"train": 0.7, "test": np.float64(0.3), "seed": np.int64(3)},
    "key": {"train": 0.7, "test": 0.3, "key": ("id",)},
    "group": {"train": 0.7, "test": 0.3, "group": "who", "stratify": ["label"]},
    "time": {"train": 0.7, "test": 0.3, "time": "when", "horizon": datetime.timedelta(hours=3), "embargo": "1h"},
    "count": {"train": 0.7, "test": 0.3, "time": "id", "horizon": 2},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_source_is_divided_to_the_same_rows_by_the_loaded_model_alone(way, tmp_path):
    source = blocks.read(rows())
    parts = source.split(**WAYS[way])
    model = small_model()
    model.adapt(parts["train"].select(["x", "city", "label"]), verbose=0)
    model.save(tmp_path / "model.keras")
    [split] = blocks.load(tmp_path / "model.keras").splits
    again = source.split(**split["arguments"])
    assert {name: part.to_table() for name, part in again.items()} == {n: p.to_table() for n, p in parts.items()}
    assert split["part"] == "train"
    if way == "time":
        first, last = split["parts"]["train"]["times"][0]
        assert (first, split["parts"]["train"]["purged"]) == (None, parts["train"].purged)
        begins = parts["test"].to_table()["when"][0].as_py()
        assert split["parts"]["test"]["times"][0][0] == begins.isoformat(" ", "milliseconds")
        beyond = begins - datetime.timedelta(hours=4) + datetime.timedelta(milliseconds=1)
        assert last == beyond.isoformat(" ", "milliseconds")
    assert "split(" in model.describe()
    assert f"['{split['part']}']" in model.describe()


def test_folds_samples_and_parts_of_parts_are_told_in_order(tmp_path):
    source = blocks.read(rows())
    fold = source.folds(3, group="who")[1]["train"].filter(pa.compute.field("x") > -1).sample(20, seed=5)
    first, second = json.loads(json.dumps(fold.divisions))
    again = source.folds(**first["arguments"])[first["fold"]][first["part"]].filter(pa.compute.field("x") > -1)
    assert again.sample(**second["arguments"]).to_table() == fold.to_table()
    assert [first["method"], second["method"]] == ["folds", "sample"]
    nested = source.split(a=0.5, b=0.5)["a"].split(c=0.5, d=0.5)["d"]
    outer, inner = nested.divisions
    again = source.split(**outer["arguments"])[outer["part"]].split(**inner["arguments"])[inner["part"]]
    assert again.to_table() == nested.to_table()


def test_a_file_that_was_divided_is_known_again(tmp_path):
    path = tmp_path / "rows.parquet"
    blocks.read(rows()).write(path, verbose=0)
    digests = [blocks.read(path).split(a=0.5, b=0.5)[part].divisions[0]["source"] for part in "ab"]
    assert digests[0] == digests[1]
    blocks.read(rows(50)).write(path, overwrite=True, verbose=0)
    assert blocks.read(path).split(a=0.5, b=0.5)["a"].divisions[0]["source"] != digests[0]
    assert "source" not in blocks.read(rows()).split(a=0.5, b=0.5)["a"].divisions[0], "a pass would be needed"


def reference_of(table):
    observed = ObservedColumns(table.schema, table.column_names, {}, 1 << 29)
    first = 0
    for batch in table.to_batches(max_chunksize=50_000):
        for update in observed.updates(batch, first):
            update()
        first += len(batch)
    return DriftReference.of(observed)


def test_no_number_of_few_rows_is_told():
    random = np.random.default_rng(2)
    values = random.normal(size=300)
    table = pa.table(
        {
            "alone": values,
            "few": pa.array([1.5, 2.5, 3.5, 4.5] + [None] * 296),
            "heaped": np.where(np.arange(300) < 290, 7.0, values),
            "lists": pa.ListArray.from_arrays(np.arange(301), pa.array(values)),
            "words": [f"person{i}" for i in range(300)],
        }
    )
    reference = reference_of(table)
    data = reference.to_bytes()
    assert not any(value.tobytes() in data for value in values)
    assert "moments" not in reference.columns["few"].results
    assert b"person" not in data
    for name in ("alone", "heaped"):
        ranks = reference.columns[name].results["quantiles"]
        steps = np.diff([0, *ranks.at_most, ranks.count])
        assert ((steps == 0) | (steps >= 5)).all()
        numbers = table[name].to_numpy()
        np.testing.assert_array_equal(ranks.at_most, [(numbers <= edge).sum() for edge in ranks.edges])


def test_random_rows_are_as_likely_whatever_the_chunks():
    drawn = []
    for chunk in (1000, 7000, 100_000):
        sample = RowsAtRandom(most=500)
        for first in range(0, 100_000, chunk):
            sample.add({"x": pa.array(np.arange(first, min(first + chunk, 100_000)))}, first)
        drawn.append(np.concatenate([piece.to_numpy() for piece in sample.columns()["x"]]))
    assert len(drawn[0]) == 500
    assert all((one == drawn[0]).all() for one in drawn)
    assert abs(drawn[0].mean() - 50_000) < 5000
    assert MOST_ROWS > 500


def test_damaged_bytes_are_an_error():
    data = reference_of(rows()).to_bytes()
    assert DriftReference.from_bytes(data).to_bytes() == data
    for damaged in (data[:-9], data[:40] + b"\x00" + data[41:], b"", blocks.Summary().to_bytes()):
        with pytest.raises(MalformedData):
            DriftReference.from_bytes(damaged)


def test_windows_say_how_their_rows_were_divided():
    part = blocks.read(rows()).split(train=0.7, test=0.3, time="when")["test"]
    windows = blocks.windows(part, length=3, horizon=1, order="when", columns=["x"], target="x", history=True)
    assert windows.divisions == part.divisions
    assert windows.divisions[0]["part"] == "test"
