"""Each extractor against an independent forward pass in NumPy, and what its paper states of it."""

import numpy as np
import pytest

from blocks.errors import InvalidArgument
from blocks.feature_extractors import DCN, MLP, FTTransformer, Keras, ResNet, TabM, WideDeep
from blocks.features.spec import Entry, Feature, FeatureSpec

from .tabular import FEATURES, ROWS, SPEC, dense, flat, layer_norm, relu, shaken

RANDOM = np.random.default_rng(3)
TIGHT = {"rtol": 3e-5, "atol": 3e-5}


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_resnet(normalization):
    block = shaken(ResNet(6, depth=3, hidden_factor=1.5, normalization=normalization, spec=SPEC), high=0.2)

    def norm(layer, values):
        if normalization == "layer":
            return layer_norm(layer, values)
        scale = layer.gamma.numpy() / np.sqrt(layer.moving_variance.numpy() + layer.epsilon)
        return (values - layer.moving_mean.numpy()) * scale + layer.beta.numpy()

    values = dense(block.first, flat(block.inputs_layer))
    for i in range(3):
        values = values + dense(block.narrow[i], relu(dense(block.widen[i], norm(block.norms[i], values))))
    assert np.allclose(block(FEATURES), relu(norm(block.norms[3], values)), **TIGHT)


def attention(layer, query, tokens):
    """Multi-head attention in float64."""
    projected = []
    for part, values in ((layer.query_dense, query), (layer.key_dense, tokens), (layer.value_dense, tokens)):
        projected.append(np.einsum("bte,ehd->bthd", values, part.kernel.numpy().astype(np.float64)) + part.bias.numpy())
    q, k, v = projected
    scores = np.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(q.shape[-1])
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = np.einsum("bhqk,bkhd->bqhd", shares / shares.sum(-1, keepdims=True), v)
    return np.einsum("bqhd,hde->bqe", mixed, layer.output_dense.kernel.numpy()) + layer.output_dense.bias.numpy()


def ft_reference(block, features):
    inputs = block.inputs_layer
    numbers, table = inputs.numbers, inputs.tables[0].numpy()
    tokens = [features["numeric"][:, :, None] * numbers.kernel.numpy().astype(np.float64) + numbers.bias.numpy()]
    offsets = np.cumsum([0] + [feature.cardinality for feature in SPEC["categorical"].features])[:-1]
    tokens.append(table[features["categorical"] + offsets].astype(np.float64))
    first = np.repeat(block.class_token.token.numpy().astype(np.float64), len(features["numeric"]), axis=0)
    values = np.concatenate([first, *tokens], axis=1)
    for i, part in enumerate(block.blocks):
        looked = values if i == 0 else layer_norm(part.norm, values)
        values = values + attention(part.attention, looked, looked)
        inner = layer_norm(part.inner_norm, values)
        values = values + dense(part.narrow, relu(dense(part.gate, inner)) * dense(part.widen, inner))
    return relu(layer_norm(block.norm, values[:, 0]))


def test_ft_transformer():
    """The reference keeps every token in the last block too: only the class token's output is used."""
    block = shaken(FTTransformer(8, depth=3, heads=2, spec=SPEC), high=0.2)
    assert np.allclose(block(FEATURES), ft_reference(block, FEATURES), rtol=1e-4, atol=1e-4)


def test_ft_transformer_does_not_know_the_order_of_features():
    plain = RANDOM.normal(size=(7, 5)).astype("float32")
    block, other = FTTransformer(8, depth=2, heads=2), FTTransformer(8, depth=2, heads=2)
    block(plain), other(plain)
    for mine, theirs in zip(other.weights, block.weights, strict=True):
        mine.assign(theirs)
    order = RANDOM.permutation(5)
    for name in ("kernel", "bias"):
        weight = getattr(other.inputs_layer.numbers, name)
        weight.assign(weight.numpy()[order])
    assert np.allclose(other(plain[:, order]), block(plain), atol=1e-5)
    assert not np.allclose(block(plain[:, order]), block(plain), atol=1e-3)


@pytest.mark.parametrize("structure", ["stacked", "parallel"])
@pytest.mark.parametrize("rank", [None, 3])
def test_dcn(structure, rank):
    block = shaken(DCN([7, 5], cross_layers=2, rank=rank, structure=structure, spec=SPEC), high=0.1)
    first = values = flat(block.inputs_layer)
    for i in range(2):
        inner = values if rank is None else dense(block.reduce[i], values)
        values = first * dense(block.cross[i], inner) + values
    deep = values if structure == "stacked" else first
    for layer in block.deep.dense:
        deep = relu(dense(layer, deep))
    expected = deep if structure == "stacked" else np.concatenate([values, deep], axis=1)
    found = block(FEATURES)
    assert found.shape == expected.shape
    assert np.allclose(found, expected, **TIGHT)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_crosses_are_polynomials_of_degree_layers_plus_one(layers):
    """Theorem of the paper: along any line the finite difference of order degree + 1 vanishes, and no lower one."""
    block = DCN([], cross_layers=layers, dtype="float64")
    start, step = RANDOM.normal(size=(2, 4))
    line = start + np.arange(layers + 3)[:, None] * step
    shaken(block, line.astype("float32"), low=0.1)
    values = block(line).numpy()
    assert np.abs(np.diff(values, n=layers + 1, axis=0)).max() > 1e-3
    assert np.abs(np.diff(values, n=layers + 2, axis=0)).max() < 1e-9 * np.abs(values).max()


def test_wide_deep():
    block = shaken(WideDeep([5], wide_units=4, crosses=[("c0", "c2"), ("c2", "c1")], spec=SPEC))
    deep = relu(dense(block.deep.dense[0], flat(block.inputs_layer)))
    ids = FEATURES["categorical"]
    one_hot = np.zeros((ROWS, 3 + 100 + 4 + 12 + 400))
    for row, (x, y, z) in enumerate(ids):
        for hot in (x, 3 + y, 103 + z, 107 + x * 4 + z, 119 + z * 100 + y):
            one_hot[row, hot] = 1
    wide = one_hot @ block.wide_ids.embeddings.numpy().astype(np.float64) + dense(
        block.wide_numbers, FEATURES["numeric"]
    )
    assert np.allclose(block(FEATURES), np.concatenate([deep, wide], axis=1), **TIGHT)


def test_tabm_is_k_perceptrons_of_modulated_kernels():
    """The paper's view: member i is a perceptron with kernels W * (r_i s_i^T)."""
    block = shaken(TabM([6, 5], k=4, spec=SPEC))
    found = block(FEATURES).numpy()
    assert found.shape == (ROWS, 4, 5)
    for i in range(4):
        values = flat(block.inputs_layer)
        for layer, before, after, bias in zip(block.dense, block.before, block.after, block.biases, strict=True):
            r, s = before.factors.numpy()[i], after.factors.numpy()[i]
            values = relu(values @ (layer.kernel.numpy().astype(np.float64) * np.outer(r, s)) + bias.bias.numpy()[i])
        assert np.allclose(found[:, i], values, **TIGHT)
    assert np.ptp(found, axis=1).max() > 0.1


def test_tabm_mini_scales_inputs_alone():
    block = shaken(TabM([6, 5], k=4, variant="mini", spec=SPEC))
    for i in range(4):
        values = flat(block.inputs_layer) * block.before[0].factors.numpy()[i]
        for layer in block.dense:
            values = relu(dense(layer, values))
        assert np.allclose(block(FEATURES)[:, i], values, **TIGHT)


def test_tabm_begins_with_one_sign_for_a_feature_and_ones_elsewhere():
    block = TabM([6, 5], k=50, spec=SPEC)
    block(FEATURES)
    first = block.before[0].factors.numpy()
    assert set(np.unique(first)) == {-1.0, 1.0}
    widths, start = block.inputs_layer.widths({"numeric": (None, 2), "categorical": (None, 3)}), 0
    assert sum(widths) == first.shape[1]
    for width in widths:
        piece = first[:, start : start + width]
        assert (piece == piece[:, :1]).all()
        assert 0 < (piece[:, 0] > 0).sum() < 50
        start += width
    assert all((part.factors.numpy() == 1).all() for part in (block.before[1], *block.after))


def test_members_drop_units_of_their_own():
    block = TabM([64], k=8, dropout=0.5)
    values = np.ones((1, 4), "float32")
    kept = (block(values, training=True).numpy()[0] != 0).astype(int)
    assert len({tuple(row) for row in kept}) > 4


def test_tokens_are_averaged_without_padding():
    words = Entry("int32", (4,), (Feature("text", ("text",), 9),))
    spec = FeatureSpec({"numeric": SPEC["numeric"], "text": words})
    ids = np.array([[3, 5, 0, 0], [0, 0, 0, 0], [1, 1, 2, 8]], "int32")
    block = MLP([3], spec=spec, embedding_dim=6)
    block({"numeric": FEATURES["numeric"][:3], "text": ids})
    found = block.inputs_layer({"numeric": FEATURES["numeric"][:3], "text": ids}).numpy()[:, 2:]
    table = block.inputs_layer.words[0].numpy()
    expected = [table[[3, 5]].mean(0), np.zeros(6), table[[1, 1, 2, 8]].mean(0)]
    assert np.allclose(found, expected, atol=1e-6)
    assert FTTransformer(8, depth=1, heads=2, spec=spec)({"numeric": FEATURES["numeric"][:3], "text": ids}).shape == (
        3,
        8,
    )


def test_errors_say_the_rule():
    for make, match in (
        (lambda: ResNet(0), r"width, depth and hidden width are positive"),
        (lambda: ResNet(dropout=1.0), r"dropouts are in \[0, 1\)"),
        (lambda: ResNet(normalization="group"), r"normalization is 'batch' or 'layer'. Received: 'group'"),
        (lambda: FTTransformer(10, heads=3), r"divisible by its heads"),
        (lambda: FTTransformer(8, attention_dropout=-1), r"dropouts are in \[0, 1\)"),
        (lambda: DCN(rank=0), r"cross_layers and rank are positive"),
        (lambda: DCN(structure="deep"), r"'stacked' or 'parallel'. Received: 'deep'"),
        (lambda: DCN(dropout=1), r"dropout is in"),
        (lambda: WideDeep([]), r"WideDeep's widths are positive"),
        (lambda: WideDeep(crosses=["ab"]), r"two names or more"),
        (lambda: WideDeep([3], crosses=[("c0", "b")], spec=SPEC)(FEATURES), r"categorical features: c0.* Received: b"),
        (lambda: TabM([]), r"positive width a layer"),
        (lambda: TabM(variant="packed"), r"'full' or 'mini'. Received: 'packed'"),
        (lambda: TabM(dropout=2), r"dropout is in"),
        (lambda: Keras(3), r"wraps a keras.layers.Layer"),
    ):
        with pytest.raises(InvalidArgument, match=match):
            make()
    large = FeatureSpec.pack([Feature("c0", ("c0",), 100_000), Feature("c1", ("c1",), 1000)])
    with pytest.raises(InvalidArgument, match=r"10,000,000 combinations at most.* 100,000,000. Hash it"):
        WideDeep([3], crosses=[("c0", "c1")], spec=large)({"categorical": np.zeros((1, 2), "int32")})
