"""Windows as columns: every value as it is alone, against NumPy in float64; what is learned, refused and inferred."""

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

import blocks
from blocks import preprocessors
from blocks.block import Preprocessor
from blocks.data.raw_columns import RawColumn
from blocks.errors import EmptySource, InvalidArgument, SchemaMismatch
from blocks.inference.graph import raw_tensors
from blocks.offline.adapt import adapt
from blocks.offline.transform import Transform
from blocks.preprocessors import Columns

RANDOM = np.random.default_rng(7)
LENGTH = 6
CLOSE = RANDOM.normal(50.0, 9.0, (40, LENGTH))
CLOSE[3, 2] = CLOSE[39, 5] = np.nan
CLOSE[7] = np.nan


def taught(columns, data, **options):
    adapt(columns, None, blocks.read(data), verbose=0, **options)
    return columns


def features(columns, data, rows=1000):
    transform = Transform(columns)
    parts = [transform(chunk) for chunk in blocks.read(data).chunks(rows)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


ORACLES = {
    "Standardize": (preprocessors.Standardize, lambda x: np.where(np.isnan(x), 0, (x - np.nanmean(x)) / np.nanstd(x))),
    "MinMax": (
        lambda: preprocessors.MinMax(missing="keep"),
        lambda x: (x - np.nanmin(x)) / (np.nanmax(x) - np.nanmin(x)),
    ),
    "MaxAbs": (lambda: preprocessors.MaxAbs(missing="keep"), lambda x: x / np.nanmax(np.abs(x))),
    "RobustScale": (
        lambda: preprocessors.RobustScale(missing="keep"),
        lambda x: (x - np.nanmedian(x)) / np.subtract(*np.nanquantile(x, [0.75, 0.25])),
    ),
    "Log1p": (preprocessors.Log1p, np.log1p),
    "Clip": (lambda: preprocessors.Clip(45, 55), lambda x: np.clip(x, 45, 55)),
    "Round": (lambda: preprocessors.Round(1), lambda x: np.round(x, 1)),
    "Impute": (lambda: preprocessors.Impute("median"), lambda x: np.where(np.isnan(x), np.nanmedian(x), x)),
    "MissingIndicator": (preprocessors.MissingIndicator, np.isnan),
}


@pytest.mark.parametrize("name", ORACLES)
def test_one_statistic_of_all_values_against_numpy(name):
    make, oracle = ORACLES[name]
    data = {"close": CLOSE}
    found = features(taught(Columns({"close": make()}), data), data, rows=7)["close"]
    assert found.dtype == "float32"
    assert found.shape == CLOSE.shape
    np.testing.assert_allclose(found, oracle(CLOSE), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("narrow", [False, True])
def test_a_window_gives_what_its_values_give_as_a_column(narrow):
    close = CLOSE.astype("f4" if narrow else "f8")
    apart, together = (
        taught(
            Columns({"x": [preprocessors.Log1p(signed=True), preprocessors.Standardize(add_indicator=True)]}), {"x": x}
        )
        for x in (close.reshape(-1), close)
    )
    assert together.inputs["x"] == RawColumn("float32" if narrow else "float64", (LENGTH,))
    for name, value in apart.state.items():
        assert value.tobytes() == together.state[name].tobytes()
    alone = features(apart, {"x": close.reshape(-1)})["numeric"].reshape(40, LENGTH, 2)
    for rows in (1, 2, 3, 7, 8, 9, 17, 40):
        assert features(together, {"x": close}, rows)["x"].tobytes() == alone.tobytes()
        assert together({"x": tf.constant(close[:rows])})["x"].numpy().tobytes() == alone[:rows].tobytes()


@pytest.mark.parametrize(
    "make",
    [
        preprocessors.RobustScale,
        preprocessors.PowerTransform,
        lambda: preprocessors.Impute("most_frequent"),
        lambda: preprocessors.Bucketize(num_bins=3, strategy="uniform"),
        lambda: preprocessors.PiecewiseLinear(3),
        lambda: [preprocessors.Log1p(), preprocessors.QuantileTransform(99)],
    ],
)
def test_what_is_learned_does_not_depend_on_chunks_or_on_how_a_gap_is_told(make):
    rows = [[None if np.isnan(one) else one for one in row] for row in CLOSE.round(1).tolist()]
    rows[20:] = [row if any(one is not None for one in row) else None for row in rows[20:]]
    parts = pa.table({"x": pa.array([*rows, None], pa.list_(pa.float64(), LENGTH))}).to_batches(max_chunksize=9)
    flat = pa.array([one for row in rows for one in row or [None] * LENGTH] + [None] * LENGTH, pa.float64())
    array = np.concatenate([CLOSE.round(1), np.full((1, LENGTH), np.nan)])
    first, *others = (
        taught(Columns({"x": make()}), x) for x in (pa.Table.from_batches(parts), {"x": flat}, {"x": array})
    )
    for other in others:
        for name, value in first.state.items():
            np.testing.assert_allclose(value, other.state[name], rtol=1e-12)


def test_scalars_go_on_beside_windows_and_entries_are_called_as_their_columns():
    data = {"x": CLOSE[:, 0], "numeric": CLOSE, "up": CLOSE > 50, "n": np.nan_to_num(CLOSE).astype("i4")}
    columns = Columns(
        {
            "x": preprocessors.Standardize(),
            "numeric": preprocessors.Standardize(),
            "up": (preprocessors.Impute("most_frequent"), preprocessors.MissingIndicator()),
            "n": preprocessors.Bucketize(num_bins=3),
        }
    )
    spec = taught(columns, data).spec
    shapes = {name: (entry.dtype, entry.shape, entry.names, entry.window) for name, entry in spec.items()}
    assert shapes == {
        "numeric": ("float32", (1,), ("x",), False),
        "column_numeric": ("float32", (LENGTH,), ("numeric",), True),
        "up": ("float32", (LENGTH,), ("up",), True),
        "up_missing_indicator": ("float32", (LENGTH,), ("up_missing_indicator",), True),
        "n": ("int32", (LENGTH,), ("n",), True),
    }
    assert spec["n"].features[0].cardinality == 4
    assert type(spec).from_json(spec.to_json()) == spec
    alone = taught(Columns({"x": preprocessors.Standardize()}), data)
    assert features(alone, data)["numeric"].tobytes() == features(columns, data)["numeric"].tobytes()
    twin = Columns.from_config(columns.get_config())
    twin.restore(columns.state)
    assert twin.spec == spec
    assert twin.inputs == columns.inputs


def test_features_of_several_and_functions_work_value_by_value():
    data = {"x": CLOSE, "y": CLOSE[::-1].copy()}
    columns = Columns({"x": preprocessors.PiecewiseLinear(3), ("x", "y"): preprocessors.Function(spread)})
    found = features(taught(columns, data), data)
    assert columns.spec["x_x_y"].shape == (LENGTH,)
    assert columns.spec["x"].shape == (LENGTH, 3)
    np.testing.assert_allclose(found["x_x_y"], data["x"] - data["y"], rtol=1e-6)
    flat = preprocessors.PiecewiseLinear(3).adapt(CLOSE.reshape(-1))
    assert found["x"].tobytes() == flat(CLOSE.reshape(-1)).numpy().tobytes()


@keras.saving.register_keras_serializable(package="tests_of_windows")
def spread(high, low):
    return high - low


def test_a_block_alone_takes_windows_too():
    block = preprocessors.Standardize(add_indicator=True).adapt(CLOSE)
    assert block.state["mean"] == pytest.approx(np.nanmean(CLOSE))
    whole = block(CLOSE).numpy()
    assert whole.shape == (40, LENGTH, 2)
    assert whole[3, 2].tolist() == [0.0, 1.0]
    mapped = tf.data.Dataset.from_tensor_slices(CLOSE).batch(7).map(block)
    assert np.concatenate(list(mapped.as_numpy_iterator())).tobytes() == whole.tobytes()
    model = keras.Model(inputs := keras.Input((LENGTH,), dtype="float64"), block(inputs))
    assert model.output_shape == (None, LENGTH, 2)
    assert model(CLOSE).numpy().tobytes() == whole.tobytes()
    assert block(CLOSE[:, :1]).shape == (40, 2)  # Keras' FeatureSpace makes columns so
    assert block(CLOSE[:0]).shape == (0, LENGTH, 2)


class Pair(Preprocessor):
    """One that learns nothing and gives an entry of its own."""

    def compute(self, values):
        return tf.stack([values, values], axis=-1)

    def entry(self, name, columns):
        return blocks.features.spec.Entry("float32", (2,), tuple(self.outputs(name, columns)))


@pytest.mark.parametrize(
    ("chain", "told"),
    [
        (preprocessors.Vocabulary(), r"Vocabulary takes.*'x'.*\(blocks of numbers, Standardize\(\).*take windows\)"),
        (preprocessors.Hashing(4), "Hashing takes"),
        (preprocessors.TargetEncode(), "TargetEncode takes"),
        ([preprocessors.Timestamp(), preprocessors.DateParts(["hour"])], "Timestamp takes"),
        ([preprocessors.Round(), preprocessors.Vocabulary()], r"each value of a window\. Received: Vocabulary of 'x'"),
        (Pair(), r"each value of a window\. Received: Pair of 'x', windows of 6 numbers"),
    ],
)
def test_what_takes_no_windows_says_so_by_name(chain, told):
    with pytest.raises(SchemaMismatch, match=told):
        taught(Columns({"x": chain}), {"x": np.nan_to_num(CLOSE).astype("i8")})


def test_windows_of_no_length_or_no_value_are_refused_by_name():
    loose = pa.table({"x": pa.array(CLOSE.tolist())})
    with pytest.raises(
        SchemaMismatch, match=r"'x' of type list<item: double>.*column.cast\(pa.list_\(pa.float64\(\), "
    ):
        taught(Columns({"x": preprocessors.Standardize()}), loose)
    fixed = loose.cast(pa.schema([("x", pa.list_(pa.float64(), LENGTH))]))
    assert taught(Columns({"x": preprocessors.Standardize()}), fixed).spec["x"].shape == (LENGTH,)
    with pytest.raises(EmptySource, match="Column 'x'"):
        taught(Columns({"x": preprocessors.Standardize()}), {"x": np.full((3, 2), np.nan)})
    with pytest.raises(SchemaMismatch, match=r"Cross takes"):
        taught(Columns({("x", "y"): preprocessors.Cross(4)}), {"x": CLOSE, "y": CLOSE})
    with pytest.raises(
        SchemaMismatch, match=r"windows of one length\. Received: 'x' as float64\[6\], 'y' as float64\."
    ):
        taught(Columns({("x", "y"): preprocessors.Function(spread)}), {"x": CLOSE, "y": CLOSE[:, 0]})


def test_rows_of_any_form_enter_and_wrong_ones_are_refused():
    columns = taught(Columns({"x": preprocessors.Standardize()}), {"x": CLOSE})
    expected = columns({"x": tf.constant(CLOSE)})["x"].numpy().tobytes()
    for rows in (CLOSE, CLOSE.tolist(), tf.constant(CLOSE), list(CLOSE), pa.array(CLOSE.tolist())):
        assert columns(raw_tensors({"x": rows}, columns))["x"].numpy().tobytes() == expected
    for odd in (CLOSE[:, :5], CLOSE[:, 0], CLOSE[:, :5].tolist(), tf.constant(CLOSE[:, :5]), CLOSE[..., None]):
        with pytest.raises(SchemaMismatch, match="'x'"):
            raw_tensors({"x": odd}, columns)


def test_infer_says_what_a_window_is():
    heavy = np.exp(RANDOM.normal(size=(60, LENGTH)) * 3)
    data = {
        "close": RANDOM.normal(size=(60, LENGTH)).astype("f4"),
        "volume": np.where(RANDOM.random((60, LENGTH)) < 0.1, np.nan, heavy),
        "up": RANDOM.random((60, LENGTH)) > 0.5,
        "row": np.arange(60 * LENGTH).reshape(60, LENGTH),
        "still": np.ones((60, LENGTH)),
        "nothing": np.full((60, LENGTH), np.nan),
    }
    columns = Columns.infer(blocks.read(data))
    told = {line.split()[0]: " ".join(line.split()[1:]) for line in str(columns).splitlines()}
    assert told["close"].startswith("Standardize windows of 6 values of float, scaled as one, about")
    assert told["volume"].startswith(
        "Log1p > Standardize windows of 6 values of double, scaled as one, heavy right tail (mean"
    )
    assert told["volume"].endswith("% missing")
    assert told["up"] == "Standardize windows of 6 values of bool, scaled as one, about 2 distinct"
    assert told["row"].startswith("Standardize windows of 6 values of int64")
    assert told["still"] == "(left out) windows of 6 values of double, constant 1"
    assert told["nothing"] == "(left out) windows of 6 values of double, all 360 values missing"
    spec = taught(columns, data).spec
    assert {name: entry.shape for name, entry in spec.items()} == {
        "close": (LENGTH,),
        "volume": (LENGTH, 2),
        "up": (LENGTH,),
        "row": (LENGTH,),
    }


def test_columns_refuse_a_window_of_two_chains_that_read_it_differently():
    with pytest.raises((SchemaMismatch, InvalidArgument), match=r"wanted as .*\. Give one of them a copy"):
        taught(
            Columns({"x": (preprocessors.Standardize(), preprocessors.MultiHot())}),
            {"x": np.nan_to_num(CLOSE).astype("i8")},
        )
