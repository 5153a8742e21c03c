"""Joined: each entry goes to its extractor, all others to the rest, and what came with weights keeps them."""

import keras
import numpy as np
import pytest

import blocks
from blocks.classifiers import Softmax
from blocks.errors import InvalidArgument
from blocks.feature_extractors import MLP, Ensemble, Joined, Keras, TabM, Tower
from blocks.feature_extractors.one_entry import one_entry
from blocks.features.spec import Entry, Feature, FeatureSpec
from blocks.preprocessors import Columns, Standardize, Tokens

IMAGE = Entry("float32", (4, 4, 3), (Feature("a photo", ("a photo",)),))
SPEC = FeatureSpec.pack([Feature("a", ("a",)), Feature("b", ("b",)), Feature("c", ("c",), 7)], {"a_photo": IMAGE})
RANDOM = np.random.default_rng(0)
FEATURES = {
    "numeric": RANDOM.normal(size=(5, 2)).astype("float32"),
    "categorical": RANDOM.integers(0, 7, (5, 1)).astype("int32"),
    "a_photo": RANDOM.normal(size=(5, 4, 4, 3)).astype("float32"),
}


def pooled(name):
    return Keras(keras.layers.GlobalAveragePooling2D(), inputs=name)


def test_each_entry_has_its_extractor_and_the_rest_enters_as_it_is():
    joined = Joined({"a photo": pooled("a_photo"), "numeric": MLP([3])}, spec=SPEC)
    found = joined(FEATURES)
    parts = joined.parts
    alone = [
        FEATURES["a_photo"].mean(axis=(1, 2)),
        parts[1]({"numeric": FEATURES["numeric"]}),
        parts[2].flat.tables[0].numpy()[FEATURES["categorical"][:, 0]],
    ]
    np.testing.assert_allclose(found, np.concatenate(alone, axis=1), rtol=1e-5, atol=1e-6)
    assert [part.name for part in parts] == ["a_photo", "numeric", "rest"]


def test_the_top_sees_all_parts_at_once():
    joined = Joined({"a_photo": pooled("a_photo")}, rest=MLP([3]), top=TabM([6], k=4), spec=SPEC)
    found = joined(FEATURES)
    photo, rest = joined.parts
    below = np.concatenate([photo(FEATURES), rest({name: FEATURES[name] for name in ("numeric", "categorical")})], 1)
    assert found.shape == (5, 4, 6)
    assert joined.members == 4
    assert np.array_equal(found, joined.top(below))


def test_an_entry_is_meant_whatever_else_its_column_gives():
    """The length of a text is a number, not a part of its tokens."""
    text = Entry("int32", (3,), (Feature("text", ("text",), 9),))
    spec = FeatureSpec.pack([Feature("text_token", ("text",), 5)], {"a_text": text})
    entry, joined = "a_text", Joined({"a_text": Keras(keras.layers.Flatten(), inputs="a_text")}, spec=spec)
    rows = {entry: np.ones((2, 3), "int32"), "categorical": np.ones((2, 1), "int32")}
    assert joined(rows).shape == (2, 3 + joined.parts[1].flat.tables[0].shape[1])


@pytest.mark.parametrize(
    "around",
    [
        lambda part: Joined({"numeric": part, "a_photo": pooled("a_photo")}),
        lambda part: Joined({"numeric": part, "a_photo": pooled("a_photo")}, spec=SPEC),
        lambda part: Joined({"categorical": MLP([2]), "a_photo": pooled("a_photo")}, rest=part),
        lambda part: Tower({"x": (["a", "b"], part), "y": (["c"], MLP([2])), "z": (None, pooled("a_photo"))}),
        lambda part: Ensemble(part, k=2),
    ],
)
def test_layers_that_came_with_weights_keep_them_in_copies(around):
    layer = keras.layers.Dense(3)
    layer.build((None, 2))
    extractor = around(Keras(layer, inputs="numeric")).copy().copy()
    if not isinstance(extractor, Ensemble):
        extractor.bind(SPEC)
    extractor(FEATURES)
    kernels = [weight.numpy() for weight in extractor.weights if weight.shape == (2, 3)]
    assert kernels
    assert all(np.array_equal(kernel, layer.kernel.numpy()) for kernel in kernels)


def test_a_model_of_it_is_saved_and_exported(tmp_path):
    rows = {"x": np.linspace(-1, 1, 64), "words": ["red dog", "blue cat"] * 32, "label": ["no", "yes"] * 32}
    model = blocks.Model(
        Columns({"x": Standardize(), "words": Tokens(2)}),
        Joined({"words": MLP([4])}, rest=MLP([3]), top=MLP([4])),
        Softmax("label"),
        seed=0,
    )
    model.adapt(rows)
    model.fit(rows, epochs=2, verbose=0)
    expected = model.predict(rows)["probabilities"]
    model.save(tmp_path / "model.keras")
    assert np.array_equal(keras.saving.load_model(tmp_path / "model.keras").predict(rows)["probabilities"], expected)
    model.export(tmp_path / "export")
    assert blocks.verify(tmp_path / "export", rows, verbose=0).ok
    swapped = model.replace(feature_extractor=Joined({"words": MLP([4])}))
    assert swapped.core.count_params() < model.core.count_params()


def test_errors_say_the_rule():
    with pytest.raises(InvalidArgument, match=r"names entries of the features.* a_photo\. Received: 'text'"):
        Joined({"text": MLP([2])}).bind(SPEC)
    with pytest.raises(InvalidArgument, match=r"each once.* Received: 'a photo'"):
        Joined({"a photo": MLP([2]), "a_photo": MLP([2])}).bind(SPEC)
    with pytest.raises(InvalidArgument, match=r"without members.* Received for 'numeric': TabM"):
        Joined({"numeric": TabM([2])})
    with pytest.raises(InvalidArgument, match=r"without members.* Received for 'rest': NoneType"):
        Joined({})
    with pytest.raises(InvalidArgument, match=r"top is a feature extractor.* Received: int"):
        Joined({"numeric": MLP([2])}, top=3)
    with pytest.raises(InvalidArgument, match=r"of which nothing is learned beforehand"):
        Joined({"a_photo": pooled("a_photo")}, top=MLP([2], numeric_embeddings="piecewise_linear"), spec=SPEC)(FEATURES)
    with pytest.raises(InvalidArgument, match=r"no specification"):
        Joined({"numeric": MLP([2])})(FEATURES)


def test_an_extractor_of_one_entry_says_what_stands_beside_it():
    def image(entry):
        return len(entry.shape) == 3

    block = MLP([2], spec=SPEC)
    assert one_entry(block, {"a_photo": (None, 4, 4, 3)}, image, "an image") == "a_photo"
    assert one_entry(block, (None, 4, 4, 3), image, "an image") is None
    with pytest.raises(InvalidArgument, match=r"reads one entry, an image.* Joined\(\{'a_photo': MLP\(\), \.\.\.\}\)"):
        one_entry(block, {name: (None, *entry.shape) for name, entry in SPEC.items()}, image, "an image")
    with pytest.raises(InvalidArgument, match=r"Joined\(\{'name': MLP\(\)"):
        one_entry(block, {"numeric": (None, 2)}, image, "an image")
