"""TopK, Abstain, Clip, Round, Units; and chains of postprocessors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from blocks import preprocessors
from blocks.classifiers import Softmax
from blocks.errors import InvalidArgument
from blocks.postprocessors import Abstain, Clip, ConformalInterval, Labels, Round, TopK, Units
from blocks.regressors import Mean

PROBABILITIES = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4], [0.1, 0.1, 0.8]], "float32")
ANSWERS = {
    "prediction": np.array([-1.26, 2.5, 7.0]),
    "quantiles": np.array([[-2.0, -1.0], [2.0, 3.0], [6.0, 9.0]]),
    "low": np.array([-2.21, 1.9, 6.0]),
    "high": np.array([-0.21, 3.1, 9.0]),
    "standard_deviation": np.array([1.0, 2.0, 3.0]),
    "other": np.array([1.0, 2.0, 3.0]),
}


def called(block, answers):
    return {name: value.numpy() for name, value in block({n: tf.constant(v) for n, v in answers.items()}).items()}


def test_top_k():
    answers = called(TopK(2, classes=["a", "b", "c"]), {"probabilities": PROBABILITIES})
    assert answers["top_labels"].tolist() == [[b"b", b"c"], [b"a", b"c"], [b"c", b"a"]]
    assert np.array_equal(answers["top_probabilities"], np.sort(PROBABILITIES)[:, :0:-1])
    block = TopK(2)
    block.bind(Softmax("y", classes=[7, 8]))
    assert called(block, {"probabilities": PROBABILITIES[:, :2]})["top_labels"].tolist() == [[8, 7], [7, 8], [7, 8]]
    with pytest.raises(InvalidArgument, match=r"k is at most the number of classes. Received: k=2 of 1 classes"):
        TopK(2, classes=["a"])
    with pytest.raises(InvalidArgument, match=r"TopK's k must be a whole number, at least 1. Received: 0"):
        TopK(0)
    with pytest.raises(InvalidArgument, match=r"TopK works on a classifier's probabilities. Received: a Mean head"):
        TopK().bind(Mean("y"))


def test_abstain():
    given = {"probabilities": PROBABILITIES, "set_size": np.array([1, 2, 0], "int32")}
    assert called(Abstain(0.5), given)["abstain"].tolist() == [False, True, False]
    assert called(Abstain(max_set_size=1), given)["abstain"].tolist() == [False, True, True]
    assert called(Abstain(0.6, max_set_size=2), given)["abstain"].tolist() == [True, True, True]
    confident = {**given, "confidence": np.array([0.4, np.nan, 0.9], "float32")}
    assert called(Abstain(0.5), confident)["abstain"].tolist() == [True, True, False]
    for arguments in ({}, {"confidence": 1.5}, {"max_set_size": 0}):
        with pytest.raises(InvalidArgument, match="Abstain"):
            Abstain(**arguments)


def test_clip_round_and_units_change_points_alone():
    clipped = called(Clip(0, 5), ANSWERS)
    assert clipped["prediction"].tolist() == [0.0, 2.5, 5.0]
    assert clipped["quantiles"].tolist() == [[0.0, 0.0], [2.0, 3.0], [5.0, 5.0]]
    rounded = called(Round(1), ANSWERS)
    assert rounded["prediction"].tolist() == [-1.3, 2.5, 7.0]
    assert rounded["low"].tolist() == [-2.3, 1.9, 6.0]
    assert rounded["high"].tolist() == [-0.2, 3.1, 9.0]
    assert called(Round(), ANSWERS)["prediction"].tolist() == [-1.0, 2.0, 7.0]
    assert called(Round(-1), {"prediction": np.array([14.0, 16.0])})["prediction"].tolist() == [10.0, 20.0]
    assert called(Round(3), {"prediction": np.array([1e300, np.inf])})["prediction"].tolist() == [1e300, np.inf]
    turned = called(Units(-2.0, 1.0, "USD"), ANSWERS)
    assert np.allclose(turned["prediction"], 1 - 2 * ANSWERS["prediction"])
    assert np.allclose(turned["low"], 1 - 2 * ANSWERS["high"])
    assert np.allclose(turned["high"], 1 - 2 * ANSWERS["low"])
    assert (np.diff(turned["quantiles"]) > 0).all()
    assert turned["standard_deviation"].tolist() == [2.0, 4.0, 6.0]
    for answers in (clipped, rounded, turned):
        assert set(answers) == set(ANSWERS)
        assert np.array_equal(answers["other"], ANSWERS["other"])
        assert answers["prediction"].dtype == np.float64
    for make in (lambda: Clip(), lambda: Clip(2, 1), lambda: Round(0.5), lambda: Units(0), lambda: Units(1, np.nan)):
        with pytest.raises(InvalidArgument, match="Received"):
            make()
    for block in (Clip(0), Round(), Units(2.0)):
        with pytest.raises(InvalidArgument, match=r"works on a regressor's predictions. Received: a Softmax head"):
            block.bind(Softmax("y"))


@pytest.mark.parametrize(("post", "pre"), [(Clip(0), preprocessors.Clip(0)), (Round(2), preprocessors.Round(1))])
def test_a_reload_tells_it_from_the_preprocessor_of_its_name(post, pre):
    for block in (post, pre):
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(block))
        assert type(again) is type(block)
        assert again.get_config() == block.get_config()
    names = {keras.saving.get_registered_name(type(block)) for block in (post, pre)}
    assert len(names) == 2


def test_a_block_says_what_it_needs_and_adds():
    names = {"probabilities"}
    for block in (Labels(), Abstain(0.5)):
        names = block.after(names)
    assert names == {"probabilities", "label", "confidence", "abstain"}
    with pytest.raises(
        InvalidArgument, match=r"Abstain needs 'set_size' among the answers that reach it. Received: 'p"
    ):
        Abstain(max_set_size=1).after({"probabilities"})
    with pytest.raises(InvalidArgument, match=r"Abstain needs 'confidence' or 'probabilities'.*Received: 'prediction'"):
        Abstain(0.5)({"prediction": np.zeros(2)})
    with pytest.raises(InvalidArgument, match=r"needs 'quantiles' or 'prediction' .* Received: none"):
        ConformalInterval().after(())
