"""Isotonic: the rising steps that make probabilities honest."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import AnswerChunk, Classifier, Postprocessor, State
from blocks.postprocessors.probabilities import probabilities_of, require_every_class
from blocks.statistics import Histogram, Statistic

MOST_VALUES = 1 << 22
"""Distinct probabilities that are held, of all classes together: 64 MiB."""


@keras.saving.register_keras_serializable(package="blocks")
class Isotonic(Postprocessor):
    """Replace a class's probability by its frequency: the non-decreasing function of least squared error.

    It is learned on held-out rows. Between the points of the function it is linear, and constant beyond them. With two
    classes the second's probability is calibrated and the first's is the rest; with more, each is calibrated against
    all others, and the results are divided by their sum (where all are 0, the probabilities stay as they were).
    Probabilities can become exactly 0 or 1. With fewer than about a thousand rows prefer `Temperature`.

    What is learned is exact up to 262,144 distinct probabilities of a class (fewer from 9 classes on: 4,194,304 over
    all); beyond, probabilities are rounded to a multiple of 1 / 65,536 (more coarsely from 33 classes on) before.

    Returns:
        The answers with `probabilities` replaced, float32 of shape (batch, classes).

    Source:
        Zadrozny and Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates, 2002; the
        steps are found by scikit-learn's pool of adjacent violators.

    Example:
        >>> from blocks.block import AnswerChunk
        >>> second = np.repeat([0.2, 0.4, 0.9], 4)
        >>> given = {"probabilities": np.stack([1 - second, second], axis=1)}
        >>> held_out = AnswerChunk(given, np.array([0, 0, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1]))
        >>> block = Isotonic().calibrate(held_out)
        >>> block({"probabilities": np.array([[0.7, 0.3]])})["probabilities"].numpy()
        array([[0.625, 0.375]], dtype=float32)
    """

    works_on = Classifier
    exclusive_classes = True
    needs = ("probabilities",)
    adds = ("probabilities",)
    least_rows = 10

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._restore({"given": np.array([[0.0, 1.0]]), "honest": np.array([[0.0, 1.0]])})

    def observe(self, statistics: dict[str, Statistic], chunk: AnswerChunk) -> None:
        """Add a chunk's weights by probability, of rows of each class and of all others.

        Raises:
            InvalidArgument: The probabilities are none.
        """
        given = probabilities_of(self, chunk)
        target, weights, classes = chunk.target, chunk.weights, given.shape[1]
        most = max(2, min(1 << 18, MOST_VALUES // (2 * classes)))
        # a rounded probability can be a last bit above 1
        given = np.minimum(given, 1.0)
        for index in range(classes) if classes > 2 else (1,):
            for name, rows in ((f"{index}", target == index), (f"not {index}", target != index)):
                histogram = statistics.setdefault(name, Histogram(most))
                histogram.update(pa.array(given[rows, index]), weights[rows])

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """Each calibrated class's points, the last repeated so that all have as many.

        Raises:
            EmptySource: A class has no row.
        """
        indices = sorted(int(name) for name in results if not name.startswith("not"))
        yes = [results[f"{index}"].result() for index in indices]
        no = [results[f"not {index}"].result() for index in indices]
        sides = yes if len(indices) > 1 else [no[0], yes[0]]
        require_every_class(self, np.array([side.weights.sum() for side in sides]))
        curves = [_steps(one, other) for one, other in zip(yes, no, strict=True)]
        most = max(2, *(len(given) for given, _ in curves))
        padded = [[np.pad(points, (0, most - len(points)), "edge") for points in curve] for curve in curves]
        return {"given": np.array([x for x, _ in padded]), "honest": np.array([y for _, y in padded])}

    def _restore(self, state: State) -> None:
        with tf.init_scope():
            any_shape = tf.TensorShape((None, None))
            self._given = tf.Variable(state["given"], trainable=False, shape=any_shape)
            self._honest = tf.Variable(state["honest"], trainable=False, shape=any_shape)

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The answers with calibrated probabilities, computed in float64."""
        given = tf.cast(inputs["probabilities"], tf.float64)
        if given.shape[-1] == 2:
            second = self._interpolated(given[:, 1:])
            honest = tf.concat([1.0 - second, second], axis=1)
        else:
            each = self._interpolated(given)
            sums = tf.reduce_sum(each, axis=1, keepdims=True)
            honest = tf.where(sums > 0, each / tf.where(sums > 0, sums, 1.0), given)
        return {**inputs, "probabilities": tf.ensure_shape(tf.cast(honest, tf.float32), given.shape)}

    def _interpolated(self, values: Any) -> Any:
        """Values (batch, calibrated classes) on the lines between the points, and on the ends beyond."""
        values = tf.transpose(values)
        above = tf.searchsorted(self._given, values, side="right")
        above = tf.clip_by_value(above, 1, tf.shape(self._given)[1] - 1)
        (x0, x1), (y0, y1) = (
            [tf.gather(points, place, batch_dims=1) for place in (above - 1, above)]
            for points in (self._given, self._honest)
        )
        share = tf.where(x1 > x0, (values - x0) / tf.where(x1 > x0, x1 - x0, 1.0), 1.0)
        return tf.transpose(y0 + (y1 - y0) * tf.clip_by_value(share, 0.0, 1.0))


def _steps(yes: Any, no: Any) -> tuple[np.ndarray, np.ndarray]:
    """The points of the non-decreasing frequencies: the ends of each step, by rising probability."""
    from sklearn.isotonic import isotonic_regression

    values, place = np.unique(np.concatenate([yes.values, no.values]), return_inverse=True)
    positive = np.bincount(place[: len(yes.values)], yes.weights, len(values))
    weight = positive + np.bincount(place[len(yes.values) :], no.weights, len(values))
    counted = weight > 0
    values, positive, weight = values[counted], positive[counted], weight[counted]
    found = isotonic_regression(positive / weight, sample_weight=weight, y_min=0.0, y_max=1.0)
    inner = np.zeros(len(found), bool)
    inner[1:-1] = (found[1:-1] == found[:-2]) & (found[1:-1] == found[2:])
    return values[~inner], found[~inner]
