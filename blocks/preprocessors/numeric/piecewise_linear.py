"""PiecewiseLinear: a number as how far it fills each of several bins."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.features.spec import Feature
from blocks.preprocessors.float64 import (
    NAN,
    SMALLEST_NORMAL,
    check_choice,
    flagged,
    flagged_features,
    from_unit,
    in_unit,
    infinite_to_ends,
    unit_of,
    unit_variable,
    with_unit,
    within_float32,
)
from blocks.statistics import Quantiles, Statistic
from blocks.statistics.distinct_values import DistinctValues


@keras.saving.register_keras_serializable(package="blocks")
class PiecewiseLinear(Preprocessor):
    """Encode a number by learned bins: 1 for each bin below it, the filled part of its own, 0 for each above.

    The first bin goes on below its lower edge (to negative numbers), the last above its upper edge, as in the paper,
    unless `clip` is set. Bins end at quantiles: of the distinct values ("unique", which keeps bins apart in a column
    that is mostly 0), or of the rows ("quantile"). Edges that coincide are one; the columns left over at the end are 0.
    So are all columns of a constant. An infinite value counts as the largest, or smallest, finite one that was seen.

    Quantiles are exact up to the exact size of `blocks.statistics.Quantiles` (rows) or of `DistinctValues` (distinct
    values), and carry the rank error stated there beyond.

    Args:
        n_bins: Number of bins, and of features, `<name>_1` to `<name>_<n_bins>`.
        strategy: "unique" or "quantile".
        clip: Whether the first and last bin stay within 0 and 1.
        missing: What NaN becomes: "zero" (0 in every bin, as the smallest number) or "keep" (NaN in every bin).
        add_indicator: Whether a last feature, `<name>_missing`, says 1 where the value was missing, else 0.

    Returns:
        float32 of shape (batch, n_bins), or (batch, n_bins + 1) with the indicator.

    Example:
        >>> block = PiecewiseLinear(n_bins=2).adapt(np.array([0.0, 0.0, 0.0, 0.0, 1.0, 5.0]))
        >>> block(np.array([0.5, 3.0, 9.0])).numpy()
        array([[0.5, 0. ],
               [1. , 0.5],
               [1. , 2. ]], dtype=float32)

    Source: Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning" (2022),
        arXiv 2203.05556, equation 1.
    """

    def __init__(
        self,
        n_bins: int = 48,
        *,
        strategy: str = "unique",
        clip: bool = False,
        missing: str = "zero",
        add_indicator: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("PiecewiseLinear", "strategy", strategy, ("unique", "quantile"))
        check_choice("PiecewiseLinear", "missing", missing, ("zero", "keep"))
        if n_bins < 2:
            raise InvalidArgument(f"PiecewiseLinear's n_bins is 2 at least. Received: {n_bins!r}.")
        self.n_bins = n_bins
        self.strategy = strategy
        self.clip = clip
        self.missing = missing
        self.add_indicator = add_indicator

    def statistics(self) -> dict[str, Statistic]:
        """The quantiles of rows or of distinct values."""
        return {"of": Quantiles() if self.strategy == "quantile" else DistinctValues()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The bins' edges, rising, at most `n_bins + 1`."""
        result = results["of"].result()
        usable(result.count, "PiecewiseLinear")
        edges = result.quantile(np.linspace(0, 1, self.n_bins + 1))
        unit = unit_of(edges[0], edges[-1])
        edges = np.unique(np.where(np.abs(edges) < SMALLEST_NORMAL, 0.0, edges) * unit)
        # bins too narrow to divide by are no bins
        return with_unit(unit, {"edges": edges[np.append(True, np.diff(edges) >= SMALLEST_NORMAL)]})

    def _restore(self, state: State) -> None:
        self._unit = unit_variable(state)
        edges = state["edges"]
        bins = len(edges) - 1
        empty = self.n_bins - bins
        least, most = np.zeros(self.n_bins), np.append(np.ones(bins), np.zeros(empty))
        if bins and not self.clip:
            least[0], most[bins - 1] = -np.inf, np.inf
        with tf.init_scope():
            self._low = tf.Variable(from_unit(edges[0], state), trainable=False)
            self._high = tf.Variable(from_unit(edges[-1], state), trainable=False)
            self._left = tf.Variable(np.append(edges[:-1], np.zeros(empty)), trainable=False)
            self._width = tf.Variable(np.append(np.diff(edges), np.ones(empty)), trainable=False)
            self._least = tf.Variable(least, trainable=False)
            self._most = tf.Variable(most, trainable=False)

    def compute(self, values: Any) -> Any:
        """The encoding in float64."""
        values = tf.cast(values, tf.float64)
        absent = tf.math.is_nan(values)
        present = infinite_to_ends(tf.where(absent, self._low, values), self._low, self._high)
        filled = (in_unit(present, self._unit)[:, tf.newaxis] - self._left) / self._width
        filled = within_float32(tf.maximum(tf.minimum(filled, self._most), self._least))
        filled = tf.where(absent[:, tf.newaxis], np.float64(0) if self.missing == "zero" else NAN, filled)
        return flagged(filled, absent, self.add_indicator)

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """A feature for each bin, and the indicator."""
        bins = [Feature(f"{name}_{index}", columns) for index in range(1, self.n_bins + 1)]
        return flagged_features(bins, name, columns, self.add_indicator)

    def examples(self, dtype: str) -> list[Any]:
        """Edges and numbers between them, and what is missing or extreme."""
        some = from_unit(self.state["edges"][:: max(1, len(self.state["edges"]) // 8)], self.state)
        between = some[:-1] / 2 + some[1:] / 2
        return [*some.tolist(), *between.tolist(), *super().examples(dtype)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "n_bins": self.n_bins,
            "strategy": self.strategy,
            "clip": self.clip,
            "missing": self.missing,
            "add_indicator": self.add_indicator,
        }
