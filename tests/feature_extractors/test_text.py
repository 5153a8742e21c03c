"""Extractors of text: what they compute, and that padding changes nothing."""

import keras
import numpy as np
import pytest

from blocks.errors import InvalidArgument
from blocks.feature_extractors import MLP, EmbeddingBag, Joined, TextCNN, TextTransformer
from blocks.features.spec import Entry, Feature, FeatureSpec

IDS = np.array([[5, 3, 9, 3, 0, 0], [2, 0, 0, 0, 0, 0], [0] * 6, [7, 8, 4, 9, 6, 11]], np.int32)
TOKENS = Entry("int32", (6,), (Feature("text", ("text",), 12),))
GRAMS = Entry.of_pairs([Feature("grams", ("text",), 20_000)])
PAIRS = np.array([[[19_999, 0.5], [3, 2.0], [0, 0]], [[3, 1.0], [7, -1.0], [0, 4.0]], [[0, 0]] * 3], np.float32)
EVERY = [
    lambda **options: EmbeddingBag(4, **options),
    lambda **options: TextCNN(4, sizes=[1, 2, 3, 4], dim=5, **options),
    lambda **options: TextTransformer(8, depth=2, heads=2, **options),
    lambda **options: TextTransformer(6, depth=1, heads=2, positions=None, **options),
]


def value(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("make", EVERY)
def test_padding_changes_nothing(make):
    block = make(cardinality=12)
    found = value(block(IDS))
    for more in (1, 7):
        padded = np.pad(IDS, ((0, 0), (0, more)))
        np.testing.assert_allclose(value(block(padded)), found, atol=2e-6)
    np.testing.assert_allclose(value(block(IDS[:2, :4])), found[:2], atol=2e-6)
    assert not found[2].any()
    assert len(np.unique(found.round(4), axis=0)) == 4


def test_a_bag_is_the_mean_or_sum_of_vectors():
    mean, total = EmbeddingBag(4, cardinality=12), EmbeddingBag(4, cardinality=12, combiner="sum", activation="tanh")
    found = value(mean(IDS))
    total(IDS)
    total.table.assign(mean.table)
    table = value(mean.table).astype("float64")
    rows = [table[row[row > 0]] for row in IDS]
    np.testing.assert_allclose(found, [row.mean(axis=0) if len(row) else np.zeros(4) for row in rows], atol=1e-6)
    np.testing.assert_allclose(value(total(IDS)), [np.tanh(row.sum(axis=0)) for row in rows], atol=1e-6)


def test_a_bag_of_sparse_rows_weighs():
    spec = FeatureSpec({"grams": GRAMS})
    total, mean = EmbeddingBag(4, spec=spec), EmbeddingBag(4, combiner="mean", spec=spec)
    found = value(total({"grams": PAIRS}))
    mean({"grams": PAIRS})
    mean.table.assign(total.table)
    table = value(total.table).astype("float64")
    expected = np.array([sum(w * table[int(c)] for c, w in row) for row in PAIRS.tolist()])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    mass = np.maximum(PAIRS[..., 1].sum(axis=1, keepdims=True), 1e-9)
    np.testing.assert_allclose(value(mean({"grams": PAIRS})), expected / mass, atol=1e-6)


def test_a_bag_leaves_out_tokens_in_training_alone():
    block = EmbeddingBag(3, cardinality=12, dropout=0.5, combiner="sum")
    ids = np.full((200, 1), 5, np.int32)
    at_rest, trained = value(block(ids)), value(block(ids, training=True))
    there = np.isclose(trained, 2 * at_rest).all(axis=1)
    assert (there | (trained == 0).all(axis=1)).all()
    assert 60 < there.sum() < 140


def test_filters_see_runs_of_tokens():
    block = TextCNN(3, sizes=[2, 3], dim=4, activation="tanh", cardinality=12)
    found = value(block(IDS))
    table, expected = value(block.vectors.table), []
    for row in IDS:
        text = table[row[row > 0]]
        answers = []
        for layer, size in zip(block.seen, block.sizes, strict=True):
            kernel, bias = map(value, layer.weights)
            padded = np.pad(text, (((size - 1) // 2, size // 2), (0, 0)))
            runs = [padded[i : i + size].ravel() @ kernel + bias for i in range(len(text))]
            answers.append(np.tanh(np.max(runs, axis=0)) if runs else np.zeros(3))
        expected.append(np.concatenate(answers))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_positions_are_distances_places_or_nothing():
    text, shifted, reversed_text = np.array([[5, 3, 9, 0, 0]]), np.array([[0, 0, 5, 3, 9]]), np.array([[9, 3, 5, 0, 0]])
    same = {}
    for positions in ("rotary", "learned", None):
        block = TextTransformer(8, depth=2, heads=2, positions=positions, cardinality=12)
        found = value(block(text))
        if block.places is not None:
            block.places.assign(np.random.default_rng(0).normal(size=(5, 8)))
            found = value(block(text))
        same[positions] = [np.abs(value(block(other)) - found).max() < 1e-5 for other in (shifted, reversed_text)]
    assert same == {"rotary": [True, False], "learned": [False, False], None: [True, True]}


def test_parameters_are_as_documented():
    for block, expected in [
        (EmbeddingBag(4, cardinality=12), 12 * 4),
        (TextCNN(4, sizes=[2, 5], dim=3, cardinality=12), 12 * 3 + (2 * 3 + 1) * 4 + (5 * 3 + 1) * 4),
        (
            TextTransformer(8, depth=2, heads=2, hidden_factor=3, positions="learned", cardinality=12),
            12 * 8 + 6 * 8 + 2 * (4 * 9 * 8 + 9 * 24 + 25 * 8 + 4 * 8) + 2 * 8,
        ),
    ]:
        block(IDS)
        assert block.count_params() == expected


def test_as_parts_of_joined_beside_numbers():
    numbers = Entry("float32", (2,), (Feature("a", ("a",)), Feature("b", ("b",))))
    spec = FeatureSpec({"numeric": numbers, "text": TOKENS, "grams": GRAMS})
    parts = {"text": TextCNN(2, sizes=[2]), "grams": EmbeddingBag(3), "numeric": MLP([4])}
    joined = Joined(parts, spec=spec)
    features = {"numeric": np.ones((3, 2), np.float32), "text": IDS[:3], "grams": PAIRS}
    assert joined(features).shape == (3, 9)


@pytest.mark.parametrize("make", [*EVERY[:3], lambda **options: TextTransformer(8, heads=2, positions="learned")])
def test_half_precision_stays_finite(make):
    block = make(cardinality=12, dtype="mixed_float16")
    block.spec = FeatureSpec({"text": TOKENS})
    found = block({"text": IDS}, training=True)
    assert np.isfinite(value(found)).all()


def test_errors_say_the_rule():
    numbers = Entry("float32", (1,), (Feature("a", ("a",)),))
    for make, message in [
        (lambda: EmbeddingBag(0), "EmbeddingBag's sizes are positive"),
        (lambda: EmbeddingBag(dropout=1.0), r"its dropout is in \[0, 1\)"),
        (lambda: EmbeddingBag(combiner="max"), "combiner is 'mean', 'sum' or None"),
        (lambda: TextCNN(sizes=[]), "runs of one token at least"),
        (lambda: TextTransformer(positions="sine"), "positions are 'rotary', 'learned' or None"),
        (lambda: TextTransformer(12, heads=4), "twice as many with rotary positions"),
        (lambda: EmbeddingBag(3)(IDS), "Give it cardinality= for one tensor of ids"),
        (lambda: TextCNN(spec=FeatureSpec({"grams": GRAMS}))({"grams": PAIRS}), "reads one entry, of token ids"),
        (
            lambda: EmbeddingBag(spec=FeatureSpec({"numeric": numbers, "text": TOKENS}))({"text": IDS}),
            "an extractor of its own",
        ),
    ]:
        with pytest.raises(InvalidArgument, match=message):
            make()
