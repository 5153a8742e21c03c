"""Inputs that nobody should send, to every preprocessor: a result of the declared form, or an error of blocks.

Each block meets every hostile column twice: it learns from it alone and is called on it; and, adapted on its own data,
it is served it through `Columns`, offline and as a layer, which must agree bit for bit.
"""

import datetime
import decimal
import warnings
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks import preprocessors
from blocks.block import Preprocessor
from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import MISSING_INT, RawColumn, raw_column
from blocks.errors import BlocksError, EmptySource, InvalidArgument, SchemaMismatch
from blocks.features.sparse import Sparse
from blocks.inference.graph import raw_tensors
from blocks.offline.adapt import adapt
from blocks.offline.transform import Transform
from blocks.preprocessors import (
    Columns,
    Cross,
    DateParts,
    Elapsed,
    MultiHot,
    Standardize,
    TargetEncode,
    Timestamp,
    Tokens,
    Vocabulary,
)

from ..test_contract import TABLE

LEAST, MOST = -(1 << 63), (1 << 63) - 1

TEXT = pa.array(["2013-01-01T05:00Z", None, "a@b.com"])


def first_rows():
    """Name to factory and columns of each preprocessor: its first row in the table of the contract, or TEXT."""
    found, chained = {}, {}
    for make, data, _ in TABLE.values():
        block = make()
        if isinstance(block, Columns):
            chained |= {type(link).__name__: (partial(fresh, link), (TEXT,)) for link in block._blocks}
        elif isinstance(block, Preprocessor):
            columns = data if isinstance(data, tuple) else (data,)
            columns = tuple(values if isinstance(values, pa.Array) else pa.array(values) for values in columns)
            found.setdefault(type(block).__name__, (make, columns))
    return chained | found


def fresh(block):
    return type(block).from_config(block.get_config())


BLOCKS = first_rows()


def seen_as(type, *integers):
    return pa.array(integers, pa.int64()).view(type)


HOSTILE = {
    "no rows of text": pa.array([], pa.string()),
    "no rows of numbers": pa.array([], pa.float64()),
    "no rows of times": pa.array([], pa.timestamp("us")),
    "nulls": pa.nulls(4),
    "missing text": pa.nulls(4, pa.string()),
    "missing numbers": pa.nulls(4, pa.float64()),
    "missing integers": pa.nulls(4, pa.int64()),
    "missing times": pa.nulls(4, pa.timestamp("us")),
    "missing lists": pa.nulls(4, pa.list_(pa.string())),
    "missing dictionary": pa.nulls(4, pa.dictionary(pa.int32(), pa.string())),
    "text": pa.array(["a", "", None, "1.5", "\x00", "\x1fa\x1f"]),
    "numbers": pa.array([1.0, float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324, None]),
    "float16": pa.array(np.array([1.0, np.nan, np.inf], np.float16)),
    "float32": pa.array([3e38, None, 1e-40], pa.float32()),
    "integers": pa.array([LEAST + 1, MOST, 0, None, -1]),
    "the smallest integer": pa.array([LEAST, 1]),
    "uint64": pa.array([(1 << 64) - 1, 0, 1 << 63, None], pa.uint64()),
    "booleans": pa.array([True, False, None]),
    "decimals": pa.array([decimal.Decimal("1.50"), None]),
    "long decimals": pa.array([decimal.Decimal(10) ** 70, None], pa.decimal256(76, 2)),
    "no UTF-8": pa.array([b"\xff\xfe", b"a\xc3", b"\xed\xa0\x80", b"", None, b"\x00"]),
    "bytes of one length": pa.array([b"\xff\x00", None], pa.binary(2)),
    "string view": pa.array(["a", None], pa.string_view()),
    "dictionary": pa.array(["a", None, "b"]).dictionary_encode(),
    "dictionary of integers": pa.array([1, None, 3]).dictionary_encode(),
    "dictionary of floats": pa.array([1.5, None, 3]).dictionary_encode(),
    "odd dates": pa.array(
        ["0000-01-01", "9999-12-31T23:59:59.999999", "10000-01-01", "-0001-01-01", "9999-99-99", "2013-02-30", "1e3"]
    ),
    "microseconds": seen_as(
        pa.timestamp("us"), LEAST, LEAST + 1, MOST, -62_135_596_800_000_001, 253_402_300_800_000_000
    ),
    "seconds": seen_as(pa.timestamp("s"), LEAST, MOST, -62_167_219_200, 253_402_300_800, 0),
    "milliseconds of a zone": seen_as(pa.timestamp("ms", "Europe/Paris"), LEAST, MOST, 0),
    "nanoseconds": seen_as(pa.timestamp("ns"), LEAST, MOST, 0),
    "days": pa.array([-(1 << 31), (1 << 31) - 1, 0, -719_162], pa.int32()).view(pa.date32()),
    "days in milliseconds": seen_as(pa.date64(), MOST // 86_400_000 * 86_400_000, 0),
    "times of day": pa.array([0, 86_399], pa.int32()).view(pa.time32("s")),
    "durations": seen_as(pa.duration("s"), LEAST, MOST, 0),
    "intervals": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    "lists": pa.array([["a", "b|c"], [], None, [None]]),
    "lists of separators": pa.array([["\x1f"], ["a"]]),
    "lists of floats": pa.array([[1.5], []]),
    "lists of two": pa.array([[1, 2], None], pa.list_(pa.int32(), 2)),
    "views of lists": pa.array([["a"], []], pa.list_view(pa.string())),
    "structs": pa.array([{"a": 1}, None]),
    "maps": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
}


def made(name):
    make, columns = BLOCKS[name]
    return make(), columns


def taught(block, columns):
    """The block, adapted alone."""
    if block.uses_target:
        return block.adapt((columns[0], list(range(len(columns[0])))))
    return block.adapt(columns[0] if len(columns) == 1 else columns) if block.learns else block


def require_form(block, features, rows):
    for values in tf.nest.flatten(features):
        assert values.shape[0] == rows
        assert values.dtype in (tf.float32, tf.int32, tf.uint8) or not block.emits_features


def test_every_preprocessor_is_here():
    assert {*BLOCKS, "Columns"} == set(preprocessors.__all__)


@pytest.mark.parametrize("name", BLOCKS)
def test_alone_a_block_learns_and_answers_or_says_what_is_wrong(name):
    answered = 0
    for case, values in HOSTILE.items():
        block, data = made(name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                taught(block, (values,) * len(data))
                raw = to_raw(values, block.raw_column(values.type, "x"), "x")
                tensor = tf.constant(raw, tf.string if raw.dtype == object else None)
                features = block((tensor,) * len(data) if len(data) > 1 else tensor)
        except BlocksError:
            continue
        except Exception as error:
            pytest.fail(f"{name}, {case}: {type(error).__name__}: {error}")
        answered += 1
        require_form(block, features, len(values))
    assert answered


@pytest.mark.parametrize("name", BLOCKS)
def test_in_columns_what_is_served_is_what_is_offline_or_an_error(name):
    block, data = made(name)
    names = tuple(f"c{place}" for place in range(len(data)))
    chain = [taught(block, data)]
    if not block.emits_features:
        chain.append(DateParts(["year"]) if name == "Timestamp" else preprocessors.Hashing(9))
    columns = Columns({names if len(names) > 1 else names[0]: chain})
    columns.bind(pa.schema([(key, values.type) for key, values in zip(names, data, strict=True)]))
    transform, answered = Transform(columns), 0
    layer = tf.function(columns.call, autograph=False)
    for case, values in HOSTILE.items():
        rows = dict.fromkeys(names, values)
        offline = served = None
        try:
            offline = transform(pa.record_batch(rows))
        except BlocksError:
            pass
        except Exception as error:
            pytest.fail(f"{name}, {case}, offline: {type(error).__name__}: {error}")
        try:
            served = layer(raw_tensors(rows, columns))
        except BlocksError:
            pass
        except Exception as error:
            pytest.fail(f"{name}, {case}, served: {type(error).__name__}: {error}")
        assert (offline is None) == (served is None), case
        if offline is not None:
            answered += 1
            require_form(block, list(served.values()), len(values))
            for key, one in offline.items():
                found = served[key].numpy()
                if isinstance(one, Sparse):  # whose rows end at other places
                    found, one = Sparse.from_pairs(found, one.columns).dense(), one.dense()
                assert found.tobytes() == one.tobytes(), case
    assert answered


OF_TEXT = [name for name, (_, columns) in BLOCKS.items() if [values.type for values in columns] == [pa.string()]]


@pytest.mark.parametrize("name", OF_TEXT)
def test_a_megabyte_of_text(name):
    block, (data,) = made(name)
    taught(block, (data,))
    for text in ("x" * 1_000_000, "é@| " * 250_000):
        require_form(block, block(tf.constant([text, "a"])), 2)


@given(st.lists(st.binary(max_size=12), min_size=1, max_size=8))
@settings(max_examples=12)
def test_any_bytes_are_text(values):
    column = pa.array(values, pa.binary())
    for block in (Vocabulary(), MultiHot(), Tokens(3), Timestamp(), preprocessors.Normalize(), preprocessors.Length()):
        if block.learns:
            block.adapt(column)
        require_form(block, block(tf.constant(values)), len(values))


EDGES = [LEAST, LEAST + 1, -1, 0, 1, MOST - 1, MOST]


@given(st.lists(st.one_of(st.sampled_from(EDGES), st.integers(LEAST, MOST)), min_size=1, max_size=6))
@settings(max_examples=60)
def test_times_that_microseconds_cannot_hold_are_missing_and_others_exact(integers):
    for type, factor in ((pa.timestamp("s"), 10**6), (pa.timestamp("ms", "UTC"), 1_000), (pa.duration("s"), 10**6)):
        exact = [value * factor for value in integers]
        expected = [value if -MOST <= value <= MOST else MISSING_INT for value in exact]
        assert to_raw(seen_as(type, *integers), raw_column(type)).tolist() == expected
    days = [value % (1 << 32) - (1 << 31) for value in integers]
    exact = [value * 86_400_000_000 for value in days]
    expected = [value if -MOST <= value <= MOST else MISSING_INT for value in exact]
    assert to_raw(pa.array(days, pa.int32()).view(pa.date32()), RawColumn("timestamp")).tolist() == expected


@given(st.lists(st.integers(-(10**17), 3 * 10**17), min_size=1, max_size=8))
@settings(max_examples=30)
def test_years_before_1_and_after_9999_are_missing(micros):
    years = DateParts(["year"], missing="keep")(tf.constant(micros, tf.int64)).numpy()
    for value, year in zip(micros, years.ravel(), strict=True):
        try:
            expected = (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=value)).year
        except OverflowError:
            assert np.isnan(year)
        else:
            assert year == expected


def test_the_reference_of_elapsed_is_a_real_instant():
    odd = seen_as(pa.timestamp("s"), LEAST, 0, 86_400, 253_402_300_800)
    block = Elapsed("min", unit="day").adapt(odd)
    assert block(tf.constant(to_raw(odd, RawColumn("timestamp")))).numpy().tolist()[1:3] == [0.0, 1.0]


def test_columns_of_different_length_are_told():
    with pytest.raises(BlocksError):
        blocks.read({"a": [1.0], "b": [1.0, 2.0]})
    with pytest.raises(InvalidArgument, match=r"same rows, in the same chunks. Received: chunks of 2, 1 rows"):
        Cross().adapt((["a", "b"], ["c"]))
    with pytest.raises(InvalidArgument, match="same rows"):
        TargetEncode().adapt((["a", "b"], [1.0]))
    columns = Columns({"a": Standardize(), "b": Standardize()})
    adapt(columns, None, blocks.read({"a": [1.0, 2.0], "b": [1.0, 3.0]}), verbose=False)
    with pytest.raises(SchemaMismatch, match="same number of rows"):
        columns({"a": tf.constant([1.0], tf.float64), "b": tf.constant([1.0, 2.0], tf.float64)})
    with pytest.raises(SchemaMismatch, match="same number of rows"):
        raw_tensors({"a": [1.0], "b": [1.0, 2.0]}, columns)


def test_chunks_without_rows_change_nothing():
    chunks = [pa.array([], pa.string()), pa.array(["a", "b", "a"]), pa.array([], pa.string())]
    assert Vocabulary().adapt(chunks).tokens == [b"a", b"b"]
    table = pa.table({"x": pa.chunked_array(chunks)})
    columns = Columns({"x": (Vocabulary(), MultiHot(), Tokens(2))})
    adapt(columns, None, blocks.read(table), verbose=False)
    features = Transform(columns)(pa.record_batch({"x": chunks[0]}))
    assert {name: len(values) for name, values in features.items()} == dict.fromkeys(columns.spec, 0)
    with pytest.raises(EmptySource, match="nothing to adapt on"):
        adapt(Columns({"x": Vocabulary()}), None, blocks.read({"x": pa.array([], pa.string())}), verbose=False)
