"""What regressors by a Tweedie deviance share, Poisson's among them: all but their power."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
import pyarrow as pa
from keras import ops

from blocks.block import Regressor, State
from blocks.block.precision import wide
from blocks.errors import BadTarget
from blocks.regressors.deviance import DevianceLoss, DevianceMetric
from blocks.regressors.error_metrics import error_metrics
from blocks.statistics import Statistic

FARTHEST = 50.0
"""The logarithm of how far a prediction is from the mean at most, so that none overflows."""

# a block is final, so what two of them share is no block itself
if TYPE_CHECKING:
    _Base = Regressor
else:
    _Base = object


class DevianceRegression(_Base):
    """A dense unit for each target and the exponential, by the deviance of targets that are not negative.

    Attributes:
        power: Of the variance, 1 (Poisson) to below 2.
    """

    wanted: ClassVar[str] = "a target that is a finite number, not negative, at most 1e+100"
    power: float

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The targets' means and scales.

        Raises:
            BadTarget: There are none, or a target is negative, or 0 in every row.
        """
        for column in self.targets:
            moments = results[self.statistic_name(column, "moments")].result()
            if moments.count and (moments.min < 0 or moments.max == 0):
                raise BadTarget(
                    f"{type(self).__name__} is for numbers that are not negative, nor all 0. Received: {column!r} from "
                    f"{moments.min:g} to {moments.max:g}. Filter them out, or use Mean."
                )
        return super().learn(results)

    def encode(self, target: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The numbers themselves, float64, and which rows are usable: finite, and not negative."""
        values, usable = super().encode(target)
        return values, usable & (values >= 0 if values.ndim == 1 else (values >= 0).all(axis=1))

    def build(self, input_shape: Any) -> None:
        """Make the dense units."""
        self.require_adapted()
        self.unit = self.dense(len(self.targets), input_shape)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The expected numbers: the mean times the exponential of the units."""
        logarithm = ops.clip(ops.cast(self.unit(inputs), wide()), -FARTHEST, FARTHEST)
        return ops.exp(logarithm[:, 0] if isinstance(self.target, str) else logarithm) * self.state["mean"]

    def compute_output_spec(self, inputs: Any) -> Any:
        """(batch,) or (batch, targets)."""
        several = () if isinstance(self.target, str) else (len(self.targets),)
        return keras.KerasTensor((inputs.shape[0], *several), wide())

    def default_loss(self) -> keras.losses.Loss:
        """The deviance of the target in units of its mean."""
        self.require_adapted()
        return DevianceLoss(self.power, self.state["mean"].tolist())

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """Errors and deviance, in the target's unit."""
        return [*error_metrics(self), DevianceMetric(self.power)]

    def answer(self, predictions: Any) -> dict[str, Any]:
        """The prediction."""
        return {"prediction": predictions}
