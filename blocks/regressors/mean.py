"""Mean: the expected value of a number."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa
from keras import ops

from blocks.block import Regressor, State
from blocks.block.precision import wide
from blocks.errors import BadTarget, InvalidArgument
from blocks.regressors.error_metrics import error_metrics
from blocks.regressors.target_scale import TargetScale
from blocks.statistics import Moments, Power, Statistic

TRANSFORMS = ("standardize", "log", "power")
LOSSES = {
    "mse": lambda error: error * error,
    "mae": ops.abs,
    "huber": lambda error: ops.where(ops.abs(error) <= 1, 0.5 * error * error, ops.abs(error) - 0.5),
}


@keras.saving.register_keras_serializable(package="blocks")
class StandardizedLoss(keras.losses.Loss):
    """A loss over errors of standardised targets, so that learning rates mean the same anywhere.

    Args:
        kind: "mse", "mae" or "huber" (delta 1, in standard deviations of the target).
        scale: The target's standard deviation, or those of several.
        transform: How the target is transformed before it is standardised, as `TargetScale.to_config` gives it.
    """

    def __init__(
        self, kind: str, scale: float | Sequence[float], transform: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**{"dtype": wide(), "name": kind, **kwargs})
        self.kind = kind
        self.scale = scale
        self.transform = None if transform is None else dict(transform)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row, (batch,): the mean over its targets."""
        if self.transform is None:
            error = (y_true - y_pred) / np.asarray(self.scale)
        else:
            transform = TargetScale.of(self.transform)
            error = transform.forward(y_true) - transform.forward(y_pred)
        loss = LOSSES[self.kind](error)
        return ops.mean(loss, axis=-1) if len(loss.shape) > 1 else loss

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "kind": self.kind, "scale": self.scale, "transform": self.transform}


@keras.saving.register_keras_serializable(package="blocks")
class Mean(Regressor):
    """A number's expected value, or those of several: one dense unit each, on the standardised target.

    Means and standard deviations are learned in the pass of `adapt`; the loss is over standardised errors, so that it
    does not depend on the unit. Answers and metrics are in the target's unit.

    What the answer is follows from loss and transform. "mse" on the plain target gives the mean, "mae" the median,
    "huber" something between. A transformed target ("log", "power") has its own mean or median brought back to the
    target's unit: a median stays the median; a mean becomes a typical value, the median where the transformed target is
    symmetric about its mean, which is below the mean of a target with a long upper tail. Sums and averages over
    predictions are then too low: use no transform, or `Poisson` or `Tweedie`, for totals.

    Args:
        target: Name of the target column, or of several.
        loss: "mse", "mae" or "huber" (delta 1, in standard deviations).
        transform: "standardize"; "log", log1p before it, for targets that are not negative; or "power", the
            Yeo-Johnson transform with the likeliest exponent. Beyond what was seen, both go on as straight lines, so an
            answer may be a little below 0 where no target is: `postprocessors.Clip(0)`.
        sample_weight: Name of a column of non-negative weights, or None.
        on_bad_target: "error" or "skip", for rows whose target is missing or infinite.
        state: What an earlier `adapt` learned.

    Returns:
        `prediction`, float64 (float32 on JAX) of shape (batch,), or (batch, targets) where `target` names several.

    Raises:
        BadTarget: At `adapt`, when a target is no number, or no value of it is usable, or some are negative for "log".

    Parameters: (width + 1) * targets.

    Example:
        >>> import pyarrow as pa
        >>> from blocks import regressors
        >>> regressors.Mean("price").encode(pa.array([3, None]))
        (array([ 3., nan]), array([ True, False]))
    """

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        loss: str = "mse",
        transform: str = "standardize",
        sample_weight: str | None = None,
        on_bad_target: str = "error",
        state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(target, sample_weight=sample_weight, on_bad_target=on_bad_target, state=state, **kwargs)
        if loss not in LOSSES:
            raise InvalidArgument(f"Mean's loss is one of {', '.join(LOSSES)}. Received: {loss!r}.")
        if transform not in TRANSFORMS:
            raise InvalidArgument(f"Mean's transform is one of {', '.join(TRANSFORMS)}. Received: {transform!r}.")
        self._loss = loss
        self._transform = transform

    @property
    def follows_level(self) -> bool:  # type: ignore[override]  # a constant of the class elsewhere
        """Where the target is standardised alone."""
        return self._transform == "standardize"

    # -- the target ----------------------------------------------------------------------------------------------------

    def statistics(self) -> dict[str, Statistic]:
        """The moments of each target, and what the transform asks for."""
        found: dict[str, Statistic] = {}
        for column in self.targets:
            found[self.statistic_name(column, "moments")] = Moments()
            if self._transform == "log":
                found[self.statistic_name(column, "log")] = Moments()
            if self._transform == "power":
                found[self.statistic_name(column, "power")] = Power()
        return found

    def observe(self, statistics: dict[str, Statistic], chunk: pa.Array) -> None:
        """Update the statistics of each target column, and of its logarithm."""
        for column, values in self.usable_numbers(chunk).items():
            statistics[self.statistic_name(column, "moments")].update(pa.array(values))
            if self._transform == "log":
                with np.errstate(invalid="ignore", divide="ignore"):
                    statistics[self.statistic_name(column, "log")].update(pa.array(np.log1p(values)))
            if self._transform == "power":
                statistics[self.statistic_name(column, "power")].update(pa.array(values))

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The targets' means and scales, after the transform; with one, its exponents, origins and ranges too."""
        state = super().learn(results)
        if self._transform == "standardize":
            return state
        learned = []
        for column in self.targets:
            moments = results[self.statistic_name(column, "moments")].result()
            if self._transform == "log":
                if moments.min < 0:
                    raise BadTarget(
                        f"The logarithm is for targets that are not negative. Received: {column!r} with "
                        f"{moments.min:g}. Use transform='power'."
                    )
                found = results[self.statistic_name(column, "log")].result()
                exponent, origin, mean, std = 0.0, 0.0, found.mean, found.std
            else:
                power = results[self.statistic_name(column, "power")].result()
                exponent, origin, mean, std = power.exponent, power.origin, power.mean, power.std
            learned.append((mean, std if std > 0 else 1.0, exponent, origin, moments.min, moments.max))
        names = ("mean", "scale", "exponent", "origin", "low", "high")
        return self.joined(**dict(zip(names, zip(*learned, strict=True), strict=True)))

    @property
    def _scale(self) -> TargetScale:
        self.require_adapted()
        return TargetScale.of(self.state)

    def inverse(self, values: Any) -> np.ndarray:
        """Standardised values, of the transformed target where there is a transform, to the target's unit, float64."""
        return np.asarray(self._scale.inverse(np.asarray(values, np.float64), np))

    # -- the prediction ------------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make the dense units."""
        self.require_adapted()
        self.unit = self.dense(len(self.targets), input_shape)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The predictions in the targets' units."""
        standardized = ops.cast(self.unit(inputs), wide())
        return self._scale.inverse(standardized[:, 0] if isinstance(self.target, str) else standardized)

    def compute_output_spec(self, inputs: Any) -> Any:
        """(batch,) or (batch, targets)."""
        several = () if isinstance(self.target, str) else (len(self.targets),)
        return keras.KerasTensor((inputs.shape[0], *several), wide())

    def default_loss(self) -> keras.losses.Loss:
        """The loss over standardised errors."""
        scale = self._scale
        transform = None if scale.exponent is None else scale.to_config()
        return StandardizedLoss(self._loss, scale.scale.tolist(), transform)

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """Root mean squared and mean absolute error, in the target's unit; of several targets, each one's."""
        return error_metrics(self)

    def answer(self, predictions: Any) -> dict[str, Any]:
        """The prediction."""
        return {"prediction": predictions}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "loss": self._loss, "transform": self._transform}
