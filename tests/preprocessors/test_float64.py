"""What every block of numbers holds to: equal bits at every batch size and in every mode, finite, saved, missing."""

import functools
import os
import pathlib

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks.data
from blocks.block import Preprocessor, fingerprint
from blocks.errors import EmptySource, InvalidArgument, NotAdapted, SchemaMismatch
from blocks.preprocessors.float64 import full_packets
from blocks.preprocessors.numeric.bucketize import Bucketize
from blocks.preprocessors.numeric.clip import Clip
from blocks.preprocessors.numeric.max_abs import MaxAbs
from blocks.preprocessors.numeric.min_max import MinMax
from blocks.preprocessors.numeric.missing_indicator import MissingIndicator
from blocks.preprocessors.numeric.piecewise_linear import PiecewiseLinear
from blocks.preprocessors.numeric.power_transform import PowerTransform
from blocks.preprocessors.numeric.quantile_transform import QuantileTransform
from blocks.preprocessors.numeric.robust_scale import RobustScale
from blocks.preprocessors.numeric.round import Round

BATCH_SIZES = (1, 2, 3, 7, 8, 16, 17, 1000)
RNG = np.random.default_rng(7)
TABLE = {
    "MinMax": lambda: MinMax((-1.0, 3.0), add_indicator=True),
    "MinMax clip": lambda: MinMax(clip=True),
    "MaxAbs": lambda: MaxAbs(),
    "RobustScale": lambda: RobustScale((10, 80), unit_variance=True, add_indicator=True),
    "QuantileTransform": lambda: QuantileTransform(50),
    "QuantileTransform normal": lambda: QuantileTransform(50, output_distribution="normal", add_indicator=True),
    "PowerTransform": lambda: PowerTransform(add_indicator=True),
    "PowerTransform plain": lambda: PowerTransform(standardize=False),
    "Clip": lambda: Clip(-1.5, 2.5, missing=0.0),
    "Clip learned": lambda: Clip(quantile_range=(5, 95), missing=-1),
    "Bucketize": lambda: Bucketize([-1.0, 0.0, 1.0]),
    "Bucketize quantile": lambda: Bucketize(num_bins=7),
    "Bucketize uniform one_hot": lambda: Bucketize(num_bins=5, strategy="uniform", output_mode="one_hot"),
    "PiecewiseLinear": lambda: PiecewiseLinear(8, add_indicator=True),
    "PiecewiseLinear quantile": lambda: PiecewiseLinear(8, strategy="quantile", clip=True),
    "MissingIndicator": lambda: MissingIndicator(),
    "Round": lambda: Round(2, missing=0.0),
}
EXTREMES = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -1e-310, 1e-40, 3e38, -3.5e38, 1e300, -1.7e308, 2.0**53]
ROWS = np.concatenate([RNG.normal(size=1500), RNG.lognormal(2, 2, 1500), np.round(RNG.normal(size=500)), EXTREMES])
RNG.shuffle(ROWS)
BLOCKS = pytest.mark.parametrize("make", TABLE.values(), ids=TABLE.keys())
# infinities beyond an open end, and those that are only rounded, pass by design
KEEPS_INFINITE = {"Round"}


def adapted(make, data=None) -> Preprocessor:
    block = make()
    return block.adapt(ROWS[np.abs(ROWS) < 1e6] if data is None else data) if block.learns else block


def same_bits(left, right) -> None:
    left, right = np.asarray(left), np.asarray(right)
    assert (left.dtype, left.shape) == (right.dtype, right.shape)
    np.testing.assert_array_equal(left.view(np.int32), right.view(np.int32))


@BLOCKS
def test_bits_do_not_depend_on_the_batch_size_or_the_mode(make) -> None:
    block = adapted(make)
    whole = block(ROWS).numpy()
    traced = tf.function(block, input_signature=[tf.TensorSpec((None,), tf.float64)])
    same_bits(traced(ROWS), whole)
    for size in BATCH_SIZES:
        count = min(len(ROWS), 40 * size)
        for function in (block, traced):
            parts = [function(tf.constant(ROWS[i : min(i + size, count)])).numpy() for i in range(0, count, size)]
            same_bits(np.concatenate(parts), whole[:count])
    piped = tf.data.Dataset.from_tensor_slices(ROWS).batch(17).map(block, num_parallel_calls=2)
    same_bits(np.concatenate(list(piped.as_numpy_iterator())), whole)


@BLOCKS
def test_chunks_and_order_change_nothing_that_is_learned(make) -> None:
    block, data = make(), ROWS[np.abs(ROWS) < 1e6]
    if not block.learns:
        pytest.skip("learns nothing")
    states = [
        make().adapt(chunks).state
        for chunks in (
            [data[i : i + 32] for i in range(0, len(data), 32)],
            [data[i : i + 1000] for i in (0, 1000, 2000, 3000)],
        )
    ]
    for state in states:
        for name, value in block.adapt(data[::-1].copy()).state.items():
            np.testing.assert_allclose(state[name], value, rtol=1e-12, atol=1e-12)


@BLOCKS
def test_outputs_and_shape_are_as_said_before_and_after_adapt(make, tmp_path) -> None:
    block = make()
    names = [feature.name for feature in block.outputs("x", ("x",))]
    symbolic = block(keras.Input((), dtype="float64"))
    block = adapted(lambda: block)
    assert [feature.name for feature in block.outputs("x", ("x",))] == names == list(dict.fromkeys(names))
    out = block(ROWS)
    assert symbolic.shape[1:] == out.shape[1:]
    assert symbolic.dtype == out.dtype.name
    assert (out.shape[1] if out.shape.rank == 2 else 1) == len(names)
    assert (out.dtype == tf.int32) == (block.outputs("x", ("x",))[0].cardinality is not None)


@BLOCKS
def test_copy_state_and_keras_file_give_the_same_bits(make, tmp_path) -> None:
    block = adapted(make)
    whole = block(ROWS).numpy()
    twin = type(block).from_config(block.get_config())
    twin.restore(block.state)
    same_bits(twin(ROWS), whole)
    same_bits(block.copy()(ROWS), whole)
    assert fingerprint(block.copy()) == fingerprint(block)
    inputs = keras.Input((), dtype="float64")
    keras.Model(inputs, block(inputs)).save(tmp_path / "m.keras")
    same_bits(keras.models.load_model(tmp_path / "m.keras")(tf.constant(ROWS)), whole)


@BLOCKS
def test_the_saved_model_gives_the_same_bits(make, tmp_path) -> None:
    block = adapted(make)
    inputs = keras.Input((), dtype="float64")
    model = keras.Model(inputs, block(inputs))
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", model, input_signature=[tf.TensorSpec((None,), tf.float64)])
    archive.write_out(str(tmp_path / "m"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "m"))
    same_bits(served.serve(tf.constant(ROWS)), block(ROWS))
    same_bits(served.serve(tf.constant(ROWS[:3])), block(ROWS)[:3])


@pytest.mark.parametrize("name", TABLE)
def test_every_number_gives_a_finite_one(name) -> None:
    out = adapted(TABLE[name])(np.array(EXTREMES)).numpy()
    if name in KEEPS_INFINITE:
        out = out[~np.isinf(EXTREMES)]
    assert np.isfinite(out).all()


@BLOCKS
@settings(max_examples=8, deadline=None)
@given(st.lists(st.floats(width=64), min_size=1, max_size=12), st.lists(st.floats(width=64), min_size=1, max_size=6))
def test_any_column_adapts_to_finite_numbers(make, seen, served) -> None:
    block = make()
    if block.learns:
        if not np.isfinite(seen).any():
            with pytest.raises(EmptySource, match="learns from values that are there"):
                block.adapt(np.array(seen))
            return
        block.adapt(np.array(seen))
    present = np.array([x for x in [*seen, *served] if np.isfinite(x) or not isinstance(block, Round)])
    assert all(np.isfinite(value).all() for value in block.state.values() if value.dtype.kind == "f") or isinstance(
        block, Clip
    )
    assert np.isfinite(block(present).numpy()).all()


@BLOCKS
def test_a_constant_column_divides_by_nothing(make) -> None:
    for constant in (0.0, -7.5, 1e9 + 0.3, 1e300, 5e-324, 2.0**53):
        block = adapted(make, np.full(100, constant))
        assert np.isfinite(block(np.array([constant, constant * 1.5, np.nan, 0.0])).numpy()).all()


@BLOCKS
def test_an_unadapted_block_and_an_empty_or_text_column_are_refused(make) -> None:
    block = make()
    if not block.learns:
        pytest.skip("learns nothing")
    with pytest.raises(NotAdapted, match="has not been adapted"):
        block(np.zeros(3))
    for column in (np.zeros(0), np.array([np.nan, np.inf]), pa.nulls(3)):
        with pytest.raises(EmptySource, match="learns from values that are there"):
            make().adapt(column)
    with pytest.raises(SchemaMismatch, match="takes columns of number"):
        make().adapt(["a"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@BLOCKS
def test_float32_columns_are_widened_and_golden_rows_run(make, dtype) -> None:
    block = adapted(make)
    rows = np.array(block.examples(dtype), dtype)
    same_bits(block(rows), block(rows.astype("float64")))


@pytest.mark.parametrize("make", [MinMax, MaxAbs, RobustScale, QuantileTransform, PowerTransform, PiecewiseLinear])
def test_missing_is_kept_imputed_or_flagged(make) -> None:
    data = np.array([3.0, 1.0, 4.0, np.nan, 9.0])
    kept = make(missing="keep", add_indicator=True).adapt(data)(data).numpy()
    assert np.isnan(kept[3, :-1]).all()
    assert np.isfinite(kept[[0, 1, 2, 4]]).all()
    assert kept[:, -1].tolist() == [0, 0, 0, 1, 0]
    filled = make(add_indicator=True).adapt(data)(data).numpy()
    assert np.isfinite(filled).all()
    same_bits(filled[:3], kept[:3])
    with pytest.raises(InvalidArgument, match=r"missing is one of .*Received: 'nope'"):
        make(missing="nope")


@pytest.mark.parametrize("make", [MinMax, MaxAbs, RobustScale, PowerTransform, QuantileTransform])
@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-6 or x == 0), min_size=3, max_size=30))
def test_inverse_returns_what_was_seen(make, values) -> None:
    data = np.array(values)
    block = make().adapt(data)
    if make is QuantileTransform and len(set(values)) < len(values):
        return  # a value that is several quantiles has one rank
    if make is PowerTransform and abs(float(block.state["exponent"])) > 5:
        return
    back = block.inverse(block.compute(tf.constant(data)).numpy())
    np.testing.assert_allclose(back, data, rtol=1e-6, atol=1e-6 * max(1.0, np.abs(data).max()))


@pytest.mark.parametrize("function", [tf.math.log1p, tf.math.expm1, tf.math.log, tf.math.ndtri])
def test_full_packets_make_float64_functions_independent_of_the_batch(function) -> None:
    values = tf.constant(RNG.random(1000))
    whole = full_packets(function, values).numpy()
    for size in (3, 7, 17, 500):
        parts = [full_packets(function, values[i : i + size]).numpy() for i in range(0, 1000, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(tf.function(lambda x: full_packets(function, x))(values), whole)


@functools.cache
def real_column(file: str, column: str) -> pa.Array:
    source = blocks.data.read(pathlib.Path(os.environ["BLOCKS_DATA"]) / file).select([column])
    return pa.concat_arrays([chunk.column(0).cast(pa.float64()) for chunk in source.chunks()])


@pytest.mark.skipif("BLOCKS_DATA" not in os.environ, reason="BLOCKS_DATA does not name the folder of real data")
@pytest.mark.parametrize(
    ("file", "column"),
    [("titanic/titanic.csv", "age"), ("titanic/titanic.csv", "fare"), ("nycflights13/flights.parquet", "arr_delay")],
)
@BLOCKS
def test_real_columns_give_finite_features_at_every_batch_size(make, file, column) -> None:
    values = real_column(file, column)
    block = make().adapt(values) if make().learns else make()
    rows = values.to_numpy(zero_copy_only=False)[:5000]
    whole = block(rows).numpy()
    assert np.isfinite(whole).all()
    same_bits(np.concatenate([block(rows[i : i + 7]).numpy() for i in range(0, 210, 7)]), whole[:210])
