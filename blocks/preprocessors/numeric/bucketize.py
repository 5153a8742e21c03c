"""Bucketize: numbers to bins."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.errors import InvalidArgument
from blocks.features.spec import Feature
from blocks.preprocessors.float64 import check_choice
from blocks.statistics import Moments, Quantiles, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class Bucketize(Preprocessor):
    """The bin in which a number lies: id 0 is missing, 1 is below the first boundary, and so on upwards.

    A number that equals a boundary lies in the bin above it, as in Keras' `Discretization` and `numpy.digitize`;
    infinite ones lie in the outermost bins. With `num_bins` the boundaries are learned: "quantile" puts about as many
    rows in each bin (exact up to the exact size of `blocks.statistics.Quantiles`, within its sketch's rank error
    beyond, whatever the batches), "uniform" makes the bins between the smallest and largest number equally wide. Where
    several quantiles are one value, the bins between them stay empty: the number of ids is as configured.

    Args:
        bin_boundaries: Rising numbers, when they are given rather than learned.
        num_bins: Number of bins, when boundaries are learned.
        strategy: "quantile" or "uniform".
        output_mode: "int" for ids, or "one_hot" for a column each, `<name>_missing` and `<name>_bin_1` to
            `<name>_bin_<n>`.

    Returns:
        int32 of shape (batch,), in [0, number of bins]; or float32 of shape (batch, number of bins + 1).

    Example:
        >>> Bucketize([0.0, 1.0])(np.array([-5.0, 0.0, 0.5, 1.0, np.nan])).numpy()
        array([1, 2, 2, 3, 0], dtype=int32)
        >>> Bucketize(num_bins=2).adapt(np.arange(9.0)).state["boundaries"]
        array([4.])
    """

    stacks = True

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        *,
        num_bins: int | None = None,
        strategy: str = "quantile",
        output_mode: str = "int",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("Bucketize", "strategy", strategy, ("quantile", "uniform"))
        check_choice("Bucketize", "output_mode", output_mode, ("int", "one_hot"))
        if (bin_boundaries is None) == (num_bins is None):
            raise InvalidArgument(
                "Bucketize takes bin_boundaries or num_bins, not both. "
                f"Received: bin_boundaries={bin_boundaries!r}, num_bins={num_bins!r}."
            )
        if num_bins is not None and num_bins < 1:
            raise InvalidArgument(f"Bucketize's num_bins is 1 at least. Received: {num_bins!r}.")
        self.bin_boundaries = None if bin_boundaries is None else [float(value) for value in bin_boundaries]
        self.num_bins = num_bins
        self.strategy = strategy
        self.output_mode = output_mode
        if self.bin_boundaries is not None:
            boundaries = np.array(self.bin_boundaries, np.float64)
            if not (np.isfinite(boundaries).all() and (np.diff(boundaries) > 0).all()):
                raise InvalidArgument(f"bin_boundaries are finite and rising. Received: {bin_boundaries!r}.")
            self.restore({"boundaries": boundaries})

    @property
    def cardinality(self) -> int:
        """Number of ids: missing, and the bins."""
        return 1 + (self.num_bins if self.num_bins is not None else len(self.bin_boundaries or ()) + 1)

    def statistics(self) -> dict[str, Statistic]:
        """What the strategy needs."""
        if self.num_bins is None:
            return {}
        return {"of": Quantiles() if self.strategy == "quantile" else Moments()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The boundaries, one fewer than bins."""
        result = results["of"].result()
        usable(result.count, "Bucketize")
        fractions = np.linspace(0, 1, (self.num_bins or 1) + 1)[1:-1]
        if self.strategy == "quantile":
            return {"boundaries": np.maximum.accumulate(result.quantile(fractions))}
        # on halves, whose difference cannot overflow, where that of the ends does
        unit = 1.0 if np.isfinite(result.max - result.min) else 0.5
        return {"boundaries": np.linspace(result.min * unit, result.max * unit, len(fractions) + 2)[1:-1] / unit}

    def _restore(self, state: State) -> None:
        with tf.init_scope():
            self._boundaries = tf.Variable(state["boundaries"], trainable=False)

    def compute(self, values: Any) -> Any:
        """The ids, int32, or their one-hot columns, float64."""
        values = tf.cast(values, tf.float64)
        bins = 1 + tf.searchsorted(tf.convert_to_tensor(self._boundaries), values, side="right")
        ids = tf.where(tf.math.is_nan(values), tf.zeros_like(bins), bins)
        return ids if self.output_mode == "int" else tf.one_hot(ids, self.cardinality, dtype=tf.float64)

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """The ids, or a feature for each."""
        if self.output_mode == "int":
            return [Feature(name, columns, cardinality=self.cardinality)]
        bins = [Feature(f"{name}_bin_{index}", columns) for index in range(1, self.cardinality)]
        return [Feature(f"{name}_missing", columns), *bins]

    def examples(self, dtype: str) -> list[Any]:
        """Boundaries and their neighbours, and what is missing or extreme."""
        some = self.state["boundaries"][:16]
        return [*some.tolist(), *np.nextafter(some, -np.inf).tolist(), *super().examples(dtype)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "bin_boundaries": self.bin_boundaries,
            "num_bins": self.num_bins,
            "strategy": self.strategy,
            "output_mode": self.output_mode,
        }
