"""Impute: a value for what is missing."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.preprocessors.float64 import scalars
from blocks.statistics import Counts, Moments, Quantiles, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class Impute(Preprocessor):
    """Missing numbers (NaN) become one value: learned, or given. Infinite values pass.

    Args:
        strategy: "mean", "median" (of a quantile sketch beyond its exact size; its rank error is stated there),
            "most_frequent" (the smallest of equally frequent ones) or "constant".
        fill_value: The value for "constant".
        add_indicator: Whether a second feature, `<name>_missing`, says 1 where the value was missing, else 0. Only the
            last block of a chain can add one.

    Returns:
        float32 of shape (batch,), or (batch, 2) with the indicator.

    Example:
        >>> import numpy as np
        >>> Impute("median").adapt(np.array([1.0, 5.0, 6.0, np.nan]))(np.array([np.nan, 2.0])).numpy()
        array([5., 2.], dtype=float32)
    """

    stacks = True

    def __init__(
        self, strategy: str = "mean", *, fill_value: float | None = None, add_indicator: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if strategy not in ("mean", "median", "most_frequent", "constant"):
            raise InvalidArgument(
                f"Impute's strategy is 'mean', 'median', 'most_frequent' or 'constant'. Received: {strategy!r}."
            )
        if (strategy == "constant") != (fill_value is not None):
            raise InvalidArgument(
                f"fill_value goes with strategy='constant', and only with it. "
                f"Received: strategy={strategy!r}, fill_value={fill_value!r}."
            )
        self.strategy = strategy
        self.fill_value = fill_value
        self.add_indicator = add_indicator
        if fill_value is not None:
            self.restore(scalars(fill=fill_value))

    def statistics(self) -> dict[str, Statistic]:
        """What the strategy needs."""
        if self.strategy == "constant":
            return {}
        return {
            "of": {"mean": Moments, "median": Quantiles, "most_frequent": Counts}[self.strategy](),
        }

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The value that missing ones become."""
        result = results["of"].result()
        if self.strategy == "most_frequent":
            usable(result.total, "Impute")
            # counts may be too small by the error: the first must lead the second, or what is not listed, by more
            second = result.counts[1] if len(result.counts) > 1 else 0
            if not result.exact and (not len(result.counts) or result.counts[0] <= second + result.error):
                raise InvalidArgument(
                    "The most frequent value is told of columns whose values repeat. Received: more distinct values "
                    f"than fit in memory ({result.distinct:,} or more), none of them surely the most frequent. Use "
                    "'median' or 'mean'."
                )
            return scalars(fill=result.values[0].as_py())
        usable(result.count, "Impute")
        return scalars(fill=result.mean if self.strategy == "mean" else result.quantile(0.5))

    def _restore(self, state: State) -> None:
        with tf.init_scope():
            self._fill = tf.Variable(state["fill"], trainable=False)

    def compute(self, values: Any) -> Any:
        """Values without a gap, in float64."""
        values = tf.cast(values, tf.float64)
        absent = tf.math.is_nan(values)
        filled = tf.where(absent, self._fill, values)
        return tf.stack([filled, tf.cast(absent, tf.float64)], axis=-1) if self.add_indicator else filled

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "strategy": self.strategy,
            "fill_value": self.fill_value,
            "add_indicator": self.add_indicator,
        }
