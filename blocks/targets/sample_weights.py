"""Sample weights: a column of what rows weigh, as numbers that rows can be weighed by."""

import math

import numpy as np
import pyarrow as pa

from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import RawColumn
from blocks.errors import BadTarget


def sample_weights(values: pa.Array, name: str, *, most: float = math.inf) -> np.ndarray:
    """A column of sample weights, float64 (rows,).

    Args:
        values: The column.
        name: Its name, for the message.
        most: What a row may weigh at most.

    Raises:
        BadTarget: One is missing, negative, not finite or more than that.
        SchemaMismatch: The column holds no numbers.

    Example:
        >>> sample_weights(pa.array([1, 2]), "weight").tolist()
        [1.0, 2.0]
    """
    weights = to_raw(values, RawColumn("float64"), name)
    fits = (weights >= 0) & (weights <= most) & np.isfinite(weights)
    if not fits.all():
        bound = f"{most:g}".replace("+", "")
        limit = "" if math.isinf(most) else f", and at most {bound}: losses are weighed in float32"
        raise BadTarget(
            f"Sample weights are finite and not negative{limit}. Received: {name!r} with {weights[~fits][0]}. "
            "Clean the column, or divide it by the largest."
        )
    return weights
