"""Features of numbers and ids that the tests of extractors share, and every extractor in a small size."""

import numpy as np

from blocks.feature_extractors import (
    DCN,
    MLP,
    Ensemble,
    FTTransformer,
    Joined,
    Keras,
    PeriodicEmbeddings,
    PiecewiseLinearEmbeddings,
    ResNet,
    TabM,
    Tower,
    WideDeep,
)
from blocks.features.spec import Feature, FeatureSpec

RANDOM = np.random.default_rng(0)
ROWS = 13
CARDINALITIES = (3, 100, 4)
SPEC = FeatureSpec.pack(
    [Feature("a", ("a",)), Feature("b", ("b",))]
    + [Feature(f"c{i}", (f"c{i}",), cardinality) for i, cardinality in enumerate(CARDINALITIES)]
)
FEATURES = {
    "numeric": RANDOM.normal(size=(ROWS, 2)).astype("float32"),
    "categorical": np.stack([RANDOM.integers(0, top, ROWS) for top in CARDINALITIES], axis=1).astype("int32"),
}
SHAPES = {"numeric": (None, 2), "categorical": (None, 3)}


def layer():
    import keras

    return keras.layers.Dense(3)


EVERY = {
    "MLP": lambda **options: MLP([6, 5], **options),
    "MLP, bins": lambda **options: MLP([6], numeric_embeddings=PiecewiseLinearEmbeddings(5), **options),
    "MLP, periodic": lambda **options: MLP([6], numeric_embeddings=PeriodicEmbeddings(4, 3), **options),
    "ResNet": lambda **options: ResNet(8, depth=2, numeric_embeddings="piecewise_linear", **options),
    "FTTransformer": lambda **options: FTTransformer(8, depth=2, heads=2, **options),
    "FTTransformer, bins": lambda **options: FTTransformer(
        8, depth=1, heads=2, numeric_embeddings="piecewise_linear", **options
    ),
    "DCN": lambda **options: DCN([6], **options),
    "DCN, parallel": lambda **options: DCN([6], rank=2, structure="parallel", **options),
    "WideDeep": lambda **options: WideDeep([6], wide_units=3, crosses=[("c0", "c2")], **options),
    "TabM": lambda **options: TabM([6, 5], k=3, numeric_embeddings=PiecewiseLinearEmbeddings(5, 4), **options),
    "TabM-mini": lambda **options: TabM([6, 5], k=3, variant="mini", **options),
    "Tower": lambda **options: Tower(
        {
            "x": (["a", "c1"], MLP([5], numeric_embeddings="piecewise_linear")),
            "y": (None, WideDeep([4], wide_units=2)),
        },
        **options,
    ),
    "Joined": lambda **options: Joined({"categorical": MLP([5])}, rest=MLP([4]), top=MLP([3]), **options),
    "Ensemble": lambda **options: Ensemble(MLP([5], numeric_embeddings="piecewise_linear"), k=2, **options),
    "Keras": lambda **options: Keras(layer(), numeric_embeddings="periodic", **options),
}


def shaken(extractor, features=FEATURES, low=0.05, high=0.5):
    """Build the extractor, and move every float weight that begins at 0 or 1 away from there."""
    extractor(features)
    random = np.random.default_rng(1)
    for weight in extractor.weights:
        if weight.path.rsplit("/", 1)[-1] not in ("edges", "adapted") and "float" in weight.dtype:
            weight.assign_add(random.uniform(low, high, weight.shape).astype("float32"))
    return extractor


def dense(layer, values):
    """A dense layer in float64."""
    found = values @ layer.kernel.numpy().astype(np.float64)
    return found if layer.bias is None else found + layer.bias.numpy()


def layer_norm(layer, values):
    mean, variance = values.mean(-1, keepdims=True), values.var(-1, keepdims=True)
    return (values - mean) / np.sqrt(variance + layer.epsilon) * layer.gamma.numpy() + layer.beta.numpy()


def relu(values):
    return np.maximum(values, 0.0)


def flat(layer, features=FEATURES):
    """Numbers, then each id's row of its table, columns of equal width together: of inputs without embedded numbers."""
    parts = [features["numeric"].astype(np.float64)]
    for table, columns in zip(layer.tables, layer._groups().values(), strict=True):
        offset = 0
        for position, cardinality in columns:
            parts.append(table.numpy()[offset + features["categorical"][:, position]])
            offset += cardinality
    return np.concatenate(parts, axis=1)
