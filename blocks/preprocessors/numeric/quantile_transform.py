"""QuantileTransform: numbers to their rank, uniform or normal."""

from collections.abc import Mapping
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.preprocessors.float64 import (
    FLOAT64_MAX,
    NAN,
    SMALLEST_NORMAL,
    check_choice,
    clip_keep_nan,
    flagged,
    full_packets,
    in_unit,
    unflagged,
    unit_of,
    unit_variable,
    with_unit,
)
from blocks.statistics import Quantiles, Statistic

_LEAST_RANK: Final = np.float64(1e-7 - np.spacing(1.0))
"""Ranks nearer to 0 or 1 than this count as this before they become normal: scikit-learn's bound."""


@keras.saving.register_keras_serializable(package="blocks")
class QuantileTransform(Preprocessor):
    """Replace a number by its rank between 0 and 1, or by the normal number of that rank.

    Between the learned quantiles ranks are interpolated linearly, from below and from above, and the two averaged, so
    that a value that is several quantiles gets the middle of its ranks: the formula of scikit-learn's
    `QuantileTransformer(subsample=None)`, and its bits where quantiles are exact (see `blocks.statistics.Quantiles`;
    beyond its exact size ranks carry the sketch's rank error). Only scikit-learn's absolute margin of 1e-7 about the
    ends, for "normal", is left out: it flattens columns of small numbers.

    Infinite values, and those beyond what was seen, have ranks 0 and 1; as normal numbers -5.199 and 5.199. A constant
    column has rank 0.

    Args:
        n_quantiles: Number of quantiles that are learned, at most the number of rows, at least 2.
        output_distribution: "uniform" or "normal".
        missing: What NaN becomes: "median" (rank 0.5, normal 0) or "keep" (NaN).
        add_indicator: Whether a second feature, `<name>_missing`, says 1 where the value was missing, else 0.

    Returns:
        float32 of shape (batch,), or (batch, 2) with the indicator.

    Example:
        >>> block = QuantileTransform().adapt(np.array([1.0, 2.0, 10.0, 100.0, 1000.0]))
        >>> block(np.array([1.0, 6.0, 1e9, np.nan])).numpy()
        array([0.   , 0.375, 1.   , 0.5  ], dtype=float32)
    """

    def __init__(
        self,
        n_quantiles: int = 1000,
        *,
        output_distribution: str = "uniform",
        missing: str = "median",
        add_indicator: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("QuantileTransform", "output_distribution", output_distribution, ("uniform", "normal"))
        check_choice("QuantileTransform", "missing", missing, ("median", "keep"))
        if n_quantiles < 2:
            raise InvalidArgument(f"QuantileTransform's n_quantiles is 2 at least. Received: {n_quantiles!r}.")
        self.n_quantiles = n_quantiles
        self.output_distribution = output_distribution
        self.missing = missing
        self.add_indicator = add_indicator

    def statistics(self) -> dict[str, Statistic]:
        """The column's quantiles."""
        return {"quantiles": Quantiles()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The quantiles, rising."""
        result = results["quantiles"].result()
        usable(result.count, "QuantileTransform")
        ranks = np.linspace(0, 1, max(2, min(self.n_quantiles, result.rows)))
        # scikit-learn asks for percentages, whose rounding moves the last bit of a quantile
        quantiles = np.maximum.accumulate(result.quantile(ranks * 100 / 100))
        return {"quantiles": np.where(np.abs(quantiles) < SMALLEST_NORMAL, 0.0, quantiles)}

    def _restore(self, state: State) -> None:
        quantiles = state["quantiles"]
        ranks = np.linspace(0, 1, len(quantiles))
        unit = unit_of(quantiles[0], quantiles[-1])
        self._unit = unit_variable(with_unit(unit, {}))
        with np.errstate(divide="ignore", over="ignore"):
            slopes = np.minimum(np.diff(ranks) / np.diff(quantiles * unit), FLOAT64_MAX)
        with tf.init_scope():
            self._quantiles = tf.Variable(quantiles, trainable=False)
            self._ranks = tf.Variable(ranks, trainable=False)
            # of the interval above and below each quantile
            self._above = tf.Variable(np.append(slopes, 0.0), trainable=False)
            self._below = tf.Variable(np.append(0.0, slopes), trainable=False)

    def compute(self, values: Any) -> Any:
        """Ranks, or normal numbers, in float64."""
        values = tf.cast(values, tf.float64)
        absent = tf.math.is_nan(values)
        quantiles, ranks = tf.convert_to_tensor(self._quantiles), tf.convert_to_tensor(self._ranks)
        low, high = quantiles[0], quantiles[-1]
        inside = clip_keep_nan(tf.where(absent, low, values), low, high)
        below = tf.searchsorted(quantiles, inside, side="right") - 1
        above = tf.searchsorted(quantiles, inside, side="left")
        inside, quantiles, low, high = (in_unit(part, self._unit) for part in (inside, quantiles, low, high))
        rise = inside - tf.gather(quantiles, below)
        fall = tf.gather(quantiles, above) - inside
        forward = tf.gather(self._above, below) * rise + tf.gather(ranks, below)
        backward = tf.gather(ranks, above) - tf.gather(self._below, above) * fall
        rank = 0.5 * (forward + backward)
        rank = tf.where(inside >= high, tf.ones_like(rank), rank)
        rank = tf.where(values > high, rank, tf.where(inside <= low, tf.zeros_like(rank), rank))
        if self.output_distribution == "normal":
            rank = clip_keep_nan(rank, _LEAST_RANK, 1 - _LEAST_RANK)
            rank = full_packets(tf.math.ndtri, rank)
        middle = np.float64(0.5 if self.output_distribution == "uniform" else 0.0)
        rank = tf.where(absent, middle if self.missing == "median" else NAN, rank)
        return flagged(rank, absent, self.add_indicator)

    def examples(self, dtype: str) -> list[Any]:
        """Quantiles and numbers between them, and what is missing or extreme."""
        some = self.state["quantiles"][:: max(1, len(self.state["quantiles"]) // 8)]
        between = some[:-1] / 2 + some[1:] / 2
        return [*some.tolist(), *between.tolist(), *super().examples(dtype)]

    def inverse(self, values: Any) -> np.ndarray:
        """Ranks or normal numbers back to the column's unit, in float64; NaN where flagged or kept.

        Args:
            values: Ranks of shape (rows,), or (rows, 2) with the indicator.
        """
        self.require_adapted()
        rank = unflagged(values, self.add_indicator)
        if self.output_distribution == "normal":
            rank = 0.5 * tf.math.erfc(tf.constant(-rank / np.sqrt(2.0), tf.float64)).numpy()
            rank = np.where(rank - 1e-7 < 0, 0.0, np.where(rank + 1e-7 > 1, 1.0, rank))
        quantiles = self.state["quantiles"]
        return np.interp(rank, np.linspace(0, 1, len(quantiles)), quantiles)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "n_quantiles": self.n_quantiles,
            "output_distribution": self.output_distribution,
            "missing": self.missing,
            "add_indicator": self.add_indicator,
        }
