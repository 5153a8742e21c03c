"""Temperature: one number that makes probabilities honest."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import AnswerChunk, Classifier, Postprocessor, State
from blocks.postprocessors.probabilities import TINY, probabilities_of, rows_of
from blocks.statistics import Statistic, Totals

GRID = np.geomspace(0.02, 50.0, 129)
"""Inverse temperatures at which the loss's slope is summed up."""


@keras.saving.register_keras_serializable(package="blocks")
class Temperature(Postprocessor):
    """Divide the logits by one learned temperature: `softmax(log(p) / T)`.

    The order of the classes, and so the label, does not change. `calibrate` finds the T of the least log loss on
    held-out rows; before it, T is 1 and nothing changes. The loss is convex in 1 / T: its slope and curvature are
    summed up at 129 inverse temperatures from 1/50 to 50, whatever the number of rows, and the root of the slope is
    found by cubic Hermite interpolation between two of them.

    Returns:
        The answers with `probabilities` replaced, float32 of shape (batch, classes).

    Source:
        Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017 (arXiv 1706.04599).

    Example:
        >>> from blocks.block import AnswerChunk
        >>> held_out = AnswerChunk({"probabilities": np.array([[0.9, 0.1]] * 10)}, np.array([0] * 7 + [1] * 3))
        >>> block = Temperature().calibrate(held_out)
        >>> block({"probabilities": np.array([[0.9, 0.1]])})["probabilities"].numpy().round(3)
        array([[0.7, 0.3]], dtype=float32)
    """

    works_on = Classifier
    exclusive_classes = True
    needs = ("probabilities",)
    adds = ("probabilities",)
    least_rows = 10

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.restore({"temperature": np.asarray(1.0)})

    @property
    def temperature(self) -> float:
        """The learned temperature; above 1 the probabilities were too bold."""
        return float(self.state["temperature"])

    def statistics(self) -> dict[str, Statistic]:
        """Slopes and curvatures of the loss at every inverse temperature."""
        return {"loss": Totals(2 * len(GRID))}

    def observe(self, statistics: dict[str, Statistic], chunk: AnswerChunk) -> None:
        """Add a chunk's slopes and curvatures.

        Raises:
            InvalidArgument: The probabilities are none.
        """
        logits = np.log(np.maximum(probabilities_of(self, chunk), TINY))
        weights = chunk.weights
        chosen = logits[np.arange(len(logits)), chunk.target]
        slopes, curvatures = np.empty(len(GRID)), np.empty(len(GRID))
        for i, beta in enumerate(GRID):
            scaled = np.exp(beta * (logits - logits.max(axis=1, keepdims=True)))
            share = scaled / scaled.sum(axis=1, keepdims=True)
            mean = (share * logits).sum(axis=1)
            slopes[i] = weights @ (mean - chosen)
            curvatures[i] = weights @ ((share * logits**2).sum(axis=1) - mean**2)
        statistics["loss"].update(rows_of(np.concatenate([slopes, curvatures])[None]))

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The temperature at the optimum over what was observed."""
        slopes, curvatures = np.split(results["loss"].result().sums, 2)
        return {"temperature": np.asarray(1.0 / _root(slopes, curvatures))}

    def _restore(self, state: State) -> None:
        with tf.init_scope():
            self._temperature = tf.Variable(state["temperature"], trainable=False)

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The answers with calibrated probabilities, computed in float64."""
        logits = tf.math.log(tf.maximum(tf.cast(inputs["probabilities"], tf.float64), TINY))
        calibrated = tf.nn.softmax(logits / self._temperature, axis=-1)
        return {**inputs, "probabilities": tf.cast(calibrated, tf.float32)}


def _root(slopes: np.ndarray, curvatures: np.ndarray) -> float:
    """The inverse temperature at which an increasing slope crosses 0, between the grid's ends."""
    above = int(np.searchsorted(slopes > 0, True))
    if above in (0, len(GRID)):
        return float(GRID[0 if above == 0 else -1])
    (left, right), (s0, s1), (c0, c1) = (x[above - 1 : above + 1] for x in (GRID, slopes, curvatures))
    width = right - left
    cubic = np.polynomial.Polynomial(
        [s0, c0 * width, 3 * (s1 - s0) - (2 * c0 + c1) * width, 2 * (s0 - s1) + (c0 + c1) * width]
    )
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if cubic(middle) <= 0 else (low, middle)
    return float(left + width * low)
