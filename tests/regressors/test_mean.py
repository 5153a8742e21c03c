"""Mean: units, far targets, losses, against NumPy in float64."""

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from blocks.errors import BadTarget, InvalidArgument, NotAdapted
from blocks.regressors import Mean
from blocks.regressors.mean import StandardizedLoss

RANDOM = np.random.default_rng(0)


def adapted(values, **options):
    head = Mean("price", **options)
    statistics = head.statistics()
    statistics["moments"].update(pa.array(values))
    head.restore(head.learn(statistics))
    return head


def test_learns_a_target_far_from_zero():
    features = RANDOM.normal(size=(2000, 3)).astype("float32")
    signal = features @ np.array([3.0, -2.0, 1.0]) + RANDOM.normal(size=2000) * 0.1
    target = 1e9 + signal
    head = adapted(target)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, head(inputs))
    model.compile(keras.optimizers.Adam(0.05), loss=head.default_loss(), metrics=head.default_metrics())
    keras.utils.set_random_seed(0)
    # a dataset, as blocks.Model feeds it: Keras rounds arrays to float32
    data = tf.data.Dataset.from_tensor_slices((features, target)).batch(125)
    history = model.fit(data, epochs=20, shuffle=False, verbose=0).history
    predicted = np.asarray(model(features))
    assert predicted.dtype == np.float64
    error = np.sqrt(np.mean((predicted - target) ** 2))
    assert error < 0.2 < np.std(signal)
    # the metric is in the target's unit, though float32 has no digit left for it at 1e9
    assert history["root_mean_squared_error"][-1] == pytest.approx(error, rel=0.1)
    assert history["loss"][0] < 3.0


def test_prediction_is_in_the_targets_unit():
    head = adapted([10.0, 20.0, 30.0])
    values = RANDOM.normal(size=(5, 4)).astype("float32")
    found = head(values).numpy()
    unit = values.astype(np.float64) @ head.unit.kernel.numpy() + head.unit.bias.numpy()
    assert np.allclose(found, unit[:, 0] * np.std([10, 20, 30]) + 20.0, rtol=1e-5)
    assert np.allclose(head.inverse([0.0, 1.0]), [20.0, 20.0 + np.std([10, 20, 30])])


@pytest.mark.parametrize("kind", ["mse", "mae", "huber"])
def test_losses_are_of_standardised_errors(kind):
    truth, guess, scale = np.array([0.0, 10.0, -5.0]), np.array([1.0, 40.0, -5.0]), 10.0
    error = (truth - guess) / scale
    expected = {
        "mse": error**2,
        "mae": np.abs(error),
        "huber": np.where(np.abs(error) <= 1, 0.5 * error**2, np.abs(error) - 0.5),
    }[kind]
    loss = StandardizedLoss(kind, scale)
    assert float(loss(truth, guess)) == pytest.approx(expected.mean(), rel=1e-12)
    weight = np.array([1.0, 3.0, 0.0])
    assert float(loss(truth, guess, sample_weight=weight)) == pytest.approx((expected * weight).sum() / 3, rel=1e-6)
    twin = keras.losses.deserialize(keras.losses.serialize(loss))
    assert float(twin(truth, guess)) == float(loss(truth, guess))


def test_the_loss_does_not_depend_on_the_unit():
    truth, guess = RANDOM.normal(size=50), RANDOM.normal(size=50)
    metres = adapted(truth).default_loss()(truth, guess)
    millimetres = adapted(truth * 1000).default_loss()(truth * 1000, guess * 1000)
    assert float(metres) == pytest.approx(float(millimetres), rel=1e-10)


def test_unusable_targets_are_marked():
    values, usable = adapted([1.0, 2.0]).encode(pa.array([1.5, None, float("nan"), float("inf"), 2.0]))
    assert values.dtype == np.float64
    assert usable.tolist() == [True, False, False, False, True]
    assert values[usable].tolist() == [1.5, 2.0]


@pytest.mark.parametrize("kind", [pa.int64(), pa.float32(), pa.bool_(), pa.decimal128(10, 2)], ids=str)
def test_numbers_of_any_type(kind):
    values, usable = adapted([0.0, 1.0]).encode(pa.array([1, 0, None], pa.int8()).cast(kind))
    assert values[:2].tolist() == [1.0, 0.0]
    assert usable.tolist() == [True, True, False]


def test_a_constant_target_is_learned_with_scale_one():
    head = adapted([7.0] * 10)
    assert (float(head.state["mean"]), float(head.state["scale"])) == (7.0, 1.0)


def test_errors_say_the_rule():
    with pytest.raises(BadTarget, match=r"Received: 'price', of whose 3 values none is finite"):
        adapted(pa.array([None, None, float("inf")], pa.float64()))
    with pytest.raises(BadTarget, match=r"target is a number. Received: column 'price' of type string"):
        adapted([1.0, 2.0]).encode(pa.array(["1"]))
    with pytest.raises(InvalidArgument, match=r"loss is one of mse, mae, huber. Received: 'rmse'"):
        Mean("price", loss="rmse")
    with pytest.raises(NotAdapted, match=r"Mean .* has not been adapted"):
        Mean("price").default_loss()
