"""Softmax: classes, encoding, weights, against scikit-learn and NumPy."""

import keras
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_class_weight

from blocks.classifiers import Softmax
from blocks.errors import BadTarget, InvalidArgument, NotAdapted, SchemaMismatch


def adapted(values, **options):
    head = Softmax("label", **options)
    statistics = head.statistics()
    statistics["counts"].update(values if isinstance(values, pa.Array) else pa.array(values))
    head.restore(head.learn(statistics))
    return head


TARGETS = st.one_of(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=3), min_size=2),
    st.lists(st.integers(-(2**53), 2**53), min_size=2),
    st.lists(st.booleans(), min_size=2),
    st.lists(st.floats(-1e300, 1e300, allow_subnormal=False), min_size=2),
).filter(lambda values: len(set(values)) > 1)


@given(TARGETS)
@settings(max_examples=60, deadline=None)
def test_encodes_as_scikit_learn_does(values):
    head = adapted(values)
    encoded, usable = head.encode(pa.array(values))
    assert usable.all()
    assert encoded.dtype == np.int32
    # the classes stand in ascending order, strings by code point, as Python and NumPy have it
    assert (
        encoded.tolist()
        == LabelEncoder().fit_transform(np.array(values, object if isinstance(values[0], str) else None)).tolist()
    )
    assert [head.classes[i] for i in encoded] == values
    assert all(type(name) is type(values[0]) for name in head.classes)


def test_missing_and_unseen_are_marked():
    head = adapted(["b", "a", None, "", "b"])
    assert head.classes == ["a", "b"]
    encoded, usable = head.encode(pa.array(["a", None, "c", "", "b"]))
    assert encoded.tolist() == [0, -1, -1, -1, 1]
    assert usable.tolist() == [True, False, False, False, True]
    floats = adapted([1.5, 2.5, float("nan")])
    assert floats.encode(pa.array([2.5, float("nan"), None, 3.0]))[0].tolist() == [1, -1, -1, -1]


def test_dictionary_encoded_targets_with_repeated_and_null_values():
    head = adapted(["a", "b"])
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2, 3]), pa.array(["b", None, "a", "zz"]))
    assert head.encode(coded)[0].tolist() == [1, -1, -1, 0, -1]


def test_numbers_are_matched_over_types():
    head = adapted([0, 1])
    for kind in (pa.int8(), pa.uint64(), pa.float32(), pa.bool_()):
        assert head.encode(pa.array([1, 0], pa.int8()).cast(kind))[0].tolist() == [1, 0]
    booleans = adapted([False, True])
    assert booleans.classes == [False, True]
    assert booleans.encode(pa.array([1, 0]))[0].tolist() == [1, 0]


def test_priors_and_balanced_weights_equal_scikit_learn():
    values = ["a"] * 7 + ["b"] * 2 + ["c"]
    head = adapted(values, class_weight="balanced")
    expected = compute_class_weight("balanced", classes=np.array(head.classes), y=values)
    assert np.allclose(head.class_weights, expected, rtol=1e-7)
    assert head.priors.tolist() == [0.7, 0.2, 0.1]
    named = adapted(values, class_weight={"c": 5.0})
    assert named.class_weights.tolist() == [1.0, 1.0, 5.0]
    assert adapted(values).class_weights is None


def test_class_weights_of_any_key_survive_the_configuration():
    for head in (adapted([0, 1], class_weight={1: 3.0}), adapted([True, False], class_weight={True: 3.0})):
        twin = Softmax.from_config(keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(head)).get_config())  # fmt: skip
        assert twin.class_weights.tolist() == [1.0, 3.0]
        assert twin.classes == head.classes


def test_given_classes_keep_their_order_and_may_be_absent():
    head = adapted(["no", "yes", "yes"], classes=["yes", "no", "perhaps"])
    assert head.classes == ["yes", "no", "perhaps"]
    assert head.priors.tolist() == pytest.approx([2 / 3, 1 / 3, 0.0])
    assert Softmax("label", classes=[1, 0]).adapted


def test_probabilities_are_a_softmax_of_a_dense_layer():
    head = adapted(["a", "b", "c"])
    values = np.random.default_rng(0).normal(size=(9, 4)).astype("float32")
    found = head(values).numpy()
    logits = values.astype(np.float64) @ head.logits.kernel.numpy() + head.logits.bias.numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(found, expected, atol=1e-6)
    assert head.compute_output_spec(keras.KerasTensor((None, 4))).shape == (None, 3)
    half = Softmax("label", classes=[0, 1], dtype="mixed_float16")
    assert half(values).dtype == "float32"


def test_the_loss_is_the_cross_entropy():
    head = adapted(["a", "b", "c"])
    probabilities = np.random.default_rng(1).dirichlet([1, 1, 1], 20).astype("float32")
    target = np.random.default_rng(2).integers(0, 3, 20)
    loss = float(head.default_loss()(target, probabilities))
    assert loss == pytest.approx(-np.log(probabilities[np.arange(20), target]).mean(), rel=1e-5)


def test_errors_say_the_rule():
    with pytest.raises(BadTarget, match=r"two classes or more. Received: 'label' with 'a' \(1 of 3 missing\)"):
        adapted(["a", "a", None])
    with pytest.raises(BadTarget, match=r"'label' with no usable value \(2 of 2 missing\)"):
        adapted(pa.nulls(2, pa.string()))
    with pytest.raises(BadTarget, match=r"10,000 classes at most. Received: 'label' with 20,000 distinct values"):
        adapted(np.arange(20_000))
    with pytest.raises(InvalidArgument, match=r"class_weight is None, 'balanced' or a dict. Received: 'equal'"):
        Softmax("label", class_weight="equal")
    with pytest.raises(InvalidArgument, match=r"on_bad_target is 'error' or 'skip'. Received: 'drop'"):
        Softmax("label", on_bad_target="drop")
    with pytest.raises(NotAdapted, match=r"Softmax .* has not been adapted"):
        _ = Softmax("label").classes
    with pytest.raises(SchemaMismatch, match=r"has classes of type string.* Received: a column of type int64. Cast it"):
        adapted(["a", "b"]).encode(pa.array([1]))
    with pytest.raises(BadTarget, match=r"A class is a string, a number or a boolean"):
        Softmax("label", classes=[("a",), ("b",)])


def test_smoothing_and_focus_by_numpy():
    random = np.random.default_rng(3)
    p, target = random.dirichlet([1, 1, 1], 40), random.integers(0, 3, 40)
    for smoothing, gamma in ((0.1, 0.0), (0.0, 2.0), (0.2, 0.7)):
        loss = adapted(["a", "b", "c"], label_smoothing=smoothing, focal_gamma=gamma).default_loss()
        q = np.full(p.shape, smoothing / 3)
        q[np.arange(40), target] += 1 - smoothing
        expected = -(q * (1 - p) ** gamma * np.log(p)).sum(axis=1).mean()
        assert float(loss(target, p)) == pytest.approx(expected, rel=1e-4)
        twin = keras.losses.deserialize(keras.losses.serialize(loss))
        assert float(twin(target, p)) == float(loss(target, p))
    plain = adapted(["a", "b", "c"]).default_loss()
    smooth = adapted(["a", "b", "c"], label_smoothing=1e-12).default_loss()
    assert float(plain(target, p)) == pytest.approx(float(smooth(target, p)), rel=1e-5)


def test_options_are_checked():
    for options in ({"label_smoothing": 1.0}, {"label_smoothing": -0.1}, {"focal_gamma": -1.0}):
        with pytest.raises(
            InvalidArgument, match="Softmax takes a label_smoothing from 0 to below 1 and a finite focal"
        ):
            Softmax("label", **options)
    with pytest.raises(InvalidArgument, match=r"class_weight names classes, which are 'a', 'b'. Received: \['c'\]"):
        _ = adapted(["a", "b"], class_weight={"c": 2.0}).class_weights
    for weight in (-1.0, float("inf"), float("nan"), 1e31, "2"):
        with pytest.raises(InvalidArgument, match=r"A class's weight is a number, 0 at least and 1e\+30 at most"):
            Softmax("label", class_weight={"a": weight})
    with pytest.raises(InvalidArgument, match=r"Some class must weigh more than 0\. Received: class_weight="):
        _ = adapted(["a", "b"], class_weight={"a": 0.0, "b": 0}).class_weights
    with pytest.raises(InvalidArgument, match=r"Softmax has one target column. Received: \['a', 'b'\]"):
        Softmax(["a", "b"])


def test_decode_undoes_encode():
    for values in (["b", "a", "b"], [3, 1, 3], [True, False, True], [0.5, -1.0, 0.5]):
        head = adapted(values)
        assert head.decode(head.encode(pa.array(values))[0]).tolist() == values
