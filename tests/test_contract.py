"""Every block against the contract of blocks, by one table: a new block is one row of `TABLE`."""

import importlib

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from blocks import classifiers, feature_extractors, postprocessors, preprocessors, regressors
from blocks.block import Block, FeatureExtractor, Postprocessor, Preprocessor, Regressor
from blocks.features.spec import Entry, Feature, FeatureSpec
from blocks.statistics import Moments
from blocks.testing import check_block

RANDOM = np.random.default_rng(0)

NUMBERS = [*RANDOM.normal(40.0, 12.0, 40).tolist(), None, -3.0, 0.0]
SKEWED = [*np.exp(RANDOM.normal(3.0, 2.0, 40)).tolist(), None, 0.0, -0.5]
TOKENS = ["rome", "oslo", None, "rome", "new\nline", "\u2028", "\x00", "\N{GRINNING FACE}", "", "Zürich"]
INTEGERS = [7, 7, -1, None, 1 << 40, 0]
TABLE_ROWS = {"a": NUMBERS, "b": SKEWED, "c": (TOKENS * 5)[: len(NUMBERS)], "d": (INTEGERS * 8)[: len(NUMBERS)]}

SPEC = FeatureSpec.pack(
    [
        Feature("a", ("a",)),
        Feature("b", ("b",)),
        Feature("c", ("c",), 7),
        Feature("d", ("d",), 200),
        Feature("e", ("e",), 3),
    ]
)
PIXELS = RANDOM.integers(0, 256, (20, 8, 7, 3), "uint8")
FEATURES = {
    "numeric": RANDOM.normal(size=(30, 2)).astype("float32"),
    "categorical": np.stack([RANDOM.integers(0, top, 30) for top in (7, 200, 3)], axis=1).astype("int32"),
}
WINDOWS = FeatureSpec.pack(
    [Feature("c", ("c",), 7)],
    {
        "close": Entry.of_windows(12, [Feature("close", ("close",)), Feature("close_missing", ("close",))]),
        "trend": Entry.of_windows(12, [Feature("trend", ("trend",), 4)]),
        "hour_ahead": Entry.of_windows(3, [Feature("hour_ahead", ("hour_ahead",), 5)]),
    },
)
SERIES = {
    "categorical": RANDOM.integers(0, 7, (30, 1)).astype("int32"),
    "close": RANDOM.normal(size=(30, 12, 2)).astype("float32"),
    "trend": RANDOM.integers(0, 4, (30, 12)).astype("int32"),
    "hour_ahead": RANDOM.integers(0, 5, (30, 3)).astype("int32"),
}
PLAIN = RANDOM.normal(size=(30, 5)).astype("float32")
IDS = np.where(np.arange(5) < [[0], [5], [2], [1], [4], [3]], RANDOM.integers(1, 9, (6, 5)), 0).astype("int32")
GRAMS = FeatureSpec({"grams": Entry.of_pairs([Feature("grams", ("text",), 30)])})
PAIRS = np.stack([RANDOM.integers(0, 30, (6, 5)), RANDOM.normal(size=(6, 5)) * (IDS > 0)], axis=2).astype("float32")
PROBABILITIES = RANDOM.dirichlet([1.0, 1.0, 1.0], 40).astype("float32")
STEPS = [[1e9 + i, 1e9 - i, 1e9] if i % 7 else None for i in range(30)]
CLASSES = RANDOM.integers(0, 3, 40).astype("int32")
OF_TWO = RANDOM.dirichlet([1.0, 1.0], 40).astype("float32")
TRUTH = RANDOM.normal(5.0, 3.0, 40)
POINTS = {
    "prediction": TRUTH + RANDOM.normal(0.0, 1.0, 40),
    "standard_deviation": RANDOM.uniform(0.5, 2.0, 40),
    "quantiles": np.sort(TRUTH[:, None] + RANDOM.normal(0.0, 1.0, (40, 3)), axis=1),
}

SEVERAL = {
    "a": [*range(39), None],
    "b": [*np.exp(RANDOM.normal(3.0, 2.0, 38)).tolist(), -2.0, 1.0],
    "c": [0, 1, 1, None] * 10,
    "d": [3.5, 0.0, 0.0, 80.0] * 10,
    "e": [True, False, True, False] * 10,
}

# name: (the block's factory, data as check_block takes it, its options)
TEXTS = [
    "Call me now",
    "now|or never",
    None,
    "call CALL",
    "Crème  brûlée",
    "!",
    "a@b.com",
    "rice|beans|rice",
    "\x00",
    "",
]
WRITTEN = ["12,345.5", "(3)", None, "12%", "$1.50", "1e3", "-0", "n/a", "7 kg", "\N{NO-BREAK SPACE}5k", ""]
CLOCK = pa.array([0, None, 43_200, 86_399], pa.time32("s"))
LONG = pa.array([0, None, -1, 86_400_000_001], pa.duration("us"))
WHEN = pa.array([0, None, -86_400_000_001, 951_782_400_000_000], pa.timestamp("us", "UTC"))
IMAGES = [tf.io.encode_png(RANDOM.integers(0, 255, (5, side, 3), "uint8")).numpy() for side in (4, 7, 9)]
IMAGES += [tf.io.encode_jpeg(np.full((6, 6, 3), 77, "uint8")).numpy(), None, b"no image", IMAGES[0][:40], b""]


@keras.saving.register_keras_serializable(package="test_contract")
def clipped_root(values):
    return tf.sqrt(tf.maximum(tf.where(tf.math.is_finite(values), values, 0.0), 0.0))


TABLE = {
    "OneHot": (lambda: preprocessors.OneHot(), TOKENS, {"chunk_tolerance": 0.0}),
    "OneHot, zeros": (lambda: preprocessors.OneHot(min_count=2, missing="zeros", unseen="zeros"), TOKENS, {}),
    "OneHot, integers": (lambda: preprocessors.OneHot(top_k=2), INTEGERS, {}),
    "OneHot, binary": (lambda: preprocessors.OneHot(), pa.array([b"\xff", b"a\x00", None, b"\xff"]), {}),
    "OneHot, given": (lambda: preprocessors.OneHot(vocabulary=["oslo", "rome\r"]), TOKENS, {}),
    "Ordinal": (lambda: preprocessors.Ordinal(["oslo", "rome"], missing=0.5), TOKENS, {}),
    "Ordinal, ids": (lambda: preprocessors.Ordinal([0, 7, -1], output_mode="int"), INTEGERS, {}),
    "Boolean": (lambda: preprocessors.Boolean(), [True, False, None, True], {"finite": False}),
    "Boolean, text": (lambda: preprocessors.Boolean(missing=0.5, unseen=-1), ["yes", " NO ", None, "?", "1"], {}),
    "Hashing": (lambda: preprocessors.Hashing(50), TOKENS, {}),
    "Hashing, salted integers": (lambda: preprocessors.Hashing(7, salt="ü"), INTEGERS, {}),
    "Cross": (lambda: preprocessors.Cross(), (TOKENS * 3, INTEGERS * 5), {}),
    "Cross, hashed": (lambda: preprocessors.Cross(40, missing="all"), (TOKENS * 3, INTEGERS * 5, TOKENS[::-1] * 3), {}),
    "MultiHot": (lambda: preprocessors.MultiHot(), TEXTS, {}),
    "MultiHot, count": (lambda: preprocessors.MultiHot(None, output_mode="count", missing="zeros"), TEXTS, {}),
    "MultiHot, given": (lambda: preprocessors.MultiHot(vocabulary=["rice", "beans"], unseen="zeros"), TEXTS, {}),
    "MultiHot, lists": (lambda: preprocessors.MultiHot(), pa.array([["a", "b c"], ["a"], None, [], [None, ""]]), {}),
    "Tokens, lists": (lambda: preprocessors.Tokens(3), pa.array([[7, 8, 9, 7], [8], None, []]), {}),
    "TargetEncode": (lambda: preprocessors.TargetEncode().adapt((TOKENS, list(range(len(TOKENS))))), TOKENS, {}),
    "TargetEncode, classes": (
        lambda: preprocessors.TargetEncode(kind="classes").adapt((INTEGERS, ["x", "y", "z"] * 2)),
        INTEGERS,
        {},
    ),
    "Frequency": (lambda: preprocessors.Frequency(), TOKENS, {}),
    "Frequency, log": (lambda: preprocessors.Frequency("log", top_k=2, missing=-1.0), INTEGERS, {}),
    "Length": (lambda: preprocessors.Length(), TOKENS, {}),
    "Length, bytes": (lambda: preprocessors.Length(unit="bytes", missing=-1.0), TOKENS, {}),
    "Map, numbers": (lambda: preprocessors.Map({7: 0.5, -1: 2.0}, default=1), INTEGERS, {"finite": False}),
    "Tokens": (lambda: preprocessors.Tokens(5), TEXTS, {}),
    "Tokens, n-grams": (
        lambda: preprocessors.Tokens(6, split="characters", ngrams=(1, 2), num_oov_indices=3, top_k=9),
        TEXTS,
        {},
    ),
    "Tokens, given": (lambda: preprocessors.Tokens(3, split="spaces", vocabulary=["Call", "now"]), TEXTS, {}),
    "HashedNGrams": (
        lambda: preprocessors.HashedNGrams(50, characters=(2, 3), sublinear_tf=True, min_rows=2),
        TEXTS,
        {},
    ),
    "HashedNGrams, counted": (
        lambda: preprocessors.HashedNGrams(9, weighting="count", norm=None, max_words=2),
        pa.array([["a", "b c", "a"], None, [], [None, ""]]),
        {},
    ),
    "Subword": (lambda: preprocessors.Subword(30, output_length=6), TEXTS, {}),
    "Vectors": (lambda: preprocessors.Vectors((["now", "or"], [[0.1, 1.0], [3.0, -0.7]])), TEXTS, {}),
    "Vectors, in order": (
        lambda: preprocessors.Vectors((["now", "or"], [[0.1], [3.0]]), output_length=3),
        TEXTS,
        {},
    ),
    "TfIdf": (lambda: preprocessors.TfIdf(6), TEXTS, {}),
    "TfIdf, sparse": (lambda: preprocessors.TfIdf(6, sparse=True), TEXTS, {}),
    "TfIdf, n-grams": (lambda: preprocessors.TfIdf(50, split="characters", ngrams=(2, 3), norm=None), TEXTS, {}),
    "Columns of text": (
        lambda: preprocessors.Columns(
            {
                "a": (
                    [preprocessors.Normalize(), preprocessors.Vocabulary()],
                    [preprocessors.Normalize(case="upper"), preprocessors.Tokens(4)],
                    [preprocessors.Extract(r"(\w+)@", group=1), preprocessors.OneHot()],
                    [preprocessors.EmailDomain(), preprocessors.Frequency()],
                    [preprocessors.Map({"!": "?"}, keep=True), preprocessors.Hashing(9)],
                    preprocessors.TfIdf(9),
                ),
                "b": preprocessors.MultiHot(),
                ("a", "c"): preprocessors.Cross(),
            }
        ),
        {"a": TEXTS * 5, "b": TEXTS[::-1] * 5, "c": (INTEGERS * 9)[:50]},
        {},
    ),
    "DateParts": (lambda: preprocessors.DateParts(["year", "week", "is_weekend"], timezone="Europe/Paris"), WHEN, {}),
    "DateParts, keep": (
        lambda: preprocessors.DateParts(["week"], missing="keep"),
        WHEN.cast(pa.date32(), safe=False),
        {"finite": False},
    ),
    "Cyclical": (
        lambda: preprocessors.Cyclical("week", timezone="America/New_York", add_indicator=True),
        WHEN,
        {},
    ),
    "Cyclical, period": (lambda: preprocessors.Cyclical(period="quarter"), WHEN, {}),
    "Cyclical, numbers": (lambda: preprocessors.Cyclical(period=360), [0.0, 90.0, None, -45.5], {}),
    "Elapsed": (lambda: preprocessors.Elapsed("max", unit="hour", missing=0.0), WHEN, {}),
    "Cyclical, times of day": (lambda: preprocessors.Cyclical("hour"), CLOCK, {}),
    "Number": (lambda: preprocessors.Number(), WRITTEN, {"finite": False}),
    "Number, comma": (lambda: preprocessors.Number(",", unit="kg", missing=-1.0), WRITTEN, {}),
    "Duration": (lambda: preprocessors.Duration("hour", missing=0.0), LONG, {}),
    "Duration, times of day": (lambda: preprocessors.Duration("minute"), CLOCK, {"finite": False}),
    "Difference": (lambda: preprocessors.Difference("day", missing=-1.0), (WHEN, WHEN[::-1]), {}),
    "Distance": (
        lambda: preprocessors.Distance(),
        ([10.0, None, -89.5], [0.0, 359.0, -180.0], [11.0, 2.0, 90.0], [5.0, 5.0, None]),
        {"finite": False},
    ),
    "GeoGrid": (
        lambda: preprocessors.GeoGrid([5, 0.02], num_bins=64),
        ([10.0, None, 90.0], [0.0, 359.0, 180.0]),
        {},
    ),
    "Image": (lambda: preprocessors.Image((3, 4)), pa.array(IMAGES, pa.binary()), {}),
    "ImageMissing": (lambda: preprocessors.ImageMissing(), pa.array(IMAGES, pa.binary()), {}),
    "Function": (lambda: preprocessors.Function(clipped_root), [1.0, 4.0, None, -2.0], {}),
    "Timestamp": (
        lambda: preprocessors.Columns(
            {"at": [preprocessors.Timestamp(timezone="Asia/Tokyo"), preprocessors.DateParts(["year", "hour"])]}
        ),
        {"at": ["2013-01-01T05:00Z", None, "?"]},
        {},
    ),
    "Standardize": (lambda: preprocessors.Standardize(), NUMBERS, {}),
    "Standardize, indicator": (lambda: preprocessors.Standardize(add_indicator=True), NUMBERS, {}),
    "Standardize, keep": (lambda: preprocessors.Standardize(missing="keep"), NUMBERS, {"finite": False}),
    "Standardize, float32": (lambda: preprocessors.Standardize(), pa.array(NUMBERS, pa.float32()), {}),
    "Standardize, booleans": (lambda: preprocessors.Standardize(), [True, False, None, True], {}),
    "Log1p": (lambda: preprocessors.Log1p(), SKEWED, {"finite": False}),
    "Log1p, signed": (lambda: preprocessors.Log1p(signed=True), NUMBERS, {"finite": False}),
    "Impute, mean": (lambda: preprocessors.Impute(), NUMBERS, {"finite": False}),
    "Impute, median": (lambda: preprocessors.Impute("median", add_indicator=True), NUMBERS, {"finite": False}),
    "Impute, most frequent": (lambda: preprocessors.Impute("most_frequent"), INTEGERS, {"finite": False}),
    "Impute, constant": (lambda: preprocessors.Impute("constant", fill_value=-1.0), NUMBERS, {"finite": False}),
    "Vocabulary": (lambda: preprocessors.Vocabulary(), TOKENS, {"chunk_tolerance": 0.0}),
    "Vocabulary, limits": (lambda: preprocessors.Vocabulary(min_count=2, top_k=3, num_oov_indices=4), TOKENS, {}),
    "Vocabulary, no oov": (lambda: preprocessors.Vocabulary(num_oov_indices=0), TOKENS, {}),
    "Vocabulary, integers": (lambda: preprocessors.Vocabulary(num_oov_indices=3), INTEGERS, {}),
    "Vocabulary, binary": (lambda: preprocessors.Vocabulary(), pa.array([b"\xff", b"a\x00", None, b"\xff"]), {}),
    "Vocabulary, given": (lambda: preprocessors.Vocabulary(vocabulary=["oslo", "rome\r"]), TOKENS, {}),
    "MinMax": (lambda: preprocessors.MinMax(clip=True, add_indicator=True), NUMBERS, {}),
    "MaxAbs": (lambda: preprocessors.MaxAbs(), NUMBERS, {}),
    "RobustScale": (lambda: preprocessors.RobustScale(add_indicator=True), NUMBERS, {}),
    "Clip": (lambda: preprocessors.Clip(quantile_range=(5.0, 95.0), missing=0.0), NUMBERS, {}),
    "Clip, given": (lambda: preprocessors.Clip(-1.0, 50.0), NUMBERS, {"finite": False}),
    "Round": (lambda: preprocessors.Round(1), NUMBERS, {"finite": False}),
    "MissingIndicator": (lambda: preprocessors.MissingIndicator(), NUMBERS, {}),
    "Bucketize": (lambda: preprocessors.Bucketize(num_bins=5), NUMBERS, {}),
    "Bucketize, one-hot": (lambda: preprocessors.Bucketize([0.0, 40.0], output_mode="one_hot"), NUMBERS, {}),
    "PiecewiseLinear": (lambda: preprocessors.PiecewiseLinear(8), NUMBERS, {}),
    "PiecewiseLinear, quantiles": (lambda: preprocessors.PiecewiseLinear(8, strategy="quantile"), SKEWED, {}),
    "PowerTransform": (lambda: preprocessors.PowerTransform(), SKEWED, {"chunk_tolerance": 1e-6}),
    "QuantileTransform": (lambda: preprocessors.QuantileTransform(20), NUMBERS, {}),
    "QuantileTransform, normal": (
        lambda: preprocessors.QuantileTransform(20, output_distribution="normal", add_indicator=True),
        SKEWED,
        {},
    ),
    "Columns": (
        lambda: preprocessors.Columns(
            {
                "a": (
                    preprocessors.Standardize(add_indicator=True),
                    [preprocessors.Impute("median"), preprocessors.Standardize()],
                ),
                "b": [preprocessors.Log1p(signed=True), preprocessors.Standardize()],
                "c": preprocessors.Vocabulary(min_count=2),
                "d": preprocessors.Vocabulary(num_oov_indices=2),
            }
        ),
        TABLE_ROWS,
        {},
    ),
    "MLP, one tensor": (lambda: feature_extractors.MLP([8, 4]), PLAIN, {}),
    "MLP": (lambda: feature_extractors.MLP([8, 4], spec=SPEC), FEATURES, {}),
    "MLP, all options": (
        lambda: feature_extractors.MLP(
            [6, 6], spec=SPEC, dropout=0.5, normalization="batch", residual=True, embedding_dim=4
        ),
        FEATURES,
        {},
    ),
    "MLP, layer norm": (
        lambda: feature_extractors.MLP([6], spec=SPEC, normalization="layer", activation="gelu"),
        FEATURES,
        {},
    ),
    "MLP, bins": (
        lambda: feature_extractors.MLP(
            [6], spec=SPEC, numeric_embeddings=feature_extractors.PiecewiseLinearEmbeddings(5, 3)
        ).adapt(FEATURES),
        FEATURES,
        {},
    ),
    "ResNet": (
        lambda: feature_extractors.ResNet(8, depth=2, spec=SPEC, numeric_embeddings="periodic"),
        FEATURES,
        {},
    ),
    # Its sums are rounded otherwise at other batch sizes, and attention enlarges that: up to 3e-6 over 120 draws.
    "FTTransformer": (
        lambda: feature_extractors.FTTransformer(8, depth=2, heads=2, spec=SPEC),
        FEATURES,
        {"tolerance": 1e-5},
    ),
    "DCN": (
        lambda: feature_extractors.DCN([6], spec=SPEC, rank=2, structure="parallel", dropout=0.2),
        FEATURES,
        {},
    ),
    "ConvNet": (lambda: feature_extractors.ConvNet([4, 6], augment="cutout"), PIXELS, {"tolerance": 1e-5}),
    "WideDeep": (lambda: feature_extractors.WideDeep([6], spec=SPEC, crosses=[("c", "e")]), FEATURES, {}),
    "EmbeddingBag": (lambda: feature_extractors.EmbeddingBag(4, cardinality=9, dropout=0.2), IDS, {}),
    "EmbeddingBag, sparse": (lambda: feature_extractors.EmbeddingBag(4, spec=GRAMS), {"grams": PAIRS}, {}),
    "TextCNN": (lambda: feature_extractors.TextCNN(3, sizes=[1, 2], dim=4, cardinality=9), IDS, {}),
    "TextTransformer": (
        lambda: feature_extractors.TextTransformer(8, depth=1, heads=2, cardinality=9),
        IDS,
        {"tolerance": 1e-5},
    ),
    "TabM": (
        lambda: feature_extractors.TabM([6, 5], k=3, spec=SPEC, numeric_embeddings="piecewise_linear").adapt(FEATURES),
        FEATURES,
        {},
    ),
    "TabM, mini": (lambda: feature_extractors.TabM([6], k=3, variant="mini", spec=SPEC), FEATURES, {}),
    "Tower": (
        lambda: feature_extractors.Tower(
            {
                "x": (["a", "c"], feature_extractors.MLP([5], numeric_embeddings="piecewise_linear")),
                "y": (None, feature_extractors.DCN([3])),
            },
            spec=SPEC,
        ).adapt(FEATURES),
        FEATURES,
        {},
    ),
    "Joined": (
        lambda: feature_extractors.Joined(
            {"numeric": feature_extractors.MLP([5], numeric_embeddings="piecewise_linear")},
            top=feature_extractors.TabM([4], k=3),
            spec=SPEC,
        ).adapt(FEATURES),
        FEATURES,
        {},
    ),
    "Ensemble": (
        lambda: feature_extractors.Ensemble(
            feature_extractors.MLP([5], numeric_embeddings="piecewise_linear"), k=2, spec=SPEC
        ).adapt(FEATURES),
        FEATURES,
        {},
    ),
    "Keras, layer": (lambda: feature_extractors.Keras(keras.layers.Dense(3), spec=SPEC), FEATURES, {}),
    "Keras, model": (
        lambda: feature_extractors.Keras(
            keras.Sequential([keras.layers.Dense(4, "relu"), keras.layers.Dropout(0.2)]), inputs="numeric", spec=SPEC
        ),
        FEATURES,
        {},
    ),
    "DLinear": (lambda: feature_extractors.DLinear(3, spec=WINDOWS), SERIES, {}),
    "GRU": (lambda: feature_extractors.GRU(4, depth=2, dropout=0.2, spec=WINDOWS), SERIES, {}),
    "TCN": (lambda: feature_extractors.TCN(4, dilations=[1, 2], dropout=0.2, spec=WINDOWS), SERIES, {}),
    "PatchTransformer": (
        lambda: feature_extractors.PatchTransformer(4, 1, heads=2, patch=4, stride=4, spec=WINDOWS),
        SERIES,
        {"tolerance": 1e-5},
    ),
    "ReversibleNorm": (
        lambda: feature_extractors.ReversibleNorm(feature_extractors.TCN(4, dilations=[1]), "close", spec=WINDOWS),
        SERIES,
        {"tolerance": 1e-5},
    ),
    "Softmax, strings": (lambda: classifiers.Softmax("y"), (PLAIN, ["no", "yes", None, "perhaps"] * 12), {}),
    "Softmax, integers": (lambda: classifiers.Softmax("y", class_weight="balanced"), (PLAIN, [0, 1, 1, 5] * 12), {}),
    "Softmax, booleans": (
        lambda: classifiers.Softmax("y", class_weight={True: 3.0}),
        (PLAIN, [True, False, None] * 16),
        {},
    ),
    "Softmax, given": (
        lambda: classifiers.Softmax("y", classes=["b", "a", "c"]),
        (PLAIN, ["a", "b", "b", None] * 12),
        {},
    ),
    "Horizons": (lambda: regressors.Horizons("y"), (PLAIN, STEPS), {}),
    "Horizons, no drift": (lambda: regressors.Horizons("y", drift=False), (PLAIN, STEPS), {}),
    "Horizons, means": (lambda: regressors.Horizons("y", quantiles=None, loss="huber"), (PLAIN, STEPS), {}),
    "Mean, mse": (lambda: regressors.Mean("y"), (PLAIN, [1e9, 1e9 + 1, None, 1e9 + 3] * 12), {}),
    "Mean, mae": (lambda: regressors.Mean("y", loss="mae"), (PLAIN, NUMBERS[:40]), {}),
    "Mean, huber": (lambda: regressors.Mean("y", loss="huber"), (PLAIN, [1, 2, None, 7] * 12), {}),
    "Mean, log": (lambda: regressors.Mean("y", transform="log"), (PLAIN, [0.0, 2, None, 1e6] * 12), {}),
    "Mean, power": (lambda: regressors.Mean("y", transform="power", loss="huber"), (PLAIN, SKEWED), {}),
    "Mean, several": (lambda: regressors.Mean(["a", "b"]), (PLAIN, SEVERAL), {}),
    "Mean, several powers": (lambda: regressors.Mean(["b", "a"], transform="power"), (PLAIN, SEVERAL), {}),
    "Quantiles": (lambda: regressors.Quantiles("y"), (PLAIN, NUMBERS), {}),
    "Quantiles, one level": (lambda: regressors.Quantiles("y", [0.9]), (PLAIN, NUMBERS), {}),
    "Quantiles, several": (lambda: regressors.Quantiles(["a", "b"], [0.1, 0.2, 0.8]), (PLAIN, SEVERAL), {}),
    "Gaussian": (lambda: regressors.Gaussian("y"), (PLAIN, [1e9, 1e9 + 1, None, 1e9 + 3] * 12), {}),
    "Gaussian, several": (lambda: regressors.Gaussian(["a", "b"], floor=0.1), (PLAIN, SEVERAL), {}),
    "Poisson": (lambda: regressors.Poisson("y"), (PLAIN, [0, 2, None, 7] * 12), {}),
    "Poisson, several": (lambda: regressors.Poisson(["c", "d"]), (PLAIN, SEVERAL), {}),
    "Tweedie": (lambda: regressors.Tweedie("y", power=1.2), (PLAIN, [0.0, 2.5, None, 70.0] * 12), {}),
    "Tweedie, several": (lambda: regressors.Tweedie(["c", "d"]), (PLAIN, SEVERAL), {}),
    "Softmax, focal": (
        lambda: classifiers.Softmax("y", focal_gamma=2.0, label_smoothing=0.1),
        (PLAIN, ["no", "yes", None, "perhaps"] * 12),
        {},
    ),
    "Ordinal, of a target": (
        lambda: classifiers.Ordinal("y", classes=["low", "mid", "high"], class_weight="balanced"),
        (PLAIN, ["low", "high", None, "mid"] * 12),
        {},
    ),
    "Ordinal, of integers": (lambda: classifiers.Ordinal("y", focal_gamma=1.0), (PLAIN, [3, 1, 9, None, 3] * 9), {}),
    "Sigmoid": (lambda: classifiers.Sigmoid(["c", "e"], class_weight={"e": 2.0}), (PLAIN, SEVERAL), {}),
    "Sigmoid, lists": (
        lambda: classifiers.Sigmoid("y", class_weight="balanced"),
        (PLAIN, [["a", "b"], [], None, ["b"]] * 12),
        {},
    ),
    "Sigmoid, strings": (
        lambda: classifiers.Sigmoid("y", separator=", ", focal_gamma=2.0),
        (PLAIN, ["a, b", "", None, "b"] * 12),
        {},
    ),
    "Sigmoid, integers": (lambda: classifiers.Sigmoid("y", classes=[7, 3]), (PLAIN, [[3], [7, 3], None] * 12), {}),
    "Labels": (lambda: postprocessors.Labels(classes=["x", "y", "z"]), {"probabilities": PROBABILITIES}, {}),
    "Labels, integers": (lambda: postprocessors.Labels(classes=[3, 1, 2]), {"probabilities": PROBABILITIES}, {}),
    "Temperature": (lambda: postprocessors.Temperature(), ({"probabilities": PROBABILITIES}, CLASSES), {}),
    "TopK": (lambda: postprocessors.TopK(2, classes=["x", "y", "z"]), {"probabilities": PROBABILITIES}, {}),
    "VectorScaling": (lambda: postprocessors.VectorScaling(), ({"probabilities": PROBABILITIES}, CLASSES), {}),
    "Isotonic": (lambda: postprocessors.Isotonic(), ({"probabilities": PROBABILITIES}, CLASSES), {}),
    "Isotonic, two classes": (lambda: postprocessors.Isotonic(), ({"probabilities": OF_TWO}, CLASSES % 2), {}),
    "Threshold": (
        lambda: postprocessors.Threshold("f1", classes=[False, True]),
        ({"probabilities": OF_TWO}, CLASSES % 2),
        {},
    ),
    "Threshold, learned cost": (
        lambda: postprocessors.Threshold(
            cost=[[0, 5], [1, -1]], learn=True, positive="no", classes=["no", "yes"], name="t"
        ),
        ({"probabilities": OF_TWO}, CLASSES % 2),
        {},
    ),
    "Threshold, cost": (
        lambda: postprocessors.Threshold(cost=[[0, 1, 2], [9, 0, 1], [3, 3, 0]], classes=[1, 2, 3]),
        {"probabilities": PROBABILITIES},
        {},
    ),
    "Threshold, three classes": (
        lambda: postprocessors.Threshold("balanced_accuracy", classes=["a", "b", "c"]),
        ({"probabilities": PROBABILITIES}, CLASSES),
        {},
    ),
    "ConformalSet": (lambda: postprocessors.ConformalSet(), ({"probabilities": PROBABILITIES}, CLASSES), {}),
    "ConformalSet, never empty": (
        lambda: postprocessors.ConformalSet(0.5, allow_empty=False),
        ({"probabilities": PROBABILITIES}, CLASSES),
        {},
    ),
    "ConformalInterval": (
        lambda: postprocessors.ConformalInterval(),
        ({"prediction": POINTS["prediction"]}, TRUTH),
        {},
    ),
    "ConformalInterval, normalised": (
        lambda: postprocessors.ConformalInterval(0.7),
        ({name: POINTS[name] for name in ("prediction", "standard_deviation")}, TRUTH),
        {},
    ),
    "ConformalInterval, quantiles": (
        lambda: postprocessors.ConformalInterval(0.5, levels=[0.2, 0.5, 0.8]),
        (POINTS, TRUTH),
        {},
    ),
    "Abstain": (
        lambda: postprocessors.Abstain(0.5, max_set_size=1),
        {"probabilities": PROBABILITIES, "set_size": CLASSES},
        {},
    ),
    "Clip of predictions": (lambda: postprocessors.Clip(-1, 1.5), POINTS, {}),
    "Round of predictions": (lambda: postprocessors.Round(-1), POINTS, {}),
    "Units": (lambda: postprocessors.Units(-0.1, 3, "USD"), POINTS, {}),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE.keys())
def test_contract(row):
    make, data, options = row
    check_block(make(), data, **options)


def test_every_public_block_has_a_row():
    made = [make() for make, _, _ in TABLE.values()]
    within = [block for columns in made if isinstance(columns, preprocessors.Columns) for block in columns._blocks]
    checked = {type(block) for block in (*made, *within)}
    packages = ("preprocessors", "feature_extractors", "classifiers", "regressors", "postprocessors")
    modules = [importlib.import_module(f"blocks.{package}") for package in packages]
    public = {getattr(module, name) for module in modules for name in module.__all__}
    assert {block for block in public if issubclass(block, Block)} == checked


def test_an_adapted_block_is_left_as_it_is():
    block = preprocessors.Standardize().adapt([1.0, 2.0, 4.0])
    state = block.state
    check_block(block, NUMBERS)
    assert block.state == state


# -- the checker finds what is broken ----------------------------------------------------------------------------------

serializable = keras.saving.register_keras_serializable(package="tests")


@serializable
class Float32Exp(Preprocessor):
    def compute(self, values):
        return tf.exp(tf.cast(values, tf.float32) / 100.0)


@serializable
class Forgetful(Preprocessor):
    def statistics(self):
        return {"moments": Moments()}

    def learn(self, results):
        return {"mean": np.nan_to_num(results["moments"].result().mean)}

    def restore(self, state):
        super().restore(state)
        self.mean = float(state["mean"])

    def load_own_variables(self, store):
        pass

    def compute(self, values):
        values = tf.cast(values, tf.float64)
        return tf.where(tf.math.is_finite(values), values - self.mean, 0.0)


@serializable
class ChunkCounter(Preprocessor):
    def statistics(self):
        return {"moments": Moments()}

    def learn(self, results):
        self.chunks = getattr(self, "chunks", 0) + 1
        self._state = {"count": np.float64(self.chunks)}
        return {"count": np.float64(results["moments"].result().count)}

    def compute(self, values):
        return tf.cast(values, tf.float64)


@serializable
class NeedsPickle(Preprocessor):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def compute(self, values):
        return tf.cast(values, tf.float64) * self.factor


class Unregistered(Preprocessor):
    def compute(self, values):
        return tf.cast(values, tf.float64)


@serializable
class SeesTheBatch(Preprocessor):
    def compute(self, values):
        values = tf.where(tf.math.is_finite(tf.cast(values, tf.float64)), tf.cast(values, tf.float64), 0.0)
        return values - tf.reduce_mean(values)


@serializable
class DropsAnswers(Postprocessor):
    def call(self, inputs):
        return {"best": tf.argmax(inputs["probabilities"], axis=-1)}


@serializable
class Noisy(FeatureExtractor):
    def build(self, input_shape):
        self.dense = keras.layers.Dense(3)
        self.dense.build(input_shape)
        self.built = True

    def call(self, inputs):
        return self.dense(inputs) + keras.random.normal((3,))

    def compute_output_shape(self, input_shape):
        return (None, 3)


@serializable
class Dead(FeatureExtractor):
    def build(self, input_shape):
        self.dense = keras.layers.Dense(3)
        self.dense.build(input_shape)
        self.unused = self.add_weight((2,))
        self.built = True

    def call(self, inputs):
        return self.dense(inputs)

    def compute_output_shape(self, input_shape):
        return (None, 3)


@serializable
class LeaksNan(Regressor):
    def __init__(self, target, **kwargs):
        super().__init__(target, **kwargs)

    def statistics(self):
        return {"moments": Moments()}

    def learn(self, results):
        return {"mean": np.float64(results["moments"].result().mean)}

    encoding = property(lambda self: {"kind": "number"})

    def encode(self, target):
        values = target.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return values, np.isfinite(values)

    def default_loss(self):
        return keras.losses.MeanSquaredError()

    def default_metrics(self):
        return []

    def answer(self, predictions):
        return {"prediction": predictions}


@pytest.mark.parametrize(
    ("make", "data", "rule"),
    [
        (Float32Exp, NUMBERS, "Float32Exp: the batch size does not matter"),
        (Forgetful, NUMBERS, "Forgetful: a .keras file brings back the block"),
        (ChunkCounter, NUMBERS, "ChunkCounter: learn changes nothing"),
        (lambda: NeedsPickle(np.array([2.0])), NUMBERS, "NeedsPickle: get_config survives JSON"),
        (Unregistered, NUMBERS, "Unregistered: the class is registered"),
        (SeesTheBatch, NUMBERS, "SeesTheBatch: the batch size does not matter"),
        (DropsAnswers, {"probabilities": PROBABILITIES}, "DropsAnswers: answers that come in go out"),
        (Noisy, PLAIN, "Noisy: at inference nothing is random"),
        (Dead, PLAIN, "Dead: finite gradients reach every trainable weight. Found: none at .*variable"),
        (lambda: LeaksNan("y"), (PLAIN, NUMBERS[:40]), "LeaksNan: a target with no usable value is refused"),
        (lambda: preprocessors.Log1p(), SKEWED, "Log1p: missing, infinite and unseen values become finite features"),
    ],
    ids=lambda value: value.partition(":")[0] if isinstance(value, str) else "",
)
def test_what_is_broken_is_named(make, data, rule):
    with pytest.raises(AssertionError, match=rule):
        check_block(make(), data)
