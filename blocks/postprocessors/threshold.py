"""Threshold: the label that is worth most, rather than the likeliest."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import AnswerChunk, Classifier, Head, Postprocessor, State
from blocks.errors import InvalidArgument
from blocks.postprocessors.class_tensors import classes_of, names_of
from blocks.postprocessors.decision_metrics import METRICS, best_threshold, best_weights, gain_of
from blocks.postprocessors.probabilities import position, probabilities_of, require_every_class, rows_of
from blocks.statistics import Histogram, RowSample, Statistic

MOST_ROWS = 1 << 18
MOST_CELLS = 1 << 21
"""Rows that are held for more than two classes, and numbers."""


@keras.saving.register_keras_serializable(package="blocks")
class Threshold(Postprocessor):
    """Add `label` and `confidence`, its probability, for the decision that maximises a metric or costs least.

    By `metric`, two classes: the positive one is called when its probability is at least a threshold, the best on
    held-out rows; exact up to 262,144 distinct probabilities, and with probabilities rounded to a multiple of
    1 / 65,536 beyond. More classes: the largest product of probability and a learned factor of the class is called; the
    factors are a local optimum over at most 262,144 rows (fewer from 8 classes on: 2,097,152 numbers are held), a
    uniform sample beyond.

    By `cost`: the label of the least expected cost, `argmin(p @ cost)`. It follows from the probabilities alone and is
    the best there is when they are honest, so put `Temperature` or `Isotonic` before; nothing is calibrated. With two
    classes that is a threshold too, and `learn=True` finds the one of the least cost on held-out rows instead, which
    needs hundreds of rows of the rarer class to be better.

    Args:
        metric: "accuracy", "balanced_accuracy", "f1" (the positive class's; with more than two, the mean over classes)
            or "youden" (sensitivity plus specificity minus 1).
        cost: In place of a metric: `cost[i][j]` of calling a row of class i class j, in the order of the head's
            `classes`. A gain is a negative cost.
        learn: With a cost and two classes: whether to learn the threshold.
        positive: Of two classes, the one that `threshold` is of; the second unless given.
        classes: The classes in the order of the probabilities; `blocks.Model` binds them.

    Returns:
        The answers, `label` of shape (batch,) as the target has it, `confidence`, float32 (batch,), and with two
        classes `threshold`, float32 (batch,): the probability from which on the positive class is called.

    Source:
        Elkan, The Foundations of Cost-Sensitive Learning, 2001, for the costs.

    Example:
        >>> block = Threshold(cost=[[0, 1], [9, 0]], classes=["fine", "ill"])
        >>> block.threshold
        0.1
        >>> block({"probabilities": tf.constant([[0.8, 0.2]])})["label"].numpy()
        array([b'ill'], dtype=object)
    """

    works_on = Classifier
    exclusive_classes = True
    needs = ("probabilities",)
    least_rows = 10

    def __init__(
        self,
        metric: str | None = None,
        *,
        cost: Sequence[Sequence[float]] | None = None,
        learn: bool = False,
        positive: Any = None,
        classes: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (metric is None) == (cost is None):
            raise InvalidArgument(f"Threshold takes a metric or a cost matrix. Received: metric={metric!r}, {cost=!r}.")
        if metric is not None and metric not in METRICS:
            raise InvalidArgument(f"Threshold's metric is one of {', '.join(METRICS)}. Received: {metric!r}.")
        if learn and cost is None:
            raise InvalidArgument("learn is for a cost: by a metric, Threshold always learns. Received: learn=True.")
        self.metric = metric
        self.cost = None if cost is None else _checked_cost(cost)
        self.learn_threshold = bool(learn)
        self.positive = positive
        self._classes: tuple[Any, ...] | None = None
        self._restore({})
        if classes is not None:
            self._take(tuple(classes))

    def bind(self, head: Head) -> None:
        """Take the head's classes.

        Raises:
            InvalidArgument: The head is no classifier, or its classes do not fit the cost or `positive`.
        """
        super().bind(head)
        classes = classes_of(head)
        if classes is not None:
            self._take(classes)

    def _take(self, classes: tuple[Any, ...]) -> None:
        if self.cost is not None and len(self.cost) != len(classes):
            raise InvalidArgument(
                f"Threshold's cost has a row and a column for each class. Received: {len(self.cost)} rows for "
                f"{len(classes)} classes, {list(classes)!r}."
            )
        if len(classes) > 2 and (self.learn_threshold or self.positive is not None):
            raise InvalidArgument(
                f"Threshold's learn=True and positive are for two classes. Received: {len(classes)} classes, "
                f"{list(classes)!r}. Leave them out."
            )
        if self.positive is not None:
            position(self, self.positive, classes)
        self._classes = classes

    @property
    def adds(self) -> tuple[str, ...]:  # type: ignore[override]  # known from the classes
        """`label`, `confidence`, and with two classes `threshold`."""
        return ("label", "confidence", *(("threshold",) if self._classes and len(self._classes) == 2 else ()))

    @property
    def calibrates(self) -> bool:
        """Whether the decision is learned: always by a metric, on request by a cost."""
        return self.cost is None or self.learn_threshold

    @property
    def threshold(self) -> float:
        """The probability from which on the positive one of two classes is called.

        Raises:
            NotAdapted: It is not known yet.
            InvalidArgument: There are more classes than two.
        """
        if self._classes is not None and len(self._classes) > 2:
            raise InvalidArgument(f"A threshold is of two classes. Received: {len(self._classes)}.")
        if not self.calibrates:
            return self._analytic()
        self.require_adapted()
        return float(self.state["threshold"])

    @property
    def _positive(self) -> int:
        if self.positive is None:
            return 1
        names_of(self, self._classes)
        return position(self, self.positive, self._classes or ())

    def _analytic(self) -> float:
        """The probability at which both labels of two cost the same."""
        assert self.cost is not None
        yes = self._positive
        alarm = self.cost[1 - yes, yes] - self.cost[1 - yes, 1 - yes]
        miss = self.cost[yes, 1 - yes] - self.cost[yes, yes]
        return float(alarm / (alarm + miss))

    # -- learning ----------------------------------------------------------------------------------------------------

    def observe(self, statistics: dict[str, Statistic], chunk: AnswerChunk) -> None:
        """Add a chunk: with two classes the weights by probability, with more the rows.

        Raises:
            InvalidArgument: The probabilities are none.
        """
        probabilities, target, weights = probabilities_of(self, chunk), chunk.target, chunk.weights
        if probabilities.shape[1] > 2:
            width = probabilities.shape[1] + 1
            sample = statistics.setdefault("rows", RowSample(width, min(MOST_ROWS, MOST_CELLS // width)))
            sample.update(rows_of(np.column_stack([probabilities, target])), weights)
            return
        yes = self._positive
        values = np.minimum(probabilities[:, yes], 1.0)
        for name, rows in (("no", target != yes), ("yes", target == yes)):
            statistics.setdefault(name, Histogram()).update(pa.array(values[rows]), weights[rows])

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The threshold, or with more than two classes the factors, of the best decision on what was observed.

        Raises:
            EmptySource: A class has no row.
        """
        if "rows" in results:
            sample = results["rows"].result()
            probabilities, target = sample.values[:, :-1], sample.values[:, -1].astype(np.int64)
            require_every_class(self, np.bincount(target, sample.weights, probabilities.shape[1]))
            assert self.metric is not None
            return {"factors": best_weights(probabilities, target, sample.weights, METRICS[self.metric])}
        no, yes = results["no"].result(), results["yes"].result()
        order = [no, yes] if self._positive == 1 else [yes, no]
        require_every_class(self, np.array([side.weights.sum() for side in order]))
        values, place = np.unique(np.concatenate([no.values, yes.values]), return_inverse=True)
        first = np.bincount(place[: len(no.values)], no.weights, len(values))
        second = np.bincount(place[len(no.values) :], yes.weights, len(values))
        if self.metric is not None:
            metric = METRICS[self.metric]
        else:
            assert self.cost is not None
            metric = gain_of(self.cost if self._positive == 1 else self.cost[::-1, ::-1])
        return {"threshold": np.asarray(best_threshold(values, first, second, metric))}

    def _restore(self, state: State) -> None:
        with tf.init_scope():
            self._threshold = tf.Variable(state.get("threshold", np.asarray(0.5)), trainable=False)
            self._factors = tf.Variable(state.get("factors", np.ones(1)), trainable=False)

    # -- use ---------------------------------------------------------------------------------------------------------

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The answers and the decision."""
        names = names_of(self, self._classes)
        probabilities = inputs["probabilities"]
        exact = tf.cast(probabilities, tf.float64)
        more: dict[str, Any] = {}
        if probabilities.shape[-1] == 2:
            yes = self._positive
            threshold = self._threshold if self.calibrates else tf.constant(self._analytic(), tf.float64)
            best = tf.where(exact[:, yes] >= threshold, yes, 1 - yes)
            more["threshold"] = tf.cast(tf.zeros_like(exact[:, yes]) + threshold, tf.float32)
        elif self.cost is not None:
            best = tf.argmin(exact @ tf.constant(self.cost), axis=-1)
        else:
            best = tf.argmax(exact * self._factors, axis=-1)
        confidence = tf.cast(tf.gather(probabilities, best, batch_dims=1), tf.float32)
        return {**inputs, "label": tf.gather(names, best), "confidence": confidence, **more}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "metric": self.metric,
            "cost": None if self.cost is None else self.cost.tolist(),
            "learn": self.learn_threshold,
            "positive": self.positive,
            "classes": None if self._classes is None else list(self._classes),
        }


def _checked_cost(cost: Sequence[Sequence[float]]) -> np.ndarray:
    try:
        matrix = np.array(cost, np.float64)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2 or not np.isfinite(matrix).all():
        raise InvalidArgument(
            f"Threshold's cost is a square matrix of finite numbers, cost[actual][called]. Received: {cost!r}."
        )
    right = np.diag(matrix)[:, None]
    if (matrix < right).any() or (matrix <= right).all(axis=1).any():
        raise InvalidArgument(
            "In Threshold's cost[actual][called] no wrong label costs less than the right one, and one at least of "
            f"each row costs more. Received: {cost!r}."
        )
    return matrix
