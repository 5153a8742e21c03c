"""PowerTransform: numbers by the power that makes them most normal."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.preprocessors.float64 import (
    FLOAT64_MAX,
    NAN,
    check_choice,
    divisor,
    flagged,
    from_unit,
    full_packets,
    in_unit,
    infinite_to_ends,
    scalars,
    unflagged,
    unit_of,
    unit_variable,
    with_unit,
    within_float32,
)
from blocks.statistics import Moments, Statistic
from blocks.statistics.power_exponents import Power


@keras.saving.register_keras_serializable(package="blocks")
class PowerTransform(Preprocessor):
    """Yeo-Johnson or Box-Cox with the exponent of the largest likelihood, then zero mean and unit variance.

    The exponent is found in the one pass that all statistics share (`statistics.power_exponents.Power` states the
    accuracy and the range that is searched: within 1e-6 (1 + |exponent|) of scikit-learn's `PowerTransformer` on
    ordinary columns). A constant column keeps exponent 1 and is divided by 1. An infinite value counts as the largest,
    or smallest, finite one that was seen, and so does a number outside Box-Cox's domain (0 or below) as the smallest;
    what float32 cannot hold becomes its largest number.

    Args:
        method: "yeo-johnson", for any numbers, or "box-cox", for positive ones.
        standardize: Whether the transformed numbers are scaled to zero mean and unit variance.
        missing: What NaN becomes: "mean" (of the transformed numbers; 0 when standardised) or "keep" (NaN).
        add_indicator: Whether a second feature, `<name>_missing`, says 1 where the value was missing, else 0.

    Returns:
        float32 of shape (batch,), or (batch, 2) with the indicator.

    Example:
        >>> block = PowerTransform("box-cox").adapt(np.exp(np.linspace(-1.0, 1.0, 101)))
        >>> block(np.array([1.0, np.nan])).numpy().round(6) + 0.0
        array([0., 0.], dtype=float32)

    Source: Yeo, Johnson, "A New Family of Power Transformations to Improve Normality or Symmetry" (2000); Box, Cox,
        "An Analysis of Transformations" (1964).
    """

    def __init__(
        self,
        method: str = "yeo-johnson",
        *,
        standardize: bool = True,
        missing: str = "mean",
        add_indicator: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("PowerTransform", "method", method, ("yeo-johnson", "box-cox"))
        check_choice("PowerTransform", "missing", missing, ("mean", "keep"))
        self.method = method
        self.standardize = standardize
        self.missing = missing
        self.add_indicator = add_indicator

    def statistics(self) -> dict[str, Statistic]:
        """The likelihood of exponents, and the column's moments."""
        return {"power": Power(self.method), "moments": Moments()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The exponent, mean and scale after it, and the finite range.

        Raises:
            InvalidArgument: A number that is not positive, for Box-Cox.
        """
        power, moments = results["power"].result(), results["moments"].result()
        usable(moments.count, "PowerTransform")
        if power.outside:
            raise InvalidArgument(
                "Box-Cox takes positive numbers. Received: a column with "
                f"{power.outside:,} numbers of 0 or below, the least {moments.min!r}. Use method='yeo-johnson'."
            )
        origin, mean, std, unit = power.origin, power.mean, power.std, np.float64(1.0)
        if power.linear:
            unit = unit_of(moments.min, moments.max) if self.standardize else unit
            origin, mean, std = 0.0, (moments.mean - (self.method == "box-cox")) * unit, moments.std * unit
            if moments.min == moments.max or std <= np.finfo(np.float64).eps * abs(mean):
                std = unit
        elif not self.standardize:
            start, growth = self._measured_from(power.exponent, origin)
            origin, mean = 0.0, start + growth * mean
        state = scalars(
            exponent=power.exponent,
            origin=origin,
            mean=mean,
            scale=divisor(std, unit),
            low=moments.min,
            high=moments.max,
        )
        return with_unit(unit, state)

    def _measured_from(self, exponent: float, origin: float) -> tuple[float, float]:
        """The plain transform is start + growth times the one that is measured from the origin."""
        b = exponent - (2.0 if origin < 0 and self.method == "yeo-johnson" else 0.0)
        with np.errstate(over="ignore"):
            return (np.expm1(b * origin) / b if b else origin), np.exp(b * origin)

    def _restore(self, state: State) -> None:
        self._unit = unit_variable(state)
        exponent, origin = float(state["exponent"]), float(state["origin"])
        self._plain = exponent == 1.0 and origin == 0.0
        start, growth = self._measured_from(exponent, origin)
        with np.errstate(over="ignore", divide="ignore"):
            back = np.minimum(1 / np.float64(growth), FLOAT64_MAX)
        with tf.init_scope():
            self._exponent = tf.Variable(state["exponent"], trainable=False)
            self._origin = tf.Variable(state["origin"], trainable=False)
            self._start = tf.Variable(start, dtype=tf.float64, trainable=False)
            self._back = tf.Variable(back, dtype=tf.float64, trainable=False)
            self._mean = tf.Variable(state["mean"], trainable=False)
            self._scale = tf.Variable(state["scale"], trainable=False)
            self._low = tf.Variable(state["low"], trainable=False)
            self._high = tf.Variable(state["high"], trainable=False)

    def compute(self, values: Any) -> Any:
        """Transformed values in float64."""
        values = tf.cast(values, tf.float64)
        absent = tf.math.is_nan(values)
        present = infinite_to_ends(tf.where(absent, self._low, values), self._low, self._high)
        if self._plain:
            # through logarithms, large numbers would lose digits
            one = np.float64(self.method == "box-cox")
            powered = in_unit(tf.where(present > 0, present, self._low) - one if one else present, self._unit)
        elif self.method == "box-cox":
            present = tf.where(present > 0, present, self._low)
            powered = _power(full_packets(tf.math.log, present) - self._origin, self._exponent)
        else:
            log = full_packets(tf.math.log1p, tf.abs(present))
            upper = self._joined(_power(log - tf.maximum(self._origin, 0.0), self._exponent), self._origin < 0)
            lower = _power(-log - tf.minimum(self._origin, 0.0), self._exponent - 2.0)
            powered = tf.where(present < 0, self._joined(lower, self._origin > 0), upper)
        fill = self._mean
        if self.standardize:
            powered = (powered - self._mean) / self._scale
            fill = tf.zeros_like(self._mean)
        fill = fill if self.missing == "mean" else NAN
        return flagged(within_float32(tf.where(absent, fill, powered)), absent, self.add_indicator)

    def _joined(self, powered: Any, across: Any) -> Any:
        """The transform of the other sign, measured as that of the origin's sign is, so that the two join at 0."""
        return tf.where(across, (powered - self._start) * self._back, powered)

    def examples(self, dtype: str) -> list[Any]:
        """Numbers of the range and beyond, and what is missing or extreme."""
        low, high = float(self.state["low"]), float(self.state["high"])
        return [low, high, low / 2 + high / 2, 2 * high - low, *super().examples(dtype)]

    def inverse(self, values: Any) -> np.ndarray:
        """Transformed values back to the column's unit, in float64; NaN where no number has that image.

        Args:
            values: Transformed values of shape (rows,), or (rows, 2) with the indicator.
        """
        self.require_adapted()
        state = self.state
        y, exponent, origin = unflagged(values, self.add_indicator), float(state["exponent"]), float(state["origin"])
        if self.standardize:
            y = y * state["scale"] + state["mean"]
        if self._plain:
            return from_unit(y, state) + (self.method == "box-cox")
        start, growth = self._measured_from(exponent, origin)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            same = _unpower(y, exponent - (2.0 if origin < 0 and self.method == "yeo-johnson" else 0.0)) + origin
            if self.method == "box-cox":
                return np.exp(same)
            other = _unpower(start + growth * y, exponent if origin < 0 else exponent - 2.0)
            crossed = y * growth + start > 0 if origin < 0 else y * growth + start < 0
            log = np.where(crossed, other, same)
            return np.sign(log) * np.expm1(np.abs(log))

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "method": self.method,
            "standardize": self.standardize,
            "missing": self.missing,
            "add_indicator": self.add_indicator,
        }


def _power(log: Any, exponent: Any) -> Any:
    """`(exp(exponent log) - 1) / exponent`, and `log` where the exponent is 0."""
    zero = tf.equal(exponent, 0.0)
    some = tf.where(zero, tf.ones_like(exponent), exponent)
    return tf.where(zero, log, full_packets(tf.math.expm1, some * log) / some)


def _unpower(y: np.ndarray, exponent: float) -> np.ndarray:
    """The inverse of `_power`."""
    return y if exponent == 0 else np.log1p(exponent * y) / exponent
