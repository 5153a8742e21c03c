"""Tweedie: the expected value of a number that is often 0 and else positive."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from blocks.block import Regressor
from blocks.errors import InvalidArgument
from blocks.regressors.deviance_regression import DevianceRegression


@keras.saving.register_keras_serializable(package="blocks")
class Tweedie(DevianceRegression, Regressor):
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
        >>> import pyarrow as pa
        >>> from blocks import regressors
        >>> regressors.Tweedie("claims", power=1.7).encode(pa.array([0.0, 812.5]))
        (array([  0. , 812.5]), array([ True,  True]))

    Source: Jørgensen, "Exponential Dispersion Models" (1987).
    """

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

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "power": self.power}
