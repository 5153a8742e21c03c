"""Clip: numbers held between two ends."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.preprocessors.float64 import (
    NAN,
    check_percentages,
    clip_keep_nan,
    finite_stays_finite,
    number_or_keep,
    scalars,
)
from blocks.statistics import Quantiles, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class Clip(Preprocessor):
    """Numbers below one end, or above the other, become that end. The ends are given, or learned as quantiles.

    An infinite value becomes the end on its side, and stays infinite where there is none. Missing stays missing (NaN)
    unless `missing` gives a number: the blocks that follow in a chain see the gap. Learned quantiles are exact up to
    the exact size of `blocks.statistics.Quantiles`, and carry its sketch's rank error beyond.

    Args:
        min_value: The lower end, or None for none.
        max_value: The upper end, or None for none.
        quantile_range: Two rising percentages, when the ends are learned rather than given: (1, 99), say.
        missing: What NaN becomes: "keep" (NaN) or a number.

    Returns:
        float32 of shape (batch,).

    Example:
        >>> Clip(0, 10)(np.array([-1.0, 3.0, np.inf, np.nan])).numpy()
        array([ 0.,  3., 10., nan], dtype=float32)
        >>> Clip(quantile_range=(10, 90)).adapt(np.arange(11.0))(np.array([0.0, 4.0, 99.0])).numpy()
        array([1., 4., 9.], dtype=float32)
    """

    stacks = True

    def __init__(
        self,
        min_value: float | None = None,
        max_value: float | None = None,
        *,
        quantile_range: tuple[float, float] | None = None,
        missing: str | float = "keep",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (quantile_range is None) == (min_value is None and max_value is None):
            raise InvalidArgument(
                "Clip takes min_value or max_value or both, or else quantile_range. "
                f"Received: min_value={min_value!r}, max_value={max_value!r}, quantile_range={quantile_range!r}."
            )
        low = -math.inf if min_value is None else float(min_value)
        high = math.inf if max_value is None else float(max_value)
        if not low <= high:
            raise InvalidArgument(f"Clip's min_value is at most its max_value. Received: {min_value!r}, {max_value!r}.")
        self.min_value = min_value
        self.max_value = max_value
        self.quantile_range = (
            None if quantile_range is None else check_percentages("Clip", "quantile_range", quantile_range)
        )
        self.missing = number_or_keep("Clip", missing)
        if self.quantile_range is None:
            self.restore(scalars(low=low, high=high))

    def statistics(self) -> dict[str, Statistic]:
        """The column's quantiles, when the ends are learned."""
        return {"quantiles": Quantiles()} if self.quantile_range is not None else {}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The two ends."""
        quantiles = results["quantiles"].result()
        usable(quantiles.count, "Clip")
        low, high = quantiles.quantile(np.array(self.quantile_range) / 100)
        return scalars(low=low, high=high)

    def _restore(self, state: State) -> None:
        with tf.init_scope():
            self._low = tf.Variable(state["low"], trainable=False)
            self._high = tf.Variable(state["high"], trainable=False)

    def compute(self, values: Any) -> Any:
        """Clipped values in float64."""
        values = tf.cast(values, tf.float64)
        other = NAN if self.missing == "keep" else np.float64(self.missing)
        clipped = clip_keep_nan(values, self._low, self._high)
        return finite_stays_finite(tf.where(tf.math.is_nan(values), other, clipped))

    def examples(self, dtype: str) -> list[Any]:
        """The ends and their neighbours, and what is missing or extreme."""
        ends = [float(end) for end in self.state.values() if np.isfinite(end)]
        near = [value for end in ends for value in (end, float(np.nextafter(end, -1e300)), end / 2, 2 * end)]
        return [*near, *super().examples(dtype)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "min_value": self.min_value,
            "max_value": self.max_value,
            "quantile_range": self.quantile_range,
            "missing": self.missing,
        }
