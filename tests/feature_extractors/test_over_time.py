"""Extractors over time against NumPy, and on series that only such as read steps in order can tell apart."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import blocks
from blocks import classifiers, preprocessors
from blocks.errors import InvalidArgument
from blocks.feature_extractors import GRU, TCN, DLinear, PatchTransformer
from blocks.feature_extractors.window_inputs import WindowInputs
from blocks.features.spec import Entry, Feature, FeatureSpec

RANDOM = np.random.default_rng(0)
ROWS, LENGTH = 9, 6
SPEC = FeatureSpec.pack(
    [Feature("age", ("age",)), Feature("pair", ("pair",), 4)],
    {
        "close": Entry.of_windows(LENGTH, [Feature("close", ("close",))]),
        "volume": Entry.of_windows(LENGTH, [Feature("volume", ("volume",)), Feature("volume_missing", ("volume",))]),
        "bins": Entry.of_windows(LENGTH, [Feature("bins", ("bins",), 4)]),
        "hour_ahead": Entry.of_windows(2, [Feature("hour_ahead", ("hour_ahead",), 3)]),
    },
)
FEATURES = {
    "numeric": RANDOM.normal(size=(ROWS, 1)).astype("f4"),
    "categorical": RANDOM.integers(0, 4, (ROWS, 1)).astype("i4"),
    "close": RANDOM.normal(size=(ROWS, LENGTH)).astype("f4"),
    "volume": RANDOM.normal(size=(ROWS, LENGTH, 2)).astype("f4"),
    "bins": RANDOM.integers(0, 4, (ROWS, LENGTH)).astype("i4"),
    "hour_ahead": RANDOM.integers(0, 3, (ROWS, 2)).astype("i4"),
}


def test_windows_of_one_length_are_channels_and_all_else_is_the_rest():
    layer = WindowInputs(SPEC, embedding_dim=3)
    steps, rest = layer(keras.tree.map_structure(tf.constant, FEATURES))
    assert layer.shapes(FEATURES) == ((None, LENGTH, 6), 1 + 3 + 2 * 3)
    np.testing.assert_array_equal(steps[..., 0], FEATURES["close"])
    np.testing.assert_array_equal(steps[..., 1:3], FEATURES["volume"])
    np.testing.assert_array_equal(steps[..., 3:], layer.tables["bins"].numpy()[FEATURES["bins"]])
    assert rest.shape == (ROWS, 10)
    np.testing.assert_array_equal(rest[:, 0], FEATURES["numeric"][:, 0])


def test_the_trend_is_the_moving_average_with_repeated_ends():
    window = RANDOM.normal(size=(4, 10, 2)).astype("f4")
    padded = np.concatenate([window[:, :1].repeat(2, 1), window, window[:, -1:].repeat(2, 1)], axis=1)
    trend = np.stack([padded[:, at : at + 5].mean(axis=1) for at in range(10)], axis=1)
    expected = np.concatenate([trend.reshape(4, -1), (window - trend).reshape(4, -1)], axis=1)
    np.testing.assert_allclose(DLinear(5)(window), expected, atol=1e-6)


def test_a_convolution_sees_so_many_steps_and_nothing_to_come():
    extractor = TCN(4, kernel_size=2, dilations=[1, 2])
    window = RANDOM.normal(size=(1, 20)).astype("f4")
    found = extractor(window).numpy()
    seen = 1 + 2 * 1 * 3
    for back in range(20):
        moved = window.copy()
        moved[0, 19 - back] += 1
        assert (np.abs(extractor(moved).numpy() - found).max() > 1e-7) == (back < seen)


def test_patches_are_the_windows_pieces_and_its_repeated_end():
    extractor = PatchTransformer(4, 1, heads=1, patch=4, stride=3)
    window = np.arange(10, dtype="f4")[None, :, None]
    extractor(window)
    longer = np.append(window[0, :, 0], [9, 9, 9])
    assert extractor.count == 4
    np.testing.assert_array_equal(extractor._patches(tf.constant(window))[0], [longer[a : a + 4] for a in (0, 3, 6, 9)])


@pytest.mark.parametrize(
    "extractor",
    [TCN(8, dilations=[1, 2, 4]), GRU(8), PatchTransformer(8, 1, heads=2, patch=4, stride=4, dropout=0.0)],
    ids=lambda one: type(one).__name__,
)
def test_classes_of_the_order_of_steps_are_learned(extractor):
    # a bump first and then a dip, or the other way round, at any place: sums over places are alike
    place, first = RANDOM.integers(0, 6, 400), RANDOM.integers(0, 2, 400)
    window = RANDOM.normal(0, 0.1, (400, 12))
    for row, (at, up) in enumerate(zip(place, first, strict=True)):
        window[row, [at, at + 3]] += [2, -2] if up else [-2, 2]
    rows = {"x": window, "up": first}
    model = blocks.Model(
        preprocessors.Columns({"x": preprocessors.Standardize()}), extractor, classifiers.Softmax("up"), seed=0
    )
    model.adapt(rows, verbose=0)
    model.compile(optimizer=keras.optimizers.Adam(0.02))
    model.fit(rows, epochs=10, batch_size=50, verbose=0)
    assert model.evaluate(rows, verbose=0)["accuracy"] > 0.9


def test_sizes_that_are_none_are_refused():
    for make, message in (
        (lambda: DLinear(4), "odd number of steps"),
        (lambda: GRU(0), "GRU's units"),
        (lambda: TCN(4, dilations=[]), "TCN's sizes"),
        (lambda: TCN(4, pooling="max"), "TCN's pooling"),
        (lambda: PatchTransformer(6, heads=4), "divisible by its heads"),
        (lambda: PatchTransformer(dropout=1.0), "PatchTransformer's dropout"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            make()
