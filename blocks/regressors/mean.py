"""Mean: the expected value of a number."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from keras import ops

from blocks.block import Regressor, State
from blocks.data.raw import is_number
from blocks.errors import BadTarget, InvalidArgument
from blocks.statistics import Moments, Statistic

LOSSES = {
    "mse": keras.losses.MeanSquaredError,
    "mae": keras.losses.MeanAbsoluteError,
    "huber": keras.losses.Huber,
}


def wide() -> str:
    """The dtype in which targets are held: float64, where the backend has it (JAX has not, unless told to).

    A target such as 1e9 + noise has no room in float32.
    """
    return "float32" if keras.backend.backend() == "jax" else "float64"


@keras.saving.register_keras_serializable(package="blocks")
class StandardizedLoss(keras.losses.Loss):
    """A loss over errors that are divided by the target's scale first, so that learning rates mean the same anywhere.

    Args:
        kind: "mse", "mae" or "huber" (delta 1, in standard deviations of the target).
        scale: The target's standard deviation.
    """

    def __init__(self, kind: str, scale: float, **kwargs: Any) -> None:
        super().__init__(**{"dtype": wide(), "name": kind, **kwargs})
        self.kind = kind
        self.scale = scale
        self._loss = LOSSES[kind](reduction=None, dtype=wide())

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each row, (batch,)."""
        error = ops.expand_dims((ops.cast(y_true, wide()) - ops.cast(y_pred, wide())) / self.scale, -1)
        return self._loss(error, ops.zeros_like(error))

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "kind": self.kind, "scale": self.scale}


@keras.saving.register_keras_serializable(package="blocks")
class Mean(Regressor):
    """A number's expected value: one dense unit on the standardised target, its answers in the target's unit.

    The target's mean and standard deviation are learned in the pass of `adapt`; the loss divides errors by the standard
    deviation, so that it does not depend on the unit. Metrics are in the target's unit.

    Args:
        target: Name of the target column.
        loss: "mse", "mae" (then the answer is the median rather than the mean) or "huber".
        sample_weight: Name of a column of non-negative weights, or None.
        unusable: "error" or "skip", for rows whose target is missing or infinite.
        state: What an earlier `adapt` learned.

    Returns:
        `prediction`, of shape (batch,), float64 (float32 on JAX).

    Raises:
        BadTarget: At `adapt`, when the target is no number, or no value of it is usable.

    Example:
        >>> import pyarrow as pa
        >>> from blocks import regressors
        >>> regressors.Mean("price").encode(pa.array([3, None]))
        (array([ 3., nan]), array([ True, False]))
    """

    def __init__(
        self,
        target: str,
        *,
        loss: str = "mse",
        sample_weight: str | None = None,
        unusable: str = "error",
        state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(target, sample_weight=sample_weight, unusable=unusable, state=state, **kwargs)
        if loss not in LOSSES:
            raise InvalidArgument(f"Mean's loss is one of {', '.join(LOSSES)}. Received: {loss!r}.")
        self._loss = loss

    def statistics(self) -> dict[str, Statistic]:
        """The target's moments."""
        return {"moments": Moments()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The target's mean and scale."""
        moments = results["moments"].result()
        if not moments.count:
            raise BadTarget(
                f"A regressor learns from numbers that are there. Received: {self.target!r}, of whose {moments.rows:,} "
                "values none is finite."
            )
        return {"mean": np.asarray(moments.mean), "scale": np.asarray(moments.std if moments.std > 0 else 1.0)}

    @property
    def encoding(self) -> dict[str, Any]:
        """Target and weights: any regressor of a single number encodes alike."""
        return {"kind": "number", "target": self.target, "weight": self.sample_weight}

    def encode(self, target: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The number itself, float64, and which rows are usable (finite).

        Raises:
            BadTarget: The column holds no numbers.
        """
        if isinstance(target, pa.ChunkedArray):
            target = target.combine_chunks()
        if not is_number(target.type) and not pt.is_null(target.type):
            raise BadTarget(
                f"A regressor's target is a number. Received: column {self.target!r} of type {target.type}. "
                "Cast it, or use a classifier."
            )
        values = target.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return values, np.isfinite(values)

    def build(self, input_shape: Any) -> None:
        """Make the dense unit."""
        self.require_adapted()
        self.unit = keras.layers.Dense(1, dtype=self.dtype_policy)
        self.unit.build(input_shape)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The prediction in the target's unit."""
        standardized = ops.cast(self.unit(inputs)[:, 0], wide())
        return standardized * float(self.state["scale"]) + float(self.state["mean"])

    def compute_output_spec(self, inputs: Any) -> Any:
        """(batch,)."""
        return keras.KerasTensor((inputs.shape[0],), wide())

    def default_loss(self) -> keras.losses.Loss:
        """The loss over standardised errors."""
        self.require_adapted()
        return StandardizedLoss(self._loss, float(self.state["scale"]))

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """Root mean squared and mean absolute error, in the target's unit."""
        return [
            keras.metrics.RootMeanSquaredError(name="root_mean_squared_error", dtype=wide()),
            keras.metrics.MeanAbsoluteError(name="mean_absolute_error", dtype=wide()),
        ]

    def answer(self, predictions: Any) -> dict[str, Any]:
        """The prediction."""
        return {"prediction": predictions}

    def inverse(self, values: Any) -> np.ndarray:
        """Standardised values to the target's unit, float64."""
        self.require_adapted()
        return np.asarray(values, np.float64) * self.state["scale"] + self.state["mean"]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "loss": self._loss}
