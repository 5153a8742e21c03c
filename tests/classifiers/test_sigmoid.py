"""Sigmoid: labels in columns, lists and strings, against scikit-learn and NumPy."""

import keras
import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss
from sklearn.preprocessing import MultiLabelBinarizer

from blocks.classifiers import Sigmoid
from blocks.errors import BadTarget, InvalidArgument, SchemaMismatch

RANDOM = np.random.default_rng(0)
TAGS = [["red", "new"], [], ["new"], ["new", "new", "old"], None, ["old"]]
FLAGS = pa.array([{"a": True, "b": 0}, {"a": False, "b": 1}, {"a": None, "b": 1}, {"a": True, "b": 1}])


def test_lists_encode_as_scikit_learn_does(learned):
    head = learned(Sigmoid("tags"), pa.array(TAGS))
    encoded, usable = head.encode(pa.array(TAGS))
    there = [tags for tags in TAGS if tags is not None]
    assert head.classes == ["new", "old", "red"]
    assert encoded[usable].tolist() == MultiLabelBinarizer().fit_transform(there).tolist()
    assert usable.tolist() == [True, True, True, True, False, True]
    assert head.priors.tolist() == [3 / 5, 2 / 5, 1 / 5]  # a label that stands twice in a row counts once
    assert head.decode(encoded).tolist() == [["new", "red"], [], ["new"], ["new", "old"], [], ["old"]]


@pytest.mark.parametrize("kind", [pa.large_list(pa.string()), pa.list_(pa.dictionary(pa.int8(), pa.string()))], ids=str)
def test_lists_of_any_layout(learned, kind):
    head = learned(Sigmoid("tags"), pa.array(TAGS))
    whole, usable = head.encode(pa.array(TAGS))
    if pa.types.is_dictionary(kind.value_type):
        values = pa.array(["red", "new", "new", "new", "new", "old", "old"]).dictionary_encode()
        other = pa.ListArray.from_arrays(
            pa.array([0, 2, 2, 3, 6, 6, 7], pa.int32()), values, mask=pa.array([i == 4 for i in range(6)])
        )
    else:
        other = pa.array(TAGS, kind)
    for found, expected in zip(head.encode(other), (whole, usable), strict=True):
        assert (found == expected).all()
    assert (head.encode(other.slice(2, 3))[0] == whole[2:5]).all()


def test_strings_with_a_separator(learned):
    texts = pa.array(["red|new", "", "|new|", None, "old"])
    head = learned(Sigmoid("tags", separator="|"), texts)
    encoded, usable = head.encode(texts)
    assert head.classes == ["new", "old", "red"]
    assert encoded.tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert usable.tolist() == [True, True, True, False, True]
    coded = head.encode(texts.dictionary_encode())
    assert (coded[0] == encoded).all()
    assert head.encode(pa.array(["red|unseen", "red"]))[1].tolist() == [False, True]


def test_columns_of_booleans_and_numbers(learned):
    head = learned(Sigmoid(["a", "b"]), FLAGS)
    encoded, usable = head.encode(FLAGS)
    assert head.classes == ["a", "b"]
    assert usable.tolist() == [True, True, False, True]
    assert encoded[usable].tolist() == [[1, 0], [0, 1], [1, 1]]
    assert encoded.dtype == np.uint8
    assert head.decode(encoded[:1]).tolist() == [[True, False]]
    odd = pa.array([{"a": 0.0, "b": 2.0}, {"a": 1.0, "b": 1.0}])
    assert head.encode(odd)[1].tolist() == [False, True]
    assert head.exclusive is False


def test_the_loss_is_the_binary_cross_entropy(learned):
    head = learned(Sigmoid("tags"), pa.array(TAGS))
    truth, predicted = RANDOM.integers(0, 2, (50, 3)), RANDOM.uniform(0.01, 0.99, (50, 3))
    expected = np.mean([log_loss(truth[:, i], predicted[:, i], labels=[0, 1]) for i in range(3)])
    loss = head.default_loss()
    assert float(loss(truth, predicted)) == pytest.approx(expected, rel=1e-5)
    assert float(keras.losses.deserialize(keras.losses.serialize(loss))(truth, predicted)) == float(
        loss(truth, predicted)
    )


def test_smoothing_focus_and_weights_by_numpy(learned):
    head = learned(Sigmoid("tags", label_smoothing=0.2, focal_gamma=1.5, class_weight="balanced"), pa.array(TAGS))
    truth, p = RANDOM.integers(0, 2, (50, 3)), RANDOM.uniform(0.01, 0.99, (50, 3))
    q, weight = truth * 0.8 + 0.1, np.array([2 / 3, 3 / 2, 4 / 1])
    expected = -(weight * q * (1 - p) ** 1.5 * np.log(p) + (1 - q) * p**1.5 * np.log(1 - p))
    assert float(head.default_loss()(truth, p)) == pytest.approx(expected.mean(), rel=1e-5)
    named = learned(Sigmoid("tags", class_weight={"red": 3.0}), pa.array(TAGS))
    assert named.positive_weights.tolist() == [1.0, 1.0, 3.0]
    assert named.class_weights is None


def test_probabilities_are_found_again(learned, trained):
    features = RANDOM.normal(size=(4000, 2)).astype("float32")
    logits = np.stack([features[:, 0] - 1, 2 * features[:, 1]], axis=1)
    truth = RANDOM.random((4000, 2)) < 1 / (1 + np.exp(-logits))
    target = pa.StructArray.from_arrays([pa.array(truth[:, 0]), pa.array(truth[:, 1])], ["a", "b"])
    model, history = trained(learned(Sigmoid(["a", "b"]), target), features, target, steps=150)
    found = np.asarray(model(features))
    assert np.abs(found - 1 / (1 + np.exp(-logits))).mean() < 0.03
    assert history["accuracy"][-1] == pytest.approx(((found > 0.5) == truth).mean(), abs=0.02)


def test_errors_say_the_rule(learned):
    with pytest.raises(BadTarget, match=r"true of some rows and false of others. Received: 'a' with True alone"):
        learned(Sigmoid(["a", "b"]), FLAGS.slice(3))
    with pytest.raises(BadTarget, match=r"holds 0 and 1 or booleans. Received: 'a' with 1, 2 "):
        learned(Sigmoid(["a"]), pa.array([{"a": 1}, {"a": 2}]))
    with pytest.raises(BadTarget, match=r"labels hold 0 and 1 or booleans. Received: 'a' of type string"):
        Sigmoid(["a"], state=None).encode(pa.array([{"a": "x"}]))
    with pytest.raises(
        BadTarget, match=r"lists of strings or integers, or strings and a separator.*Sigmoid\(\['tags'\]\)"
    ):
        learned(Sigmoid("tags"), pa.array([0, 1]))
    with pytest.raises(BadTarget, match=r"'tags' with 0 distinct labels in 2 rows"):
        learned(Sigmoid("tags"), pa.array([[], []], pa.list_(pa.string())))
    with pytest.raises(InvalidArgument, match=r"separator and classes are for one column"):
        Sigmoid(["a", "b"], separator="|")
    with pytest.raises(InvalidArgument, match=r"label_smoothing from 0 to below 1"):
        Sigmoid("tags", label_smoothing=1.0)
    with pytest.raises(InvalidArgument, match=r"class_weight names classes, which are 'a', 'b'. Received: \['c'\]"):
        _ = Sigmoid("tags", classes=["a", "b"], class_weight={"c": 1.0}).positive_weights
    with pytest.raises(SchemaMismatch, match=r"has classes of type string"):
        Sigmoid("tags", classes=["a", "b"]).encode(pa.array([[1]]))
    with pytest.raises(BadTarget, match=r"Every row needs labels that were seen in training.*'tags' = 'z'"):
        Sigmoid("tags", separator="|", classes=["a", "b"]).encode_rows(pa.record_batch({"tags": ["a", "z"]}))
