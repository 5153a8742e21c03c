"""What is trained on is read once at the border: as few passes as there can be, and the same answers from each form."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

import blocks
from blocks import classifiers, feature_extractors, preprocessors
from blocks.data.formats.csv import file_spans, held_tables
from blocks.errors import InvalidArgument
from blocks.training.training_rows import training_rows

RANDOM = np.random.default_rng(0)
TABLE = pa.table({"x": RANDOM.normal(size=300), "label": RANDOM.choice(["no", "yes"], 300)})
BINS = feature_extractors.PiecewiseLinearEmbeddings(4)


def adapted(**extractor):
    model = blocks.Model(
        preprocessors.Columns({"x": preprocessors.Standardize()}),
        feature_extractors.MLP([2], **extractor),
        classifiers.Softmax("label"),
        seed=0,
    )
    model.adapt(TABLE)
    return model


@pytest.fixture
def path(tmp_path):
    csv.write_csv(TABLE, tmp_path / "rows.csv")
    return str(tmp_path / "rows.csv")


@pytest.mark.parametrize(("extractor", "learns"), [({}, 0), ({"numeric_embeddings": BINS}, 1)])
def test_a_csv_is_read_no_more_than_it_must_be(path, monkeypatch, extractor, learns):
    passes = []
    opened = file_spans.opened
    monkeypatch.setattr(file_spans, "opened", lambda *arguments: passes.append(1) or opened(*arguments))
    model = adapted(**extractor)
    model.fit(path, epochs=1, batch_size=100, verbose=0)
    assert len(passes) == 1, "a small file is held in memory"
    passes.clear()
    monkeypatch.setattr(held_tables, "HELD", 0)
    model = adapted(**extractor)
    model.fit(path, epochs=1, batch_size=100, verbose=0)
    assert len(passes) == 1 + learns + 1, "to settle its columns' types, to learn from, and to train on"


def test_a_source_of_ones_own_is_read_once_to_know_it_by_and_once_an_epoch():
    passes = []

    class Rows:
        schema = TABLE.schema

        def chunks(self, rows):
            passes.append(rows)
            yield from TABLE.to_batches(max_chunksize=rows)

    model = adapted()
    model.fit(Rows(), epochs=2, batch_size=100, verbose=0)
    assert len(passes) == 1 + 2
    with pytest.raises(InvalidArgument, match="which fit was given"):
        model.calibrate(Rows())


def test_a_path_is_trained_on_as_its_source_is(path):
    source = blocks.read(path)
    source.to_table()
    steps = []
    for data in (path, source, TABLE):
        model = adapted()
        model.fit(data, epochs=1, verbose=0)
        steps.append(int(model.core.optimizer.iterations))
    assert steps == [10, 10, 10], "batches of 32: the scan has counted the rows"


def test_rows_of_a_store_are_known_by_the_source_that_they_were_made_of(tmp_path):
    store = adapted().precompute({"train": TABLE, "none": TABLE.slice(0, 9)}, tmp_path / "s", verbose=0)
    known = {str(name): training_rows(rows) for name, rows in (("table", TABLE), *((n, store[n]) for n in store))}
    assert known["train"].fingerprint == known["table"].fingerprint != known["none"].fingerprint
    assert known["train"].count == known["table"].count == 300
    once = training_rows(pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches()))
    assert once.fingerprint is None
