"""Boolean: what says yes or no to 1 or 0."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import Preprocessor, State
from blocks.errors import InvalidArgument
from blocks.preprocessors.categorical.token_table import is_missing, lookup_table, pack, positions
from blocks.preprocessors.float64 import number_or_keep


@keras.saving.register_keras_serializable(package="blocks")
class Boolean(Preprocessor):
    """Declared values to 1 (true) or 0 (false), of text, numbers or booleans. Learns nothing.

    Text is compared without white space around it and with the case of the letters A to Z ignored, unless `exact`. A
    declared integer stands for that number in a column of numbers (booleans are 1 and 0) and for its decimal digits in
    one of text.

    Args:
        true: Strings and integers that become 1.
        false: Those that become 0.
        missing: What a missing value becomes: a number, or "keep" (NaN).
        unseen: What any other value becomes: a number, or "keep" (NaN).
        exact: Whether case and white space around text count.

    Returns:
        float32 of shape (batch,).

    Example:
        >>> Boolean(missing=0.5)(np.array(["Yes", " false ", "", "perhaps"])).numpy()
        array([1. , 0. , 0.5, nan], dtype=float32)
        >>> Boolean(true=[2], false=[1])(np.array([1.0, 2.0])).numpy()
        array([0., 1.], dtype=float32)
    """

    accepts = ("text", "number")
    stacks = True

    def __init__(
        self,
        *,
        true: Sequence[str | int] = ("true", "t", "yes", "y", "on", 1),
        false: Sequence[str | int] = ("false", "f", "no", "n", "off", 0),
        missing: float | str = "keep",
        unseen: float | str = "keep",
        exact: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.true = _declared("true", true)
        self.false = _declared("false", false)
        self.missing = number_or_keep("Boolean", missing)
        self.unseen = number_or_keep("Boolean", unseen)
        self.exact = exact
        texts = [[self._text(value) for value in values] for values in (self.true, self.false)]
        both = sorted(set(texts[0]) & set(texts[1]))
        if both:
            raise InvalidArgument(f"A value is true or false, not both. Received in both lists: {both}.")
        keys = [list(dict.fromkeys(side)) for side in texts]
        self._first_false = len(keys[0])
        self._table = lookup_table(self._keys(keys[0] + keys[1]))

    def _text(self, value: str | int) -> bytes:
        text = str(value).encode()
        return text if self.exact else text.strip().lower()

    @staticmethod
    def _keys(texts: list[bytes]) -> State:
        return pack(pa.array(texts, pa.large_binary()))

    def compute(self, values: Any) -> Any:
        """1, 0, and what missing and other values become, in float64."""
        values = tf.convert_to_tensor(values)
        if values.dtype == tf.string:
            text = values if self.exact else tf.strings.lower(tf.strings.strip(values))
            found = positions(self._table, text, self.name)
            absent = is_missing(text)
            yes, no = (found >= 0) & (found < self._first_false), found >= self._first_false
        else:
            absent = is_missing(values)
            numbers = tf.cast(values, tf.float64)
            yes, no = (_among(numbers, declared) for declared in (self.true, self.false))
        missing, unseen = (np.float64("nan" if value == "keep" else value) for value in (self.missing, self.unseen))
        return tf.where(absent, missing, tf.where(yes, np.float64(1.0), tf.where(no, np.float64(0.0), unseen)))

    def examples(self, dtype: str) -> list[Any]:
        """Declared values, and what is missing or neither."""
        declared = [*self.true, *self.false]
        if dtype == "string":
            return [*(str(value) for value in declared), " TRUE\n", *super().examples(dtype)]
        return [*(value for value in declared if not isinstance(value, str)), *super().examples(dtype)]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "true": self.true,
            "false": self.false,
            "missing": self.missing,
            "unseen": self.unseen,
            "exact": self.exact,
        }


def _declared(which: str, values: Sequence[Any]) -> list[str | int]:
    found: list[str | int] = []
    for value in [] if isinstance(values, str | bytes) else values:
        whole = isinstance(value, bool | int | np.integer) and abs(int(value)) <= 1 << 53
        if not whole and not (isinstance(value, str) and value.strip()):
            raise InvalidArgument(f"Boolean's {which} holds strings and integers. Received: {value!r}.")
        found.append(value if isinstance(value, str) else int(value))
    if not found:
        raise InvalidArgument(f"Boolean's {which} is a list of one value at least. Received: {values!r}.")
    return found


def _among(numbers: Any, declared: Sequence[str | int]) -> Any:
    """Which numbers are declared."""
    among = tf.zeros_like(numbers, tf.bool)
    for value in declared:
        if not isinstance(value, str):
            among |= tf.equal(numbers, np.float64(value))
    return among
