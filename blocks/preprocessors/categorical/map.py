"""Map: values to others, by a given dictionary."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.data.raw_columns import RawColumn
from blocks.errors import InvalidArgument
from blocks.preprocessors.categorical.token_table import is_missing, lookup_table, positions, state_of_given
from blocks.preprocessors.ends_of_chains import text_output


@keras.saving.register_keras_serializable(package="blocks")
class Map(Preprocessor):
    """Each string or integer to what a given dictionary says: other strings, or numbers. Learns nothing.

    Args:
        mapping: From strings to strings or numbers, or from integers to either; or the pairs of such a dictionary.
        default: What a value becomes that the dictionary lacks: a string or number as the dictionary's are, or None for
            a missing one ("", or NaN).
        keep: Whether such a value stays as it is instead; from strings to strings only.

    A missing value stays missing ("", or NaN), whatever the default.

    Returns:
        float32 of shape (batch,), or strings (batch,): in `Columns` another block follows those.

    Example:
        >>> grade = Map({"A": 4, "B": 3}, default=0)
        >>> grade(np.array(["B", "F", ""])).numpy()
        array([ 3.,  0., nan], dtype=float32)
        >>> Map({"NYC": "New York"}, keep=True)(np.array(["NYC", "Oslo"])).numpy()
        array([b'New York', b'Oslo'], dtype=object)
    """

    categories = True
    accepts = ("text", "number")
    stacks = True

    def __init__(
        self,
        mapping: Mapping[Any, Any] | Sequence[Sequence[Any]],
        *,
        default: str | float | None = None,
        keep: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        pairs = list(mapping.items()) if isinstance(mapping, Mapping) else [tuple(pair) for pair in mapping]
        if not pairs:
            raise InvalidArgument("Map's dictionary has one entry at least. Received: none.")
        targets = [value.item() if isinstance(value, np.generic) else value for _, value in pairs]
        self._text = all(isinstance(target, str) for target in targets)
        self.emits_features = not self._text
        if not self._text and not all(_is_number(target) for target in targets):
            raise InvalidArgument(f"Map's dictionary leads to strings, or to numbers. Received: {targets!r}.")
        if default is not None and not (isinstance(default, str) if self._text else _is_number(default)):
            kind = "a string" if self._text else "a number"
            raise InvalidArgument(f"Map's default is {kind}, as the dictionary's values are. Received: {default!r}.")
        state = state_of_given([key for key, _ in pairs], "Map's dictionary")
        if keep and (default is not None or not self._text or "integers" in state):
            raise InvalidArgument(
                f"Map keeps what its dictionary lacks from strings to strings, without a default. "
                f"Received: keep={keep}, default={default!r}, {pairs!r}."
            )
        keys = state["integers"].tolist() if "integers" in state else [key for key, _ in pairs]
        self.mapping = MappingProxyType(dict(zip(keys, targets, strict=True)))
        self.default = default
        self.keep = keep
        self._table = lookup_table(state)
        # the default is last
        if self._text:
            self._targets = np.array([target.encode() for target in [*targets, default or ""]], object)
        else:
            self._targets = np.array([*targets, np.nan if default is None else default], np.float64)

    def raw_column(self, type: pa.DataType, column: str) -> RawColumn:
        """String or int64.

        Raises:
            SchemaMismatch: The column holds fractions.
        """
        if pa.types.is_null(type):
            return RawColumn("int64" if self._table.key_dtype == tf.int64 else "string")
        return super().raw_column(type, column)

    def compute(self, values: Any) -> Any:
        """The dictionary's values: strings, or float64."""
        found = positions(self._table, values, self.name)
        last = np.int64(len(self._targets) - 1)
        targets = tf.constant(self._targets, tf.string if self._text else tf.float64)
        mapped = tf.gather(targets, tf.where(found < 0, last, found))
        if self.keep:
            mapped = tf.where(found < 0, values, mapped)
        return tf.where(is_missing(values), "" if self._text else np.float64("nan"), mapped)

    def call(self, inputs: Any) -> Any:
        """Strings, or numbers rounded once."""
        return self.compute(inputs) if self._text else super().call(inputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Strings, or float32."""
        return text_output(inputs) if self._text else super().compute_output_spec(inputs)

    def examples(self, dtype: str) -> list[Any]:
        """The first keys, and what is missing or unseen."""
        return [*list(self.mapping)[:16], *super().examples(dtype)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        pairs = [[key, value] for key, value in self.mapping.items()]
        return {**super().get_config(), "mapping": pairs, "default": self.default, "keep": self.keep}


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.number) and bool(np.isfinite(value))
