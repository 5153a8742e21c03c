"""Random schemas through the whole road: every way of giving rows answers alike, and nothing raw escapes.

Each seed draws a table (odd names, twenty types, nulls, extremes), blocks that fit each column, one to three heads and
postprocessors. BLOCKS_SCHEMAS says how many seeds; `make proof` asks for hundreds.
"""

import datetime
import decimal
import os
import warnings

import keras
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors, regressors
from blocks.errors import BlocksError, BlocksWarning
from blocks.inference.graph import raw_tensors

SCHEMAS = int(os.environ.get("BLOCKS_SCHEMAS", "10"))
ROWS = 80

NAMES = [
    *("numeric", "categorical", "self", "", " ", "a b", "a.b", "a/b", "a:b", "a_b", "_a", "A", "a", "a_missing"),
    *("größe", "年齢", "main text", "tags[0]", "training", "inputs", "name", "output_0", "args", "kwargs", "%s", "{x}"),
    *("features/numeric", "'quoted'", '"double"', "new\nline", "tab\t", "\N{GRINNING FACE}", "x" * 300, "0", "None"),
    *("probabilities", "prediction", "target", "weight", "keys", "loss", "serve", "e\u0301", "\u00e9", "-", "--help"),
    *("$HOME", "..", "\\", "*"),
]
WORDS = ["rome", "oslo", "new\nline", "\u2028", "\x00", "\N{GRINNING FACE}", "", "Zürich", "[UNK]", "call me now, now"]
EPOCH = datetime.datetime(1970, 1, 1)


def floats(random, dtype):
    info = np.finfo(dtype)
    values = random.normal(3.0, 2.0, ROWS)
    odd = [np.inf, -np.inf, np.nan, float(info.max), float(info.min), float(info.tiny), -0.0, 0.0]
    at = random.random(ROWS) < random.choice([0.0, 0.2])
    return np.where(at, random.choice(odd, ROWS), values).astype(dtype)


def integers(random, dtype):
    info = np.iinfo(dtype)
    values = random.integers(0, 9, ROWS)
    at = random.random(ROWS) < random.choice([0.0, 0.2])
    return np.where(at, random.choice(np.array([info.min, info.max], dtype), ROWS), values.astype(dtype)).astype(dtype)


def words(random):
    return random.choice(WORDS, ROWS).tolist()


def micros(random, spread=10**15):
    return random.integers(-spread, spread, ROWS)


P = preprocessors
NUMERIC = [
    lambda: P.Standardize(),
    lambda: [P.Log1p(), P.Standardize()],
    lambda: [P.Impute("median"), P.MinMax()],
    lambda: P.RobustScale(),
    lambda: P.QuantileTransform(8),
    lambda: P.PowerTransform(),
    lambda: P.PiecewiseLinear(4),
    lambda: P.Bucketize(num_bins=4),
    lambda: P.MaxAbs(),
    lambda: [P.Clip(-5.0, 5.0), P.Standardize()],
    lambda: (P.Standardize(), P.MissingIndicator()),
]
IDS = [
    lambda: P.Vocabulary(),
    lambda: P.Hashing(7),
    lambda: P.OneHot(),
    lambda: P.Frequency(),
    lambda: P.TargetEncode(),
]
TEXT = [*IDS, lambda: P.Tokens(4), lambda: P.TfIdf(6), lambda: P.MultiHot(), lambda: [P.Normalize(), P.Vocabulary()],
        lambda: P.Length()]  # fmt: skip
INSTANTS = [lambda: P.DateParts(), lambda: P.Cyclical("day"), lambda: P.Elapsed()]

# type: its values, and the blocks that take it
KINDS = {
    **{
        pa.from_numpy_dtype(kind): (lambda random, kind=kind: integers(random, kind), [*NUMERIC, *IDS])
        for kind in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64")
    },
    pa.uint64(): (lambda random: random.integers(0, 9, ROWS).astype("uint64"), [*NUMERIC, *IDS]),
    **{
        pa.from_numpy_dtype(kind): (lambda random, kind=kind: floats(random, kind), NUMERIC)
        for kind in ("float16", "float32", "float64")
    },
    pa.bool_(): (lambda random: random.random(ROWS) < 0.5, [lambda: P.Boolean(), lambda: P.Standardize()]),
    pa.decimal128(12, 3): (
        lambda random: [decimal.Decimal(int(x)) / 1000 for x in random.integers(-(10**6), 10**6, ROWS)],
        NUMERIC,
    ),
    pa.string(): (words, TEXT),
    pa.large_string(): (words, TEXT),
    pa.dictionary(pa.int32(), pa.string()): (words, TEXT),
    pa.binary(): (lambda random: [w.encode() for w in words(random)], IDS),
    pa.date32(): (lambda random: random.integers(-10**5, 10**5, ROWS).astype("int32"), INSTANTS),
    pa.timestamp("us"): (micros, INSTANTS),
    pa.timestamp("ms", "UTC"): (lambda random: micros(random) // 1000, INSTANTS),
    pa.list_(pa.string()): (
        lambda random: [words(random)[: int(n)] for n in random.integers(0, 4, ROWS)],
        [lambda: P.MultiHot(), lambda: P.Tokens(3)],
    ),
}  # fmt: skip


def drawn(random, items, many):
    return [items[i] for i in random.choice(len(items), many, replace=False)]


def column(random, kind, values):
    gaps = random.random(ROWS) < random.choice([0.0, 0.1, 0.5])
    values = [None if gap else value for gap, value in zip(gaps, list(values), strict=True)]
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    if pa.types.is_temporal(kind):
        storage = pa.int32() if pa.types.is_date32(kind) else pa.int64()
        return pa.array([None if v is None else int(v) for v in values], storage).cast(kind)
    return pa.array(values, kind)


def heads_of(random, target):
    """One to three heads by name, or one alone; their columns; and postprocessors for each."""
    Q, C, R = postprocessors, classifiers, regressors
    signal = random.normal(size=ROWS)
    calibrator = random.choice(["Temperature", "VectorScaling", "Isotonic"])
    kinds = {
        "class": (
            lambda name: C.Softmax(name),
            pa.array(np.array(["b\n", "a", "ü"])[np.digitize(signal, [-0.4, 0.4])]),
            [getattr(Q, calibrator)(), Q.ConformalSet(0.2), Q.Labels()],
        ),
        "flag": (
            lambda name: C.Softmax(name),
            pa.array(signal > 0),
            [Q.Temperature(), Q.Threshold(cost=[[0, 1], [5, 0]])],
        ),
        "number": (lambda name: R.Mean(name), pa.array(signal * 5), [Q.ConformalInterval(0.2), Q.Clip(-9, 9)]),
        "spread": (lambda name: R.Gaussian(name), pa.array(signal, pa.float32()), [Q.Units(100.0)]),
        "range": (lambda name: R.Quantiles(name, (0.1, 0.5, 0.9)), pa.array(signal * 2), [Q.ConformalInterval(0.2)]),
        "count": (lambda name: R.Poisson(name), pa.array(random.poisson(3.0, ROWS)), [Q.Round(0)]),
    }
    chosen = drawn(random, list(kinds), int(random.choice([1, 1, 2, 3])))
    columns = {f"{target}{i}": kinds[kind][1] for i, kind in enumerate(chosen)}
    heads = {kind: kinds[kind][0](f"{target}{i}") for i, kind in enumerate(chosen)}
    chains = {kind: kinds[kind][2] for kind in chosen}
    if len(chosen) == 1:
        return next(iter(heads.values())), columns, next(iter(chains.values()))
    return heads, columns, chains


def make(seed):
    """A table, and a model for it."""
    random = np.random.default_rng(seed)
    names = drawn(random, NAMES, int(random.integers(2, 7)))
    kinds = drawn(random, list(KINDS), len(names))
    table, columns = {}, {}
    head, targets, chain = heads_of(random, "y")
    several = isinstance(head, dict)
    for name, kind in zip(names, kinds, strict=True):
        values, makers = KINDS[kind]
        table[name] = column(random, kind, values(random))
        block = makers[int(random.integers(len(makers)))]()
        if several and isinstance(block, P.TargetEncode):
            block = P.Vocabulary()
        columns[name] = block
    keras.utils.set_random_seed(seed)
    extractor = feature_extractors.MLP([4])
    model = blocks.Model(P.Columns(columns), extractor, head, chain, seed=seed)
    return pa.table({**table, **targets}), model


def same(found, expected, tolerance, where):
    """Equal answers or features, numbers within a relative and an absolute tolerance."""
    assert set(found) == set(expected), where
    for name, values in expected.items():
        a, b = (np.asarray(v) for v in (found[name], values))
        assert a.shape == b.shape, (where, name)
        if a.dtype.kind in "fc":
            np.testing.assert_allclose(a.astype(float), b.astype(float), *tolerance, err_msg=f"{where}: {name}")
        else:
            # a SavedModel's text is UTF-8
            assert [as_text(x) for x in a.ravel()] == [as_text(x) for x in b.ravel()], (where, name)


def as_text(value):
    return value.decode() if isinstance(value, bytes) else value


def road(seed, table, model, folder):
    """All ways of giving the same rows, compared."""
    train, valid = table.slice(0, 50), table.slice(50)
    model.adapt(train)
    form = ("hdf5", "tfrecord")[seed % 2]
    store = model.precompute({"train": train, "valid": valid}, folder / "store", format=form)
    assert store.check() == []
    model.fit(store["train"], epochs=1, verbose=0)
    model.calibrate(store["valid"])
    expected = model.predict(valid)
    close = (1e-4, 1e-5)

    # a dict, a frame, a file, one row at a time
    same(model.predict({name: valid[name] for name in table.column_names}), expected, close, "dict")
    frame = pl.from_arrow(valid) if seed % 3 else valid.to_pandas(types_mapper=pd.ArrowDtype)
    same(model.predict(frame), expected, close, "frame")
    pq.write_table(valid, folder / "valid.parquet")
    same(model.predict(folder / "valid.parquet"), expected, close, "file")
    first = model.predict(valid.slice(0, 1))
    same(first, {name: np.asarray(values)[:1] for name, values in expected.items()}, close, "one row")

    # the store holds the very features of the transform, and its answers are predict's
    features, *_ = next(iter(store["valid"].stream(len(valid), shuffle=False)))
    offline = model.transform(valid.select(list(model.preprocessor.inputs)).combine_chunks().to_batches()[0])
    same(features, offline, (0, 0), "store")

    # files
    model.save(folder / "model.keras")
    same(blocks.load(folder / "model.keras").predict(valid), expected, close, "reloaded")
    model.export(folder / "export")
    served = tf.saved_model.load(str(folder / "export"))
    answers = served.serve(raw_tensors(valid, model.preprocessor))
    same({name: value.numpy() for name, value in answers.items()}, expected, close, "served")
    if seed % 5 == 0:
        report = blocks.verify(folder / "export", valid, store["valid"])
        assert report.ok, report


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(SCHEMAS))
def test_every_way_of_giving_rows_answers_alike(seed, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BlocksWarning)
        table, model = make(seed)
        try:
            road(seed, table, model, tmp_path)
        except BlocksError as error:
            pytest.skip(f"refused: {type(error).__name__}: {error}")
