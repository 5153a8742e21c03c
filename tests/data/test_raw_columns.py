"""Families of raw columns: another one than the adapted is refused wherever a model meets rows."""

import datetime
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks import classifiers, feature_extractors, preprocessors
from blocks.data.raw_arrays import LAST_MICROSECOND, to_raw
from blocks.data.raw_columns import KINDS, MISSING_INT, RawColumn, raw_column
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.export.exported_predictor import ExportedPredictor
from blocks.export.savedmodel import read_parts

ROWS = 24
MICROS = np.datetime64("2020-06-01T00", "us").astype(np.int64) + np.arange(ROWS) * 3_600_000_000
NAIVE = pa.array(MICROS).cast(pa.timestamp("us"))

# one column of each family, and what may stand for it
COLUMNS = {
    "timestamp": NAIVE,
    "timestamp_utc": pc.assume_timezone(NAIVE, "Europe/Rome"),
    "time": pa.array(np.arange(ROWS) * 3_600).cast(pa.int32()).cast(pa.time32("s")),
    "duration": pa.array(np.arange(ROWS) * 90_000_000).cast(pa.duration("us")),
    "int64": pa.array(np.arange(ROWS) % 5),
}
BLOCKS = {
    "timestamp": lambda: preprocessors.DateParts(),
    "timestamp_utc": lambda: preprocessors.DateParts(timezone="Europe/Rome"),
    "time": lambda: preprocessors.Cyclical(period="day"),
    "duration": lambda: preprocessors.Duration("hour"),
    "int64": lambda: preprocessors.Vocabulary(),
}
OTHERS = {
    "seconds": pa.array(MICROS // 10**6),
    "milliseconds, float": pa.array(MICROS / 1_000),
    "nanoseconds": pa.array(MICROS * 1_000),
    "booleans": pa.array([True, False] * (ROWS // 2)),
    "text": NAIVE.cast(pa.string()),
    **{kind: values for kind, values in COLUMNS.items() if kind != "int64"},
}


@pytest.fixture(scope="module")
def model():
    made = blocks.Model(
        preprocessors.Columns({name: block() for name, block in BLOCKS.items()}),
        feature_extractors.MLP([4]),
        classifiers.Softmax("y"),
        seed=0,
    )
    made.adapt({**COLUMNS, "y": ["u", "v"] * (ROWS // 2)})
    return made


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    model.save(folder / "model.keras")
    model.export(folder / "1")
    return folder


TAKEN = {
    "timestamp": {"timestamp"},
    "timestamp_utc": {"timestamp_utc"},
    "time": {"time", "seconds"},  # as microseconds, seconds since 1970 are half an hour: no one can tell
    "duration": {"duration", "seconds", "nanoseconds"},
    "int64": {"seconds", "nanoseconds", "booleans", "milliseconds, float"},  # integers all
}
"""What enters where a family was declared; all else is refused."""


@pytest.mark.parametrize("kind", BLOCKS)
def test_another_family_is_refused_wherever_rows_are_met(model, saved, kind, tmp_path):
    exported, loaded = ExportedPredictor(saved / "1"), blocks.load(saved / "model.keras")
    for name in set(OTHERS) - TAKEN[kind]:
        rows = pa.table({**COLUMNS, kind: OTHERS[name], "y": ["u", "v"] * (ROWS // 2)})
        batch = rows.to_batches()[0]
        ways = [
            (model.transform, batch),
            (loaded.transform, batch),
            (exported.answers, batch),
            (model, rows),
            (model.predict, rows),
        ]
        if name == "text":
            ways += [
                (lambda splits: model.precompute(splits, tmp_path / "store", verbose=False), {"train": rows}),
                (lambda rows: model.fit(rows, epochs=1, verbose=0), rows),
                (lambda rows: model.evaluate(rows, verbose=0), rows),
            ]
        if name == "text" and kind == "timestamp":
            ways.append((lambda rows: blocks.verify(saved / "1", rows), rows))
        for way, given_rows in ways:
            with pytest.raises(SchemaMismatch, match=rf"'{kind}' enters the model as {kind}"):
                way(given_rows)


def test_the_kinds_survive_saving_and_exporting(model, saved):
    kinds = {kind: RawColumn(kind) for kind in BLOCKS}
    assert model.preprocessor.inputs == kinds
    assert blocks.load(saved / "model.keras").preprocessor.inputs == kinds
    assert read_parts(saved / "1")[0].inputs == kinds
    assert ExportedPredictor(saved / "1")._raw == kinds


def test_a_raw_column_is_a_kind_and_a_shape_and_a_scalar_is_kept_as_its_kind():
    for column in (RawColumn("timestamp"), RawColumn("float32", (24,))):
        assert RawColumn.from_config(json.loads(json.dumps(column.get_config()))) == column
    assert RawColumn("timestamp").get_config() == "timestamp"
    assert RawColumn("float64").form != RawColumn("float64", (24,)).form
    with pytest.raises(InvalidArgument, match="Received: 'number'"):
        RawColumn.from_config("number")


def test_microseconds_of_int64_are_the_raw_form_on_every_lane(model, saved):
    expected = model.transform(pa.record_batch(COLUMNS))
    raw = {name: to_raw(values, RawColumn(name)) for name, values in COLUMNS.items()}
    assert {values.dtype.name for values in raw.values()} == {"int64"}
    for rows in (raw, {name: pa.array(values) for name, values in raw.items()}):
        for found in (model.transform(pa.record_batch(rows)), model.preprocessor(tensors(rows))):
            for entry, values in expected.items():
                np.testing.assert_array_equal(np.asarray(found[entry]), values)
    answers = model.predict(raw)["probabilities"]
    np.testing.assert_allclose(model(tensors(raw))["probabilities"], answers, rtol=1e-5)
    np.testing.assert_allclose(
        ExportedPredictor(saved / "1").answers(pa.record_batch(COLUMNS))["probabilities"], answers, rtol=1e-5
    )


def tensors(rows):
    return {name: tf.constant(np.asarray(values)) for name, values in rows.items()}


def test_tensors_of_another_dtype_are_refused(model):
    for kind in BLOCKS:
        for values in (tf.ones(ROWS, tf.float64), tf.fill(ROWS, "x"), tf.ones(ROWS, tf.bool)):
            if (kind, values.dtype) != ("int64", tf.bool):
                with pytest.raises(SchemaMismatch, match=f"'{kind}' enters the model as {kind}"):
                    model({**tensors({name: to_raw(c, RawColumn(name)) for name, c in COLUMNS.items()}), kind: values})


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "list"])
def test_a_column_without_a_value_is_of_every_family(kind):
    expected = {"string": "", "int64": MISSING_INT}.get(RawColumn(kind).dtype, np.nan)
    types = (pa.null(), pa.string(), pa.float64(), pa.timestamp("s"), pa.duration("s"), pa.int64(), pa.bool_())
    columns = [pa.nulls(2, type) for type in types] + [pa.array([np.nan, None])]
    for values in columns:
        np.testing.assert_array_equal(to_raw(values, RawColumn(kind)), [expected] * 2)


@given(st.lists(st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)), min_size=1, max_size=4))
@settings(max_examples=60)
def test_integers_are_taken_as_microseconds_or_refused(instants):
    naive = pa.array(instants, pa.timestamp("us"))
    micros = to_raw(naive, RawColumn("timestamp"))
    seconds, millis = micros // 10**6, micros // 10**3
    if np.abs(micros).max() >= 10**13:
        assert to_raw(pa.array(micros), RawColumn("timestamp")).tolist() == micros.tolist()
        assert to_raw(pa.array(micros), RawColumn("timestamp_utc")).tolist() == micros.tolist()
    for counted in (seconds, millis):
        if np.abs(counted).max() >= 10**8 and np.abs(counted).max() < 10**13:
            for kind in ("timestamp", "timestamp_utc", "instant"):
                with pytest.raises(SchemaMismatch, match="looks like another unit"):
                    to_raw(pa.array(counted), RawColumn(kind))


def test_what_the_message_says_mends_it():
    zoned, seconds = COLUMNS["timestamp_utc"], pa.array(MICROS // 10**6)
    with pytest.raises(SchemaMismatch, match=r"pyarrow.compute.local_timestamp\(column\)"):
        to_raw(zoned, RawColumn("timestamp"))
    assert to_raw(pc.local_timestamp(zoned), RawColumn("timestamp")).tolist() == MICROS.tolist()
    with pytest.raises(SchemaMismatch, match=r"pyarrow.compute.assume_timezone\(column, 'Europe/Rome'\)"):
        to_raw(NAIVE, RawColumn("timestamp_utc"))
    assert (
        to_raw(pc.assume_timezone(NAIVE, "Europe/Rome"), RawColumn("timestamp_utc")).tolist()
        == to_raw(zoned, RawColumn("timestamp_utc")).tolist()
    )
    with pytest.raises(SchemaMismatch, match=r"column.cast\(pa.timestamp\('s'\)\)"):
        to_raw(seconds, RawColumn("timestamp"))
    assert to_raw(seconds.cast(pa.timestamp("s")), RawColumn("timestamp")).tolist() == MICROS.tolist()
    for kind, seconds in {"time": 86_399, "duration": 86_399}.items():
        assert to_raw(pa.array([seconds * 10**6]), RawColumn(kind)).tolist() == [seconds * 10**6]
    for odd in (86_399, 86_399_000, 86_400_000_000, -1):
        with pytest.raises(SchemaMismatch, match="Give times of day"):
            to_raw(pa.array([odd]), RawColumn("time"))
    with pytest.raises(SchemaMismatch, match="looks like another unit"):
        to_raw(pa.array([LAST_MICROSECOND + 1]), RawColumn("timestamp"))


def test_dates_stand_for_timestamps_without_a_zone_of_any_unit():
    for type in (pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("ns")):
        assert raw_column(type) == RawColumn("timestamp")
    day = pa.array([18_414], pa.int32()).view(pa.date32())
    assert to_raw(day, RawColumn("timestamp")).tolist() == [MICROS[0]]
    with pytest.raises(SchemaMismatch, match="timestamps with a zone"):
        to_raw(day, RawColumn("timestamp_utc"))


def test_an_export_from_before_the_kinds_reads_every_time(saved, tmp_path):
    shutil.copytree(saved / "1", tmp_path / "1")
    path = tmp_path / "1" / "assets.extra" / "blocks" / "manifest.json"
    manifest = json.loads(path.read_text())
    assert manifest.pop("kinds") == dict(zip(BLOCKS, BLOCKS, strict=True))
    path.write_text(json.dumps(manifest))
    rows = pa.record_batch(COLUMNS)
    expected = ExportedPredictor(saved / "1").answers(rows)["probabilities"]
    np.testing.assert_array_equal(ExportedPredictor(tmp_path / "1").answers(rows)["probabilities"], expected)


def test_a_model_from_before_the_kinds_reads_both_and_no_other(model):
    config = model.preprocessor.get_config()
    old = {**config, "raw": dict.fromkeys(config["raw"], "int64")}
    found = preprocessors.Columns.from_config(old).inputs
    assert found == dict.fromkeys(BLOCKS, RawColumn("instant")) | {"int64": RawColumn("int64")}
    for kind in ("timestamp", "timestamp_utc"):
        assert to_raw(COLUMNS[kind], RawColumn("instant")).tolist() == to_raw(COLUMNS[kind], RawColumn(kind)).tolist()
    with pytest.raises(SchemaMismatch, match="enters the model as instant"):
        to_raw(pa.array([1.5e15]), RawColumn("instant"))
