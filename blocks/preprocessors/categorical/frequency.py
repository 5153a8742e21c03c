"""Frequency: strings or integers to how often they were seen."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor, State, usable
from blocks.preprocessors.categorical.token_table import (
    check_limits,
    count_kept,
    is_missing,
    lookup_table,
    positions,
    state_of_counts,
    unpack,
)
from blocks.preprocessors.float64 import check_choice, number_or_keep
from blocks.statistics import Counts, Statistic


@keras.saving.register_keras_serializable(package="blocks")
class Frequency(Preprocessor):
    """Each value to how often it was seen (count encoding), learned. An unseen value was seen 0 times.

    Args:
        output_mode: "relative" (share of the rows that are not missing), "count", or "log" (`log(1 + count)`).
        min_count: Values seen less often count as unseen.
        top_k: Keep this many of the most frequent values at most; others count as unseen.
        missing: What a missing value becomes: a number, or "keep" (NaN).

    Returns:
        float32 of shape (batch,).

    Example:
        >>> block = Frequency(missing=-1.0).adapt(["rome", "oslo", "rome", "rome", None])
        >>> block(np.array(["rome", "oslo", "paris", ""])).numpy()
        array([ 0.75,  0.25,  0.  , -1.  ], dtype=float32)
    """

    categories = True
    accepts = ("text", "number")

    def __init__(
        self,
        output_mode: str = "relative",
        *,
        min_count: int = 1,
        top_k: int | None = None,
        missing: float | str = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("Frequency", "output_mode", output_mode, ("relative", "count", "log"))
        check_limits("Frequency", min_count, top_k)
        self.output_mode = output_mode
        self.min_count = min_count
        self.top_k = top_k
        self.missing = number_or_keep("Frequency", missing)

    def statistics(self) -> dict[str, Statistic]:
        """The values' counts."""
        return {"counts": Counts()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The values, and the number that each becomes; last that of an unseen one."""
        counts = results["counts"].result()
        usable(counts.total, "Frequency")
        number = count_kept(counts, self.min_count, self.top_k)
        numbers = counts.counts[:number].astype(np.float64)
        if self.output_mode == "relative":
            numbers = numbers / counts.total
        elif self.output_mode == "log":
            numbers = np.log1p(numbers)
        return {**state_of_counts(self, counts, number), "numbers": np.append(numbers, 0.0)}

    def _restore(self, state: State) -> None:
        self._table = lookup_table(state)
        with tf.init_scope():
            self._numbers = tf.Variable(state["numbers"], trainable=False)

    def compute(self, values: Any) -> Any:
        """The numbers in float64."""
        found = positions(self._table, values, self.name)
        unseen = tf.shape(self._numbers, tf.int64)[0] - 1
        numbers = tf.gather(self._numbers, tf.where(found < 0, unseen, found))
        return tf.where(is_missing(values), np.float64("nan" if self.missing == "keep" else self.missing), numbers)

    def examples(self, dtype: str) -> list[Any]:
        """The first values, and what is missing or unseen."""
        return [*unpack(self.state)[:16], *super().examples(dtype)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "output_mode": self.output_mode,
            "min_count": self.min_count,
            "top_k": self.top_k,
            "missing": self.missing,
        }
