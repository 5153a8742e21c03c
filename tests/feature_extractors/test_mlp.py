"""MLP and its inputs against a forward pass in NumPy."""

import keras
import numpy as np
import pytest

from blocks.errors import InvalidArgument
from blocks.feature_extractors import MLP
from blocks.feature_extractors.inputs import embedding_width
from blocks.features.spec import Entry, Feature, FeatureSpec

RANDOM = np.random.default_rng(0)
CARDINALITIES = (3, 100, 3, 5000)
SPEC = FeatureSpec.pack(
    [Feature("a", ("a",)), Feature("b", ("b",))]
    + [Feature(f"c{i}", (f"c{i}",), cardinality) for i, cardinality in enumerate(CARDINALITIES)]
)
FEATURES = {
    "numeric": RANDOM.normal(size=(11, 2)).astype("float32"),
    "categorical": np.stack([RANDOM.integers(0, top, 11) for top in CARDINALITIES], axis=1).astype("int32"),
}


def reference_inputs(layer, features):
    """Numbers, then every id's row of its table, columns of equal width in order."""
    parts = [features["numeric"].astype(np.float64)]
    widths = [embedding_width(top) if layer.embedding_dim is None else layer.embedding_dim for top in CARDINALITIES]
    for table, width in zip(layer.tables, sorted(set(widths)), strict=True):
        offset = 0
        for position, top in enumerate(CARDINALITIES):
            if widths[position] == width:
                parts.append(table.numpy()[offset + features["categorical"][:, position]])
                offset += top
        assert offset == table.shape[0]
    return np.concatenate(parts, axis=1)


def reference(mlp, features):
    values = reference_inputs(mlp.inputs_layer, features)
    for i, dense in enumerate(mlp.dense):
        before = values
        values = values @ dense.kernel.numpy().astype(np.float64) + dense.bias.numpy()
        if mlp.norms:
            norm = mlp.norms[i]
            if mlp.normalization == "layer":
                mean, variance = values.mean(axis=1, keepdims=True), values.var(axis=1, keepdims=True)
            else:
                mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy()
            values = (values - mean) / np.sqrt(variance + norm.epsilon) * norm.gamma.numpy() + norm.beta.numpy()
        values = np.maximum(values, 0.0)
        if mlp.residual and before.shape == values.shape:
            values = values + before
    return values


@pytest.mark.parametrize("options", [{}, {"normalization": "layer"}, {"normalization": "batch", "residual": True},
                                     {"embedding_dim": 5, "dropout": 0.3}])  # fmt: skip
def test_equals_a_forward_pass_in_numpy(options):
    mlp = MLP([8, 8, 4], spec=SPEC, **options)
    mlp(FEATURES)
    for weight in mlp.weights:  # biases, moving averages, ... away from their zeros and ones
        shift = RANDOM.uniform(0.1, 0.5, weight.shape).astype("float32")
        if weight.dtype == "float32":
            weight.assign_add(shift)
    expected = reference(mlp, FEATURES)
    assert np.allclose(mlp(FEATURES), expected, rtol=2e-5, atol=2e-5)
    assert expected.std() > 0.01


def test_shapes_and_parameters():
    mlp = MLP([16, 4], spec=SPEC)
    assert mlp.compute_output_shape({"numeric": (None, 2), "categorical": (None, 4)}) == (None, 4)
    assert mlp(FEATURES).shape == (11, 4)
    width = 2 + sum(embedding_width(top) for top in CARDINALITIES)
    tables = sum(top * embedding_width(top) for top in CARDINALITIES)
    assert mlp.count_params() == tables + (width + 1) * 16 + (16 + 1) * 4


def test_ids_alone_and_numbers_alone():
    ids = FeatureSpec({"categorical": SPEC["categorical"]})
    assert MLP([4], spec=ids)({"categorical": FEATURES["categorical"]}).shape == (11, 4)
    numbers = FeatureSpec({"numeric": SPEC["numeric"]})
    assert MLP([4], spec=numbers)({"numeric": FEATURES["numeric"]}).shape == (11, 4)


def test_dropout_is_active_in_training_alone():
    mlp = MLP([64], dropout=0.5)
    values = np.ones((4, 8), "float32")
    assert np.array_equal(mlp(values), mlp(values, training=False))
    assert not np.array_equal(mlp(values, training=True), mlp(values, training=True))


def test_mixed_precision_computes_in_half():
    mlp = MLP([8], spec=SPEC, dtype="mixed_float16")
    assert mlp(FEATURES).dtype == "float16"
    assert all(weight.dtype == "float32" for weight in mlp.weights)


@pytest.mark.parametrize("cardinality", [2, 3, 10, 100, 1000, 10**6, 10**9])
def test_embedding_width_is_a_power_of_two_near_the_rule(cardinality):
    width = embedding_width(cardinality)
    rule = min(50.0, 1.6 * cardinality**0.56)
    assert width in (2, 4, 8, 16, 32, 64)
    assert rule <= width < 2 * rule


def test_errors_say_the_rule():
    for units in ([], [0], [4, -1]):
        with pytest.raises(InvalidArgument, match=r"one positive width a layer"):
            MLP(units)
    for dropout in (1.0, -0.1):
        with pytest.raises(InvalidArgument, match=r"dropout is in \[0, 1\)"):
            MLP([4], dropout=dropout)
    with pytest.raises(InvalidArgument, match=r"normalization is None, 'batch' or 'layer'. Received: 'group'"):
        MLP([4], normalization="group")
    with pytest.raises(InvalidArgument, match=r"categorical features and no specification"):
        MLP([4])(FEATURES)
    built = MLP([4], spec=SPEC)
    built(FEATURES)
    with pytest.raises(InvalidArgument, match=r"MLP is built for .* Use a new extractor"):
        built.bind(FeatureSpec({"numeric": SPEC["numeric"]}))
    image = FeatureSpec({"photo": Entry("float32", (4, 4, 3), (Feature("photo", ("photo",)),))})
    with pytest.raises(InvalidArgument, match=r"needs numbers or ids. Received: .*photo"):
        MLP([4], spec=image)({"photo": np.zeros((2, 4, 4, 3), "float32")})


def test_an_extractor_is_rebuilt_from_its_configuration():
    mlp = MLP([8, 4], activation="gelu", dropout=0.1, normalization="layer", residual=True, embedding_dim=3, spec=SPEC)
    twin = MLP.from_config(mlp.get_config())
    assert twin.get_config() == mlp.get_config()
    assert twin.spec == SPEC
    assert twin.activation is keras.activations.gelu
