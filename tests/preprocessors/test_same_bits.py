"""Blocks of time, place and own functions: equal bits at every batch size, eager, traced and in tf.data."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from blocks.preprocessors.function import Function
from blocks.preprocessors.geo.distance import Distance
from blocks.preprocessors.geo.geo_grid import GeoGrid
from blocks.preprocessors.time.cyclical import Cyclical
from blocks.preprocessors.time.date_parts import PARTS, DateParts
from blocks.preprocessors.time.elapsed import Elapsed
from blocks.preprocessors.time.timestamp import Timestamp

ROWS = 2500
RNG = np.random.default_rng(5)
MISSING = np.iinfo(np.int64).min
INSTANTS = RNG.integers(-8_520_336_000_000_000, 7_289_654_400_000_000, ROWS)
INSTANTS[::17] = MISSING
TEXTS = INSTANTS.astype("datetime64[us]").astype(str).astype(object)
NUMBERS = np.where(RNG.random(ROWS) < 0.1, RNG.choice([np.nan, np.inf, -np.inf, 1e300], ROWS), RNG.normal(0, 400, ROWS))
PLACES = tuple(np.where(RNG.random(ROWS) < 0.05, np.nan, RNG.uniform(-95, 95, ROWS) * k) for k in (1, 2, 1, 4))


@keras.saving.register_keras_serializable(package="tests")
def in_float32(values):
    return tf.exp(tf.cast(values, tf.float32) * 1e-3)


TABLE = {
    "Timestamp": (lambda: Timestamp(["%d/%m/%Y %H:%M", "iso8601"], timezone="Europe/Paris"), TEXTS),
    "Timestamp, seconds": (lambda: Timestamp(unit="s"), NUMBERS * 1e6),
    "DateParts": (lambda: DateParts(PARTS, timezone="America/New_York", add_indicator=True), INSTANTS),
    "Cyclical, part": (lambda: Cyclical("day_of_year"), INSTANTS),
    "Cyclical, year": (lambda: Cyclical(period="year", timezone="Asia/Kolkata"), INSTANTS),
    "Cyclical, days": (lambda: Cyclical(period=29.530588, unit="day"), INSTANTS),
    "Cyclical, numbers": (lambda: Cyclical(period=360, add_indicator=True), NUMBERS),
    "Elapsed": (lambda: Elapsed("1999-12-31T23:00:00+01:00", unit="hour"), INSTANTS),
    "Distance": (lambda: Distance(), PLACES),
    "GeoGrid": (lambda: GeoGrid([10, 0.1, 0.7], num_bins=10_000), PLACES[:2]),
    "Function": (lambda: Function(in_float32), NUMBERS),
}


def part(rows, start, stop):
    return keras.tree.map_structure(lambda values: values[start:stop], rows)


def tensors(rows):
    return keras.tree.map_structure(lambda v: tf.constant(v, tf.string if v.dtype == object else v.dtype), rows)


@pytest.mark.parametrize(("make", "rows"), TABLE.values(), ids=TABLE.keys())
def test_bits_do_not_depend_on_the_batch_size_or_the_mode(make, rows):
    block = make()
    whole = block(tensors(rows)).numpy()
    specs = keras.tree.map_structure(lambda tensor: tf.TensorSpec((None,), tensor.dtype), tensors(rows))
    traced = tf.function(block, input_signature=[specs])
    found = {"traced": traced(tensors(rows)).numpy()}
    for size in (1, 2, 3, 7, 8, 16, 17, 1000):
        many = min(ROWS, 30 * size)
        for mode, function in (("eager", block), ("traced", traced)):
            parts = [function(tensors(part(rows, at, min(at + size, many)))) for at in range(0, many, size)]
            found[f"{mode} {size}"] = np.concatenate(parts)
    dataset = tf.data.Dataset.from_tensor_slices(tensors(rows)).batch(17)
    dataset = dataset.map(lambda *x: block(x if len(x) > 1 else x[0]), num_parallel_calls=2)
    found["tf.data"] = np.concatenate(list(dataset.as_numpy_iterator()))
    bits = f"u{whole.dtype.itemsize}"
    for where, values in found.items():
        np.testing.assert_array_equal(values.view(bits), whole[: len(values)].view(bits), err_msg=where)


@pytest.mark.parametrize(("make", "rows"), TABLE.values(), ids=TABLE.keys())
def test_configuration_comes_back_and_no_rows_are_no_error(make, rows):
    block = make()
    twin = type(block).from_config(block.get_config())
    assert twin.get_config() == block.get_config()
    np.testing.assert_array_equal(twin(tensors(rows)), block(tensors(rows)))
    assert len(block(tensors(part(rows, 0, 0)))) == 0
