"""Ordinal: tokens with a declared order to their places in it."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.errors import InvalidArgument
from blocks.features.spec import Feature
from blocks.preprocessors.categorical.token_table import (
    is_missing,
    lookup_table,
    portable,
    positions,
    state_of_given,
)
from blocks.preprocessors.float64 import check_choice, number_or_keep


@keras.saving.register_keras_serializable(package="blocks")
class Ordinal(Preprocessor):
    """Each token to its place in a declared order, from 0: a number, or an id. Learns nothing.

    Args:
        order: Strings or integers, the lowest first.
        output_mode: "float" for the place as a number, or "int" for ids: 0 is missing, 1 unseen, then the order.
        missing: With "float": what a missing value becomes, a number or "keep" (NaN).
        unseen: With "float": what a token becomes that the order lacks, a number or "keep" (NaN).

    Returns:
        float32 of shape (batch,), or int32 in [0, cardinality).

    Example:
        >>> size = Ordinal(["small", "medium", "large"], missing=1.0)
        >>> size(np.array(["large", "small", "", "huge"])).numpy()
        array([ 2.,  0.,  1., -1.], dtype=float32)
    """

    categories = True
    accepts = ("text", "number")

    def __init__(
        self,
        order: Sequence[str] | Sequence[int],
        *,
        output_mode: str = "float",
        missing: float | str = "keep",
        unseen: float | str = -1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("Ordinal", "output_mode", output_mode, ("float", "int"))
        self.order = portable(order, "Ordinal's order")
        if not self.order:
            raise InvalidArgument("Ordinal's order has one token at least. Received: none.")
        self.output_mode = output_mode
        self.missing = number_or_keep("Ordinal", missing)
        self.unseen = number_or_keep("Ordinal", unseen)
        self.restore(state_of_given(self.order, "Ordinal's order"))

    def _restore(self, state: dict[str, np.ndarray]) -> None:
        self._table = lookup_table(state)

    @property
    def cardinality(self) -> int:
        """Number of ids: missing, unseen, and the order's."""
        return 2 + len(self.order)

    def compute(self, values: Any) -> Any:
        """The places in float64, or the ids, int32."""
        found, absent = positions(self._table, values, self.name), is_missing(values)
        if self.output_mode == "int":
            return tf.cast(tf.where(absent, np.int64(0), found + 2), tf.int32)
        missing, unseen = (np.float64("nan" if value == "keep" else value) for value in (self.missing, self.unseen))
        return tf.where(absent, missing, tf.where(found < 0, unseen, tf.cast(found, tf.float64)))

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """The number, or the id."""
        return [Feature(name, columns, cardinality=self.cardinality if self.output_mode == "int" else None)]

    def examples(self, dtype: str) -> list[Any]:
        """The order, and what is missing or unseen."""
        return [*self.order[:16], *super().examples(dtype)]

    def inverse(self, values: Any) -> list[Any]:
        """Places or ids back to tokens: str or int; None for what is missing, unseen or between two places."""
        first = 2 if self.output_mode == "int" else 0
        places = {float(first + place): token for place, token in enumerate(self.order)}
        return [places.get(float(value)) for value in np.asarray(values).tolist()]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "order": self.order,
            "output_mode": self.output_mode,
            "missing": self.missing,
            "unseen": self.unseen,
        }
