"""Length: how long a text is."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.preprocessors.categorical.token_table import is_missing
from blocks.preprocessors.float64 import check_choice, number_or_keep


@keras.saving.register_keras_serializable(package="blocks")
class Length(Preprocessor):
    """The number of characters, or bytes, of a text. Learns nothing.

    Args:
        unit: "characters" (Unicode code points of UTF-8: bytes that do not continue one are counted) or "bytes".
        missing: What a missing text ("") becomes: a number, or "keep" (NaN).

    Returns:
        float32 of shape (batch,).

    Example:
        >>> Length()(np.array(["Zürich", ""])).numpy(), Length(unit="bytes")(np.array(["Zürich"])).numpy()
        (array([6., 0.], dtype=float32), array([7.], dtype=float32))
    """

    accepts = ("text",)
    stacks = True

    def __init__(self, *, unit: str = "characters", missing: float | str = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_choice("Length", "unit", unit, ("characters", "bytes"))
        self.unit = unit
        self.missing = number_or_keep("Length", missing)

    def compute(self, values: Any) -> Any:
        """The lengths in float64."""
        lengths = tf.strings.length(values, unit="UTF8_CHAR" if self.unit == "characters" else "BYTE")
        missing = np.float64("nan" if self.missing == "keep" else self.missing)
        return tf.where(is_missing(values), missing, tf.cast(lengths, tf.float64))

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "unit": self.unit, "missing": self.missing}
