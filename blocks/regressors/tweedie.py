"""Tweedie: the expected value of a number that is often 0 and else positive."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
import pyarrow as pa

from blocks.block import Regressor, State
from blocks.block.precision import wide
from blocks.errors import InvalidArgument
from blocks.regressors.deviance import DevianceLoss, deviance_metrics, rates, require_not_negative
from blocks.statistics import Statistic


@keras.saving.register_keras_serializable(package="blocks")
class Tweedie(Regressor):
    """The expected value of a number that is often 0 and else positive (claims, rain), or of several such numbers.

    A dense unit each and the exponential; the variance grows with the mean by a power between Poisson's 1 and gamma's
    2. The loss is the deviance of the target in units of its mean; the metrics are errors and deviance in the target's
    unit.

    Args:
        target: Name of the target column, or of several.
        power: Of the variance, between 1 and 2.
        sample_weight: Name of a column of non-negative weights, or None.
        on_bad_target: "error" or "skip", for rows whose target is missing, infinite or negative.
        state: What an earlier `adapt` learned.

    Returns:
        `prediction`, float64 (float32 on JAX) of shape (batch,), or (batch, targets) where `target` names several;
        within e^50 times the mean.

    Raises:
        BadTarget: At `adapt`, when a target is no number, negative, 0 in every row, or no value of it is usable.

    Parameters: (width + 1) * targets.

    Example:
        >>> from blocks import regressors
        >>> regressors.Tweedie("claims", power=1.7).encode(pa.array([0.0, 812.5]))
        (array([  0. , 812.5]), array([ True,  True]))

    Source: Jørgensen, "Exponential Dispersion Models" (1987).
    """

    wanted: ClassVar[str] = "a target that is a finite number, not negative, at most 1e+100"

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        power: float = 1.5,
        sample_weight: str | None = None,
        on_bad_target: str = "error",
        state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(target, sample_weight=sample_weight, on_bad_target=on_bad_target, state=state, **kwargs)
        if not 1 < power < 2:
            raise InvalidArgument(
                f"Tweedie's power is between 1 and 2. Received: {power}. Use Poisson for 1, Mean for 0."
            )
        self.power = float(power)

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The targets' means and scales.

        Raises:
            BadTarget: There are none, or a target is negative, or 0 in every row.
        """
        require_not_negative(self, results)
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
        """The expected numbers."""
        return rates(self.unit(inputs), self)

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
        return deviance_metrics(self, self.power)

    def answer(self, predictions: Any) -> dict[str, Any]:
        """The prediction."""
        return {"prediction": predictions}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "power": self.power}
