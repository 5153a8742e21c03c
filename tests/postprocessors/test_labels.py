"""Labels: classes by name, in the type that the target has."""

import numpy as np
import pytest

from blocks.classifiers import Softmax
from blocks.errors import InvalidArgument, NotAdapted
from blocks.postprocessors import Labels
from blocks.regressors import Mean

PROBABILITIES = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4], [0.1, 0.1, 0.8]], "float32")


@pytest.mark.parametrize(
    ("classes", "dtype"),
    [(["a", "b\n", "\x00"], object), ([10, -5, 1 << 40], np.int64), ([0.5, 1.5, 2.5], np.float64)],
    ids=str,
)
def test_names_the_likeliest_first_of_equal_ones(classes, dtype):
    answers = Labels(classes=classes)({"probabilities": PROBABILITIES, "other": PROBABILITIES})
    assert set(answers) == {"probabilities", "other", "label", "confidence"}
    assert np.array_equal(answers["confidence"], PROBABILITIES.max(axis=1))
    label = answers["label"].numpy()
    assert label.dtype == dtype
    expected = [classes[1], classes[0], classes[2]]
    assert [x.decode() if isinstance(x, bytes) else x for x in label.tolist()] == expected


def test_booleans():
    label = Labels(classes=[False, True])({"probabilities": PROBABILITIES[:, :2]})["label"].numpy()
    assert label.tolist() == [True, False, False]


def test_takes_the_heads_classes():
    block = Labels()
    with pytest.raises(NotAdapted, match=r"does not know the classes yet. Call model.adapt\(source\)"):
        block({"probabilities": PROBABILITIES})
    block.bind(Softmax("label", classes=["x", "y", "z"]))
    assert block({"probabilities": PROBABILITIES})["label"].numpy().tolist() == [b"y", b"x", b"z"]
    assert Labels.from_config(block.get_config()).get_config() == block.get_config()


def test_refuses_a_regressor():
    with pytest.raises(InvalidArgument, match=r"Labels works on a classifier's probabilities. Received: a Mean head"):
        Labels().bind(Mean("price"))
