"""ConformalSet: the classes that hold the truth so often."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import AnswerChunk, Classifier, Postprocessor, State
from blocks.postprocessors.coverage import checked_coverage, quantile_of
from blocks.postprocessors.probabilities import probabilities_of
from blocks.statistics import Quantiles, Statistic

SKETCH = 4096


@keras.saving.register_keras_serializable(package="blocks")
class ConformalSet(Postprocessor):
    """Add `prediction_set`, classes that hold the truth for a share `coverage` of new rows, and `set_size`.

    Adaptive prediction sets: classes are taken by falling probability while the probability of those before is at most
    a threshold, so rows that are hard to tell get more classes. A class's score is the probability of all likelier
    ones; the threshold is the ceil((n + 1) coverage)-th smallest score of the true classes of n held-out rows. Rows
    being exchangeable, the coverage then lies between `coverage` and `coverage` + 1 / (n + 1), over rows (not for each
    class or group), whatever the model; equal scores can only raise it.

    Nothing is random, here or when served: where the method's paper breaks ties by chance, the likeliest class, whose
    score would be 0 for every row, has its negated probability as the score. So a model that is right more often than
    `coverage` gives empty sets to the rows that it is least sure of: that is what holds the coverage. With
    `allow_empty=False` the likeliest class is always in, and coverage is at least as asked for.

    Scores are exact up to 262,144 held-out rows; beyond, the threshold's rank is off by about 0.1% of them at most.
    Sample weights are not used: the promise counts rows.

    Args:
        coverage: The share, between 0 and 1. Calibration takes coverage / (1 - coverage) rows at least (9 for 0.9);
            a thousand for a coverage that varies by about a point.
        allow_empty: Whether a set may be empty.

    Returns:
        The answers, `prediction_set`, bool of shape (batch, classes), and `set_size`, int32 of shape (batch,).

    Source:
        Romano, Sesia and Candes, Classification with Valid and Adaptive Coverage, 2020 (arXiv 2006.02544), without its
        randomisation.

    Example:
        >>> from blocks.block import AnswerChunk
        >>> answers = {"probabilities": np.array([[0.6, 0.3, 0.1]] * 10)}
        >>> block = ConformalSet(0.8).calibrate(AnswerChunk(answers, np.array([0] * 6 + [1] * 3 + [2])))
        >>> block({"probabilities": np.array([[0.5, 0.2, 0.3]])})["prediction_set"].numpy()
        array([[ True, False,  True]])
    """

    works_on = Classifier
    exclusive_classes = True
    needs = ("probabilities",)
    adds = ("prediction_set", "set_size")

    def __init__(self, coverage: float = 0.9, *, allow_empty: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.coverage = checked_coverage(self, coverage)
        self.allow_empty = bool(allow_empty)
        self._restore({"score": np.asarray(math.nan)})

    def statistics(self) -> dict[str, Statistic]:
        """The scores of the true classes."""
        return {"scores": Quantiles(SKETCH)}

    def observe(self, statistics: dict[str, Statistic], chunk: AnswerChunk) -> None:
        """Add a chunk's scores.

        Raises:
            InvalidArgument: The probabilities are none.
        """
        probabilities_of(self, chunk)
        scores = _scores(tf.constant(chunk.answers["probabilities"])).numpy()
        statistics["scores"].update(pa.array(scores[np.arange(len(scores)), chunk.target]))

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The threshold.

        Raises:
            EmptySource: There are fewer rows than the coverage takes.
        """
        return {"score": np.asarray(quantile_of(self, results["scores"].result(), self.coverage))}

    def _restore(self, state: State) -> None:
        with tf.init_scope():
            self._score = tf.Variable(state["score"], trainable=False)

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The answers, `prediction_set` and `set_size`."""
        scores = _scores(inputs["probabilities"])
        chosen = scores <= self._score
        if not self.allow_empty:
            chosen = tf.logical_or(chosen, scores < 0)
        return {**inputs, "prediction_set": chosen, "set_size": tf.reduce_sum(tf.cast(chosen, tf.int32), axis=-1)}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "coverage": self.coverage, "allow_empty": self.allow_empty}


def _scores(probabilities: Any) -> Any:
    """Each class's score, float64 (batch, classes): what is likelier, or its own probability negated for the first."""
    exact = tf.cast(probabilities, tf.float64)
    order = tf.argsort(exact, direction="DESCENDING", stable=True)
    falling = tf.gather(exact, order, batch_dims=1)
    before = tf.cumsum(falling, axis=-1, exclusive=True)
    before = tf.concat([-falling[:, :1], before[:, 1:]], axis=-1)
    return tf.gather(before, tf.argsort(order, stable=True), batch_dims=1)
