"""What holds of every extractor: parameters as documented, half precision, freezing, warm starts, groups."""

import keras
import numpy as np
import pytest

from blocks.classifiers import Softmax
from blocks.errors import InvalidArgument
from blocks.feature_extractors import (
    DCN,
    MLP,
    Ensemble,
    FTTransformer,
    Joined,
    Keras,
    ResNet,
    TabM,
    Tower,
    WideDeep,
)
from blocks.feature_extractors.inputs import embedding_width
from blocks.features.spec import Entry, Feature, FeatureSpec
from blocks.training.core import build_core

from .tabular import CARDINALITIES, EVERY, FEATURES, ROWS, SPEC

WIDTHS = [embedding_width(top) for top in CARDINALITIES]
TABLES = sum(top * width for top, width in zip(CARDINALITIES, WIDTHS, strict=True))
I = 2 + sum(WIDTHS)  # noqa: E741 (the docstrings' i)
C = sum(CARDINALITIES)


def names(weights):
    return [weight.path for weight in weights]


def classifier():
    return Softmax("y", classes=["no", "yes"])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: MLP([7, 5], normalization="batch", spec=SPEC), TABLES + (I + 1) * 7 + 8 * 5 + 4 * 12),
        (lambda: ResNet(6, depth=3, spec=SPEC), TABLES + (I + 1) * 6 + 3 * (7 * 12 + 13 * 6 + 24) + 24),
        (lambda: ResNet(6, depth=1, normalization="layer", spec=SPEC), TABLES + (I + 1) * 6 + 7 * 12 + 13 * 6 + 24),
        (lambda: DCN([7], spec=SPEC), TABLES + 3 * (I * I + I) + (I + 1) * 7),
        (lambda: DCN([7], cross_layers=2, rank=3, spec=SPEC), TABLES + 2 * (2 * I * 3 + I) + (I + 1) * 7),
        (
            lambda: WideDeep([7], wide_units=3, crosses=[("c0", "c2")], spec=SPEC),
            TABLES + (I + 1) * 7 + (2 + C + 12) * 3,
        ),
        (
            lambda: FTTransformer(12, depth=2, heads=3, spec=SPEC),
            2 * 2 * 12 + C * 12 + 12 + 2 * (4 * 13 * 12 + 2 * 13 * 16 + 17 * 12 + 4 * 12) - 2 * 12 + 2 * 12,
        ),
        (
            lambda: TabM([7, 5], k=4, spec=SPEC),
            TABLES + I * 7 + 4 * (I + 14) + 7 * 5 + 4 * (7 + 10),
        ),
        (lambda: TabM([7, 5], k=4, variant="mini", spec=SPEC), TABLES + I * 7 + 7 + 7 * 5 + 5 + 4 * I),
        (lambda: Ensemble(MLP([7]), k=3, spec=SPEC), 3 * (TABLES + (I + 1) * 7)),
        (lambda: Keras(keras.layers.Dense(4), spec=SPEC), TABLES + (I + 1) * 4),
        (
            lambda: Tower({"x": (["a", "b"], MLP([4])), "y": (None, MLP([3]))}, spec=SPEC),
            3 * 4 + TABLES + (I - 2 + 1) * 3,
        ),
        (
            lambda: Joined({"categorical": MLP([3])}, top=MLP([4]), spec=SPEC),
            TABLES + (I - 2 + 1) * 3 + (3 + 2 + 1) * 4,
        ),
    ],
)
def test_parameters_are_as_documented(make, expected):
    block = make()
    block(FEATURES)
    assert block.count_params() == expected


@pytest.mark.parametrize("name", EVERY)
def test_half_precision_trains_in_single_precision_weights(name):
    block = EVERY[name](spec=SPEC, dtype="mixed_float16")
    if name not in ("Tower", "Joined", "Ensemble", "Keras"):  # their parts have policies of their own
        assert block(FEATURES).dtype == "float16"
    assert np.isfinite(block(FEATURES)).all()
    assert all(weight.dtype in ("float32", "uint32", "int64") for weight in block.weights)


@pytest.mark.parametrize("name", EVERY)
def test_a_core_of_it_learns_and_is_frozen(name):
    head = classifier()
    target = (FEATURES["numeric"][:, 0] > 0).astype("int32")
    core = build_core(SPEC, block := EVERY[name](), head, seed=0)
    block.adapt(FEATURES)
    loss = head.default_loss()
    core.compile(keras.optimizers.Adam(0.01), loss=loss, run_eagerly=True)
    first = float(loss(target, core(FEATURES)))
    for _ in range(6):
        core.train_on_batch(FEATURES, target)
    assert float(loss(target, core(FEATURES))) < first
    block.trainable = False
    core.compile(keras.optimizers.Adam(0.01), loss=loss, run_eagerly=True)
    before, of_head = [weight.numpy() for weight in block.weights], head.weights[0].numpy()
    core.train_on_batch(FEATURES, target)
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, block.weights, strict=True))
    assert not np.array_equal(of_head, head.weights[0].numpy())


@pytest.mark.parametrize("name", EVERY)
def test_frozen_before_it_is_built_and_unfrozen(name):
    block = EVERY[name](trainable=False)
    core = build_core(SPEC, block, head := classifier(), seed=0)
    assert names(core.trainable_variables) == names(head.trainable_variables)
    twin = build_core(SPEC, block.copy(), again := classifier())
    assert names(twin.trainable_variables) == names(again.trainable_variables)
    block.trainable = True
    learned = {id(part.edges) for part in block.learners()} | {id(part.adapted_flag) for part in block.learners()}
    trained = {id(weight) for weight in core.trainable_variables}
    moving = {id(weight) for weight in block.weights if "moving" in weight.path}
    assert trained == {id(weight) for weight in core.weights} - learned - moving


@pytest.mark.parametrize("name", EVERY)
def test_a_warm_start_copies_what_fits(name):
    if name == "Keras":
        pytest.skip("the wrapped layer's name is its user's")
    block, other = EVERY[name](spec=SPEC).adapt(FEATURES), EVERY[name](spec=SPEC)
    other(FEATURES)
    assert other.warm_start(block) == []
    assert np.array_equal(other(FEATURES), block(FEATURES))
    assert other.adapted


def test_a_warm_start_says_what_did_not_fit():
    small, large = MLP([6, 5], spec=SPEC), MLP([6, 4], spec=SPEC)
    small(FEATURES), large(FEATURES)
    assert large.warm_start(small) == ["dense_1/kernel", "dense_1/bias"]
    assert np.array_equal(large.dense[0].kernel, small.dense[0].kernel)
    with pytest.raises(InvalidArgument, match=r"between two built extractors. Received: <MLP"):
        large.warm_start(MLP([3]))
    other = MLP([3])
    other(FEATURES["numeric"])
    with pytest.raises(InvalidArgument, match=r"same name and shape. Received: MLP with dense_0/kernel \(2, 3\)"):
        large.warm_start(other)


def test_tower_divides_features_by_their_names():
    block = Tower({"x": (["c1", "a"], MLP([5])), "y": (None, MLP([4]))}, spec=SPEC)
    found = block(FEATURES).numpy()
    x = block.towers[0]({"numeric": FEATURES["numeric"][:, :1], "categorical": FEATURES["categorical"][:, 1:2]})
    y = block.towers[1]({"numeric": FEATURES["numeric"][:, 1:], "categorical": FEATURES["categorical"][:, [0, 2]]})
    assert np.array_equal(found, np.concatenate([x, y], axis=1))


def test_tower_takes_raw_columns_and_entries_of_higher_rank():
    image = Entry("float32", (8, 8, 3), (Feature("photo", ("photo",)),))
    hot = FeatureSpec.pack([Feature("city=a", ("city",)), Feature("city=b", ("city",)), Feature("age", ("age",))])
    spec = FeatureSpec({**hot, "photo": image})
    convolution = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D()])
    block = Tower(
        {
            "city": (["city"], MLP([2])),
            "photo": (["photo"], Keras(convolution, inputs="photo")),
            "rest": (None, MLP([3])),
        }
    )
    core = build_core(spec, block, classifier())
    photo = np.random.default_rng(0).normal(size=(5, 8, 8, 3)).astype("float32")
    numbers = FEATURES["numeric"][:5, [0, 1, 1]]
    assert core({"numeric": numbers, "photo": photo}).shape == (5, 2)
    found = block({"numeric": numbers, "photo": photo})
    assert found.shape == (5, 9)
    assert np.array_equal(found[:, :2], block.towers[0]({"numeric": numbers[:, :2]}))


def test_tower_refuses_what_is_no_division():
    for towers, match in (
        ({"x": (["a"], MLP([2]))}, r"Every feature is in one group. Received: b, c0, c1, c2 for no group"),
        ({"x": (["a", "z"], MLP([2])), "y": (None, MLP([2]))}, r"left for 'x'. Received: a, z"),
        ({"x": (["a"], MLP([2])), "y": (["a", "b"], MLP([2])), "z": (None, MLP([2]))}, r"for 'y'. Received: a, b"),
        ({"x": ([*list("ab"), "c0", "c1", "c2"], MLP([2])), "y": (None, MLP([2]))}, r"Received: nothing for no group"),
    ):
        with pytest.raises(InvalidArgument, match=match):
            Tower(towers).bind(SPEC)
    with pytest.raises(InvalidArgument, match=r"extractor without members.* TabM"):
        Tower({"x": (None, TabM([2]))})
    with pytest.raises(InvalidArgument, match=r"one of all others at most"):
        Tower({"x": (None, MLP([2])), "y": (None, MLP([2]))})
    with pytest.raises(InvalidArgument, match=r"Received: no specification"):
        Tower({"x": (None, MLP([2]))})(FEATURES)


def test_an_ensemble_of_ensembles_has_all_their_members():
    block = Ensemble(TabM([4], k=3), k=2, spec=SPEC)
    assert block.members == 6
    assert block(FEATURES).shape == (ROWS, 6, 4)
    with pytest.raises(InvalidArgument, match=r"k >= 1 times. Received: .* k=0"):
        Ensemble(MLP([2]), k=0)


def test_an_application_reads_an_image_and_keeps_its_weights_when_copied():
    spec = FeatureSpec({"photo": Entry("float32", (32, 32, 3), (Feature("photo", ("photo",)),))})
    network = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None, pooling="avg")
    network.trainable = False
    block = Keras(network, inputs="photo")
    core = build_core(spec, block, head := classifier())
    photo = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype("float32")
    assert core({"photo": photo}).shape == (3, 2)
    assert names(core.trainable_variables) == names(head.trainable_variables)
    twin = block.copy()
    assert np.array_equal(twin({"photo": photo}), block({"photo": photo}))
    assert not twin.layer.trainable
    unpooled = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(InvalidArgument, match=r"\(None, 30, 30, 2\). Pool an image"):
        build_core(spec, Keras(unpooled, inputs="photo"), classifier())
