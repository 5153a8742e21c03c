"""Ordinal: one of several classes that stand in an order."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from blocks.block import Classifier, State
from blocks.block.precision import wide
from blocks.classifiers.losses import ClassLoss, check_loss
from blocks.classifiers.rank_error import RankError
from blocks.errors import BadTarget
from blocks.statistics import Statistic
from blocks.targets.classes import class_names


@keras.saving.register_keras_serializable(package="blocks", name="OrdinalClassifier")  # Ordinal is a preprocessor
class Ordinal(Classifier):
    """A probability for each class of an ordered target: one score against thresholds (proportional odds).

    `P(class <= j) = sigmoid(threshold_j - score)`: the score is linear in the representation, so that all thresholds
    share it, and moves probability along the order. Thresholds are a first one and positive steps from it: they cannot
    cross, and every probability is positive. They start where a score of 0 gives each class its share of the rows.

    The loss is the cross-entropy; the metrics, `accuracy` and `rank_error`, the mean distance, in ranks, of the
    likeliest class from the true one.

    Args:
        target: Name of the target column: strings, integers, booleans, or floats.
        classes: The classes, lowest first. Needed for strings; of numbers, the distinct ones in ascending order are
            learned.
        class_weight: As of `Softmax`.
        label_smoothing: As of `Softmax`.
        focal_gamma: As of `Softmax`.
        sample_weight: Name of a column of non-negative weights, or None.
        on_bad_target: "error" or "skip", for rows whose target is missing or unseen.
        state: What an earlier `adapt` learned.

    Returns:
        `probabilities`, float32 of shape (batch, classes), lowest class first.

    Raises:
        BadTarget: At `adapt`, when fewer than two classes are there, more than 10,000, or strings without `classes`.

    Parameters: width + classes - 1.

    Example:
        >>> from blocks import classifiers
        >>> head = classifiers.Ordinal("size", classes=["small", "medium", "large"])
        >>> float(head(np.zeros((1, 4), "float32")).numpy().sum().round(6))
        1.0

    Source: McCullagh, "Regression Models for Ordinal Data" (1980); Cao, Mirjalili, Raschka, "Rank Consistent Ordinal
        Regression for Neural Networks" (2020), one score shared by all thresholds.
    """

    def __init__(
        self,
        target: str,
        *,
        classes: Sequence[Any] | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        label_smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        sample_weight: str | None = None,
        on_bad_target: str = "error",
        state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            target,
            classes=classes,
            class_weight=class_weight,
            sample_weight=sample_weight,
            on_bad_target=on_bad_target,
            state=state,
            **kwargs,
        )
        check_loss("Ordinal", label_smoothing, focal_gamma)
        self._smoothing = float(label_smoothing)
        self._gamma = float(focal_gamma)

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The classes, lowest first, and their counts.

        Raises:
            BadTarget: Their number, or strings whose order is not given.
        """
        state = super().learn(results)
        if self._given is None and isinstance(class_names(state)[0], str):
            raise BadTarget(
                f"The order of an ordinal target's strings must be given. Received: {self.target!r} with "
                f"{class_names(state)[:5]} and no classes. Ordinal({self.target!r}, classes=[lowest, ..., highest])."
            )
        return state

    def build(self, input_shape: Any) -> None:
        """Make score and thresholds, the classes being known.

        Raises:
            NotAdapted: They are not.
        """
        self.require_adapted()
        counts = self.state["counts"] + 1.0  # none may have a share of 0
        below = np.cumsum(counts)[:-1] / counts.sum()
        thresholds = np.log(below / (1 - below))
        steps = np.log(np.expm1(np.diff(thresholds)))
        self.score = self.dense(1, input_shape, use_bias=False)
        self.first = self._weight("first", thresholds[:1])
        self.steps = self._weight("steps", steps)
        self.built = True

    def _weight(self, name: str, values: np.ndarray) -> Any:
        # not cast to the precision of the layers: steps between thresholds would be lost
        return self.add_weight(
            values.shape,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(values, dtype),
            name=name,
            autocast=False,
        )

    @property
    def thresholds(self) -> Any:
        """Where the score passes from one class to the next, ascending, float32 (classes - 1,)."""
        steps = ops.softplus(ops.cast(self.steps, "float32"))
        return ops.cumsum(ops.concatenate([ops.cast(self.first, "float32"), steps]))

    def call(self, inputs: Any) -> Any:
        """Probabilities in float32, whatever the precision before."""
        apart = self.thresholds - ops.cast(self.score(inputs), "float32")
        low, high = apart[:, :-1], apart[:, 1:]
        # sigmoid(high) - sigmoid(low), with all digits where both are close to 0 or 1
        middle = ops.sigmoid(high) * ops.sigmoid(-low) * -ops.expm1(low - high)
        return ops.concatenate([ops.sigmoid(apart[:, :1]), middle, ops.sigmoid(-apart[:, -1:])], axis=-1)

    def compute_output_spec(self, inputs: Any) -> Any:
        """(batch, classes), float32."""
        return keras.KerasTensor((inputs.shape[0], len(self.classes)), "float32")

    def default_loss(self) -> keras.losses.Loss:
        """The cross-entropy."""
        return ClassLoss(self._smoothing, self._gamma)

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """The accuracy, and the mean distance in ranks."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy", dtype=wide()), RankError(name="rank_error")]

    def answer(self, predictions: Any) -> dict[str, Any]:
        """The probabilities."""
        return {"probabilities": predictions}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "label_smoothing": self._smoothing, "focal_gamma": self._gamma}
