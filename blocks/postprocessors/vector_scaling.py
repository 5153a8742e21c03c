"""VectorScaling: a scale and a bias for each class that make probabilities honest."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import AnswerChunk, Classifier, Postprocessor, State
from blocks.postprocessors.probabilities import TINY, probabilities_of, require_every_class, rows_of
from blocks.statistics import RowSample, Statistic

MOST_ROWS = 1 << 18
MOST_CELLS = 1 << 23
"""What is held for the optimum: at most so many rows, and so many numbers."""

BOUND = 50.0
"""Scales and biases stay within this of 0, also where the loss has no minimum."""


@keras.saving.register_keras_serializable(package="blocks")
class VectorScaling(Postprocessor):
    """Scale and shift the logits, class by class: `softmax(scale * log(p) + bias)`.

    `calibrate` finds the scales and biases of the least log loss on held-out rows, by L-BFGS from scale 1 and bias 0.
    The optimum has no statistic of fixed size, so the rows are held: all, up to 262,144 (fewer from 32 classes on:
    64 MiB), and beyond that a uniform sample of so many, the same on every run. Unlike `Temperature` it can change the
    label; with few rows a class, prefer that.

    Returns:
        The answers with `probabilities` replaced, float32 of shape (batch, classes).

    Source:
        Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017 (arXiv 1706.04599).

    Example:
        >>> from blocks.block import AnswerChunk
        >>> held_out = AnswerChunk({"probabilities": np.array([[0.9, 0.1]] * 10)}, np.array([0] * 7 + [1] * 3))
        >>> block = VectorScaling().calibrate(held_out)
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
        self._restore({"scale": np.ones(1), "bias": np.zeros(1)})

    def observe(self, statistics: dict[str, Statistic], chunk: AnswerChunk) -> None:
        """Add a chunk's logits and targets.

        Raises:
            InvalidArgument: The probabilities are none.
        """
        logits = np.log(np.maximum(probabilities_of(self, chunk), TINY))
        width = logits.shape[1] + 1
        sample = statistics.setdefault("rows", RowSample(width, min(MOST_ROWS, MOST_CELLS // width)))
        weights = None if chunk.weight is None else chunk.weights
        sample.update(rows_of(np.column_stack([logits, chunk.target])), weights)

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The scales and biases at the optimum over the rows that are held.

        Raises:
            EmptySource: A class has no row.
        """
        sample = results["rows"].result()
        logits, target = sample.values[:, :-1], sample.values[:, -1].astype(np.int64)
        require_every_class(self, np.bincount(target, sample.weights, logits.shape[1]))
        scale, bias = _optimum(logits, target, sample.weights)
        return {"scale": scale, "bias": bias}

    def _restore(self, state: State) -> None:
        with tf.init_scope():
            self._scale = tf.Variable(state["scale"], trainable=False)
            self._bias = tf.Variable(state["bias"], trainable=False)

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The answers with calibrated probabilities, computed in float64."""
        logits = tf.math.log(tf.maximum(tf.cast(inputs["probabilities"], tf.float64), TINY))
        calibrated = tf.nn.softmax(self._scale * logits + self._bias, axis=-1)
        return {**inputs, "probabilities": tf.cast(calibrated, tf.float32)}


def _optimum(logits: np.ndarray, target: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale and bias (classes,) of the least weighted log loss; the biases sum to 0."""
    from scipy.optimize import minimize

    rows, classes = logits.shape
    weight = weight / weight.sum()
    chosen = np.zeros((rows, classes))
    chosen[np.arange(rows), target] = 1.0

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scale, bias = np.split(parameters, 2)
        scaled = logits * scale + bias
        scaled -= scaled.max(axis=1, keepdims=True)
        sums = np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        error = (np.exp(scaled - sums) - chosen) * weight[:, None]
        value = weight @ (sums[:, 0] - scaled[np.arange(rows), target])
        return float(value), np.concatenate([(error * logits).sum(axis=0), error.sum(axis=0)])

    start = np.concatenate([np.ones(classes), np.zeros(classes)])
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(-BOUND, BOUND)] * (2 * classes),
        options={"maxiter": 2000, "maxfun": 5000, "ftol": 1e-14, "gtol": 1e-9},
    ).x  # fmt: skip
    scale, bias = np.split(found, 2)
    return scale, bias - bias.mean()
