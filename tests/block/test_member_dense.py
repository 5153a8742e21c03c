"""Members: heads of their own, losses of their own, predictions averaged; against NumPy and separate models."""

from pathlib import Path

import keras
import numpy as np
import pytest

from blocks import classifiers, regressors
from blocks.block.member_dense import MemberDense
from blocks.classifiers import Softmax
from blocks.errors import InvalidArgument
from blocks.feature_extractors import MLP, Ensemble, Keras, TabM
from blocks.features.spec import Entry, Feature, FeatureSpec
from blocks.heads import Heads
from blocks.regressors import Mean
from blocks.training.core import build_core

RANDOM = np.random.default_rng(0)
SPEC = FeatureSpec.pack([Feature("a", ("a",)), Feature("b", ("b",)), Feature("c", ("c",))])
X = {"numeric": RANDOM.normal(size=(32, 3)).astype("float32")}
LABELS = RANDOM.integers(0, 3, 32).astype("int32")
NUMBERS = RANDOM.normal(5.0, 3.0, 32)
WEIGHTS = RANDOM.uniform(0.5, 2.0, 32).astype("float32")


def softmax():
    return Softmax("y", classes=["x", "y", "z"])


def mean():
    head = Mean("y")
    head.restore({"mean": np.asarray(5.0), "scale": np.asarray(3.0)})
    return head


def compiled(core, head, optimizer=None):
    core.compile(optimizer or keras.optimizers.SGD(0.1), loss=head.default_loss(), metrics=head.default_metrics())
    return core


def test_member_dense_has_weights_of_its_own_for_each_member():
    layer = MemberDense(2, members=3, bias_initializer=keras.initializers.RandomUniform(seed=1))
    rows = RANDOM.normal(size=(4, 3, 5)).astype("float32")
    found = layer(rows.reshape(12, 5)).numpy().reshape(4, 3, 2)
    kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
    for i in range(3):
        assert np.allclose(found[:, i], rows[:, i] @ kernel[i] + bias[i], atol=1e-5)
    assert layer.count_params() == 3 * (5 + 1) * 2
    assert not np.allclose(kernel[0], kernel[1])
    assert (bias == bias[0]).all()
    assert bias.any()
    limit = np.sqrt(6 / 7)
    assert 0.5 * limit < np.abs(kernel).max() <= limit


def test_one_member_is_a_dense_layer():
    layer, plain = MemberDense(2), keras.layers.Dense(2)
    rows = RANDOM.normal(size=(4, 5)).astype("float32")
    layer(rows), plain(rows)
    plain.set_weights(layer.get_weights())
    assert np.array_equal(layer(rows), plain(rows))
    twin = MemberDense.from_config(layer.get_config())
    assert (twin.units, twin.members, twin.use_bias) == (2, 1, True)


@pytest.mark.parametrize("weight", [None, WEIGHTS])
def test_the_loss_is_the_mean_of_the_members_losses_and_the_prediction_their_mean_probability(weight):
    head = softmax()
    core = compiled(build_core(SPEC, TabM([8], k=4, dropout=0.0), head, seed=0), head)
    assert core.output_shape == (None, 3)
    own = core(X, training=True).numpy()
    assert own.shape == (32, 4, 3)
    assert np.ptp(own, axis=1).max() > 0.05
    assert np.allclose(core(X), own.mean(axis=1), atol=1e-6)
    assert np.allclose(core.predict(X, verbose=0), own.mean(axis=1), atol=1e-6)
    rows = -np.log(own[np.arange(32), :, LABELS].astype(np.float64))
    expected = np.average(rows, axis=0, weights=weight).mean()
    trained = core.train_on_batch(X, LABELS, sample_weight=weight, return_dict=True)
    assert np.isclose(trained["loss"], expected, rtol=1e-5)
    assert np.isclose(trained["accuracy"], (own.mean(axis=1).argmax(-1) == LABELS).mean())


def test_held_out_loss_is_that_of_the_mean():
    head = softmax()
    core = compiled(build_core(SPEC, TabM([8], k=4), head, seed=0), head)
    expected = -np.log(core(X).numpy()[np.arange(32), LABELS].astype(np.float64)).mean()
    assert np.isclose(core.evaluate(X, LABELS, verbose=0, return_dict=True)["loss"], expected, rtol=1e-5)


def test_a_regressors_members():
    head = mean()
    core = compiled(build_core(SPEC, TabM([8], k=4, dropout=0.0), head, seed=0), head)
    own = core(X, training=True).numpy()
    assert own.shape == (32, 4)
    assert core(X).shape == (32,)
    expected = (((own - NUMBERS[:, None]) / 3.0) ** 2).mean()
    assert np.isclose(core.train_on_batch(X, NUMBERS, return_dict=True)["loss"], expected, rtol=1e-5)


@pytest.mark.parametrize("several", [False, True])
def test_members_together_predict_their_mixtures_deviation(several):
    """By the law of total variance: the mean of the members' variances and the variance of their means."""
    head = regressors.Gaussian(["u", "v"] if several else "y")
    shape = (2,) if several else ()
    head.restore({"mean": np.full(shape, 5.0), "scale": np.full(shape, 3.0)})
    whole = Heads({"one": head, "two": mean()}) if several else head
    core = build_core(SPEC, TabM([8], k=4, dropout=0.0), whole, seed=0)
    told = core(X)
    members = core(X, training=True)
    if several:
        told, members = told["one"], members["one"]
    told, members = np.asarray(told), np.asarray(members)
    assert members.shape == (32, 4, *shape, 2)
    np.testing.assert_allclose(told[..., 0], members[..., 0].mean(axis=1), rtol=1e-6)
    variance = (members[..., 1] ** 2).mean(axis=1) + members[..., 0].var(axis=1)
    np.testing.assert_allclose(told[..., 1], np.sqrt(variance), rtol=1e-6)
    assert (told[..., 1] > members[..., 1].mean(axis=1)).all()


@pytest.mark.parametrize(("make", "target"), [(softmax, LABELS), (mean, NUMBERS)])
def test_an_ensemble_trains_as_its_members_would_alone(make, target):
    """The mean of k losses has 1/k of each one's gradient, which k times the learning rate makes up for."""
    head = make()
    ensemble = build_core(SPEC, Ensemble(MLP([5]), k=2), head, seed=0)
    block = next(layer for layer in ensemble.layers if isinstance(layer, Ensemble))
    alone = []
    for i in range(2):
        own_head = make()
        core = build_core(SPEC, MLP([5]), own_head, seed=i + 1)
        stacked = list(head.weights)
        for weight, value in zip(core.weights, [*block.copies[i].weights, *stacked], strict=True):
            value = value.numpy()
            weight.assign(value[i] if len(value.shape) > len(weight.shape) else value)
        alone.append(compiled(core, own_head, keras.optimizers.SGD(0.05)))
    compiled(ensemble, head, keras.optimizers.SGD(0.05 * 2))
    for core in (ensemble, *alone):
        core.fit(X, target, epochs=3, batch_size=8, shuffle=False, verbose=0)
    expected = np.mean([core(X).numpy() for core in alone], axis=0)
    assert np.allclose(ensemble(X), expected, atol=1e-5)
    assert np.abs(alone[0](X).numpy() - alone[1](X).numpy()).max() > 0.01


def test_the_core_survives_its_file(tmp_path):
    head = softmax()
    core = compiled(build_core(SPEC, TabM([8], k=4), head, seed=0), head)
    core.fit(X, LABELS, epochs=1, verbose=0)
    core.save(tmp_path / "core.keras")
    loaded = keras.saving.load_model(tmp_path / "core.keras")
    assert np.array_equal(loaded.predict(X, verbose=0), core.predict(X, verbose=0))
    before = loaded.evaluate(X, LABELS, verbose=0)[0]
    loaded.fit(X, LABELS, epochs=20, verbose=0)
    assert loaded.evaluate(X, LABELS, verbose=0)[0] < before


def test_a_sequence_is_no_ensemble():
    spec = FeatureSpec({"text": Entry("float32", (4, 3), (Feature("text", ("text",)),))})
    with pytest.raises(InvalidArgument, match=r"when it says its `members`.* Received from Keras, members=None"):
        build_core(spec, Keras(keras.layers.Dense(3), inputs="text"), softmax())


def test_every_head_makes_its_dense_layers_for_members():
    for package in (classifiers, regressors):
        for file in Path(package.__file__).parent.glob("*.py"):
            assert "layers.Dense" not in file.read_text(), f"{file}: members would share it; use Head.dense"
