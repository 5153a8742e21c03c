"""Columns of equal chains run as one, with the bits that each column's own blocks give."""

import importlib
import pkgutil

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from blocks import preprocessors as of
from blocks.block import Preprocessor, emit
from blocks.data import read
from blocks.data.raw_arrays import to_raw
from blocks.features.spec import NUMERIC
from blocks.offline.adapt import adapt
from blocks.offline.transform import Transform
from blocks.preprocessors.columns.stacking import stacked

ROWS = 1009
RNG = np.random.default_rng(11)
SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 1000)


def numbers(place, dtype=None):
    values = RNG.normal(place, 10.0 ** (place % 5 - 2), ROWS)
    values[RNG.random(ROWS) < 0.05] *= 1e30 if dtype else 1e150
    values[RNG.random(ROWS) < 0.03] = np.inf
    values[RNG.random(ROWS) < 0.03] = -np.inf
    return pa.array(values, dtype, mask=RNG.random(ROWS) < 0.1)


def instants(place):
    values = RNG.integers(-(10**15), 2 * 10**15, ROWS) * (1 + place % 2)
    return pa.array(values, pa.timestamp("us", "UTC"), mask=RNG.random(ROWS) < 0.1)


def texts(place):
    # some words are those of all columns, some of one; the number of different ones differs a lot
    words = [*(f"w{i}" for i in range(3 + 9 * place)), f"own{place}", "a@b.org", "Yes", "no", "\x00", "Zürich\n", ""]
    return pa.array(RNG.choice(words, ROWS), pa.string(), mask=RNG.random(ROWS) < 0.1)


def integers(place):
    values = RNG.integers(-place, 3 + 5 * place, ROWS) * (1 if place % 2 else 1 << 40)
    return pa.array(values, pa.int64(), mask=RNG.random(ROWS) < 0.1)


def floats(place):
    return numbers(place, pa.float32())


TABLE = {
    "Standardize": (lambda: of.Standardize(), numbers),
    "Standardize, indicator": (lambda: of.Standardize(missing="keep", add_indicator=True), floats),
    "MinMax": (lambda: of.MinMax(), numbers),
    "MinMax, clipped": (lambda: of.MinMax((-2, 3), clip=True, add_indicator=True), floats),
    "MaxAbs": (lambda: of.MaxAbs(add_indicator=True), numbers),
    "RobustScale": (lambda: of.RobustScale(unit_variance=True, add_indicator=True), numbers),
    "Log1p": (lambda: of.Log1p(), numbers),
    "Log1p, signed": (lambda: [of.Log1p(signed=True), of.Standardize(add_indicator=True)], numbers),
    "Clip": (lambda: of.Clip(-1, 3), floats),
    "Clip, learned": (lambda: [of.Clip(quantile_range=(2, 90)), of.MinMax()], numbers),
    "Round": (lambda: of.Round(2), numbers),
    "Impute": (lambda: [of.Impute("median"), of.Log1p(signed=True)], numbers),
    "Impute, given": (lambda: of.Impute("constant", fill_value=7, add_indicator=True), numbers),
    "MissingIndicator": (lambda: of.MissingIndicator(), numbers),
    "MissingIndicator, text": (lambda: of.MissingIndicator(), texts),
    "MissingIndicator, time": (lambda: of.MissingIndicator(), instants),
    "Bucketize": (lambda: [of.Log1p(signed=True), of.Bucketize(num_bins=9)], numbers),
    "Bucketize, one-hot": (lambda: of.Bucketize([0.0, 1.5], output_mode="one_hot"), numbers),
    "Elapsed": (lambda: [of.Elapsed("min", unit="day"), of.Standardize()], instants),
    "DateParts": (lambda: of.DateParts(timezone="Europe/Paris", add_indicator=True), instants),
    "Cyclical": (lambda: of.Cyclical("day_of_year", timezone="America/New_York", add_indicator=True), instants),
    "Cyclical, numbers": (lambda: of.Cyclical(period=7), numbers),
    "Boolean": (lambda: of.Boolean(), texts),
    "Boolean, integers": (lambda: of.Boolean(), integers),
    "Hashing": (lambda: of.Hashing(50, salt="s"), texts),
    "Hashing, integers": (lambda: of.Hashing(50), integers),
    "Length": (lambda: of.Length(), texts),
    "Map": (lambda: of.Map({"w1": 2.0, "w2": -1.0}), texts),
    "Map, Vocabulary": (lambda: [of.Map({"w1": "w2"}, keep=True), of.Vocabulary()], texts),
    "Extract": (lambda: [of.Extract("[0-9]+"), of.Vocabulary(top_k=9)], texts),
    "EmailDomain": (lambda: [of.EmailDomain(), of.Vocabulary()], texts),
    "Vocabulary": (lambda: of.Vocabulary(min_count=2), texts),
    "Vocabulary, spread": (lambda: of.Vocabulary(top_k=5, num_oov_indices=3), texts),
    "Vocabulary, none unseen": (lambda: of.Vocabulary(top_k=5, num_oov_indices=0), integers),
    "Vocabulary, integers": (lambda: of.Vocabulary(top_k=7, num_oov_indices=2), integers),
    "Vocabulary, given": (lambda: of.Vocabulary(vocabulary=["w1", "no"]), texts),
}


def preprocessor_classes():
    for module in pkgutil.iter_modules(of.__path__, "blocks.preprocessors."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Preprocessor) and value is not Preprocessor:
                yield value


def test_the_table_holds_every_block_that_stacks():
    chains = [make() for make, _ in TABLE.values()]
    tried = {type(block) for chain in chains for block in (chain if isinstance(chain, list) else [chain])}
    own = Preprocessor.stack.__func__
    assert {block for block in preprocessor_classes() if block.stacks or block.stack.__func__ is not own} <= tried


def adapted(make, values, count=5):
    table = pa.table({f"c{place}": values(place) for place in range(count)})
    columns = of.Columns({name: make() for name in table.schema.names})
    adapt(columns, None, read(table), verbose=False)
    return columns, table


def one_by_one(columns, raw):
    """Entry to features, by each column's own blocks."""
    parts = {}
    for lane in columns.lanes:
        values = emit(lane.compute(lane.inputs_from(raw))).numpy()
        entry = "numeric" if values.dtype.kind == "f" else "categorical"
        parts.setdefault(entry, []).append(values if values.ndim == 2 else values[:, np.newaxis])
    return {entry: np.concatenate(values, axis=1) for entry, values in parts.items()}


def same(found, expected):
    assert list(found) == list(expected)
    for entry, values in found.items():
        values = np.asarray(values)
        assert values.dtype == expected[entry].dtype
        assert values.shape == expected[entry].shape
        assert values.tobytes() == expected[entry].tobytes(), entry


def raw_of(columns, table):
    raw = {name: to_raw(table[name], column, name) for name, column in columns.inputs.items()}
    return {name: tf.constant(values, tf.string if values.dtype == object else None) for name, values in raw.items()}


@pytest.mark.parametrize(("make", "values"), TABLE.values(), ids=TABLE)
def test_bits_are_those_of_each_column_alone(make, values):
    columns, table = adapted(make, values)
    stacks, singles = stacked(columns.lanes, columns.inputs)
    assert [len(stack.lanes) for stack in stacks] == [5]
    assert not singles
    raw = raw_of(columns, table)
    expected = one_by_one(columns, raw)
    signature = {name: tf.TensorSpec((None,), tensor.dtype) for name, tensor in raw.items()}
    traced = tf.function(columns, input_signature=[signature])
    transform = Transform(columns)
    same(columns(raw), expected)
    same(transform(table.to_batches()[0]), expected)
    for size in SIZES:
        part = {name: tensor[3 : 3 + size] for name, tensor in raw.items()}
        of_part = {entry: rows[3 : 3 + size] for entry, rows in expected.items()}
        same(traced(part), of_part)
        same(transform(table.slice(3, size).to_batches()[0]), of_part)


def test_features_stand_in_the_order_of_the_columns_whatever_is_stacked():
    # stacks of different blocks and dtypes, single lanes and an entry of higher rank, all in turns
    table, chains = {}, {}
    for place in range(17):
        kind = place % 6
        name = f"c{place}"
        if kind == 0:
            table[name], chains[name] = numbers(place), of.Standardize()
        elif kind == 1:
            table[name], chains[name] = texts(place), (of.Vocabulary(), of.OneHot(top_k=2))
        elif kind == 2:
            table[name], chains[name] = floats(place), (of.MinMax(add_indicator=True), of.Standardize())
        elif kind == 3:
            table[name], chains[name] = integers(place), of.Vocabulary()
        elif kind == 4:
            table[name], chains[name] = texts(place), [of.Normalize(), of.Vocabulary(top_k=3)]
        else:
            table[name], chains[name] = numbers(place), of.PowerTransform()
    table["tokens"], chains["tokens"] = texts(1), of.Tokens(3)
    table = pa.table(table)
    columns = of.Columns(chains)
    adapt(columns, None, read(table), verbose=False)
    raw = raw_of(columns, table)
    parts = {entry: one_by_one_of(columns, raw, entry) for entry in columns.spec}
    same(columns(raw), parts)
    transform = Transform(columns)
    same(transform(table.to_batches()[0]), parts)
    reloaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(columns))
    reloaded.restore(columns.state)
    same(reloaded(raw), parts)
    assert reloaded.state.keys() == columns.state.keys()


def one_by_one_of(columns, raw, entry):
    values = []
    for lane in columns.lanes:
        found = emit(lane.compute(lane.inputs_from(raw))).numpy()
        if lane.entry() is not None:
            if lane.name == entry:
                return found
        elif (found.dtype.kind == "f") == (entry == NUMERIC):
            values.append(found if found.ndim == 2 else found[:, np.newaxis])
    return np.concatenate(values, axis=1)


@pytest.mark.parametrize("make", [of.Standardize, of.MinMax, of.MaxAbs, of.RobustScale, of.Impute])
def test_lanes_with_an_indicator_and_without_are_served_by_one_stack(make):
    table = pa.table({f"c{place}": numbers(place) for place in range(6)})
    columns = of.Columns({f"c{place}": make(add_indicator=place % 3 == 1) for place in range(6)})
    adapt(columns, None, read(table), verbose=False)
    assert len(stacked(columns.lanes, columns.inputs, indicators=True)[0]) == 1
    assert len(stacked(columns.lanes, columns.inputs)[0]) == 2
    raw = raw_of(columns, table)
    same(columns(raw), one_by_one(columns, raw))
    same(Transform(columns)(table.to_batches()[0]), one_by_one(columns, raw))


@keras.saving.register_keras_serializable(package="test_stacking")
class Halved(Preprocessor):
    """A user's own block, which says nothing of stacks and would fail on one."""

    def compute(self, values):
        assert values.shape.rank == 1
        return tf.cast(values, tf.float64) / 2


def test_a_block_that_says_nothing_of_stacks_works_column_by_column():
    columns, table = adapted(lambda: [of.Clip(-9, 9), Halved()], numbers)
    assert stacked(columns.lanes, columns.inputs)[0] == []
    raw = raw_of(columns, table)
    same(columns(raw), one_by_one(columns, raw))
    same(Transform(columns)(table.to_batches()[0]), one_by_one(columns, raw))


def test_a_stack_follows_what_its_blocks_learn_again():
    columns, table = adapted(of.Standardize, numbers)
    raw = raw_of(columns, table)
    before = columns(raw)["numeric"].numpy()
    columns.lanes[2].blocks[0].restore({**columns.lanes[2].blocks[0].state, "mean": np.array(3.0)})
    after = columns(raw)["numeric"].numpy()
    assert (before[:, 2] != after[:, 2]).any()
    assert np.delete(before, 2, axis=1).tobytes() == np.delete(after, 2, axis=1).tobytes()


def test_long_dictionaries_beside_short_ones(monkeypatch):
    monkeypatch.setattr("blocks.offline.transform.SHORT", 20)
    columns, table = adapted(of.Vocabulary, texts)
    transform = Transform(columns)
    for start in (0, 100, 700):
        part = table.slice(start, 300)
        same(transform(part.combine_chunks().to_batches()[0]), one_by_one(columns, raw_of(columns, part)))


def test_chunks_of_more_rows_than_are_worked_on_at_once(monkeypatch):
    monkeypatch.setattr("blocks.offline.transform.CELLS", 500)
    columns, table = adapted(lambda: (of.Standardize(add_indicator=True), of.Bucketize(num_bins=4)), numbers)
    same(Transform(columns)(table.to_batches()[0]), one_by_one(columns, raw_of(columns, table)))
    none = {entry: rows[:0] for entry, rows in one_by_one(columns, raw_of(columns, table)).items()}
    same(Transform(columns)(table.to_batches()[0].slice(0, 0)), none)
