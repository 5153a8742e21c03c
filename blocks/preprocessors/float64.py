"""What blocks of numbers share: the same bits at every batch size, results that float32 can hold, and what is missing.

No block lives here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import tensorflow as tf

from blocks.block import State
from blocks.errors import InvalidArgument
from blocks.features.spec import Feature

# float64 scalars: in a graph, TensorFlow takes a Python number beside a tensor for float32
NAN: Final = np.float64(np.nan)
FLOAT32_MAX: Final = np.float64(np.finfo(np.float32).max)
FLOAT64_MAX: Final = np.float64(np.finfo(np.float64).max)
SMALLEST_NORMAL: Final = np.float64(np.finfo(np.float64).tiny)
_PACKET: Final = 16


def full_packets(function: Callable[[Any], Any], values: Any) -> Any:
    """An elementwise function with the same bits at every batch size.

    TensorFlow computes float64 `log1p`, `expm1`, `log`, ... by packets of 4 or 8 values and the last few by scalar
    code, which differ in the last bit. Rounded to float32 that is nearly never seen, but a bin's boundary that was
    learned from such a value tells the two apart. So more than a packet stands behind the batch, and scalar code meets
    no value of it.

    Args:
        function: float64 (n,) to float64 (n,).
        values: float64 of any shape, (batch,) or Keras' (batch, 1) say.

    Example:
        >>> x = tf.constant([0.1, 0.2, 0.3], tf.float64)
        >>> bool(tf.reduce_all(full_packets(tf.math.log1p, x)[2:] == full_packets(tf.math.log1p, x[2:])))
        True
    """
    flat = values if values.shape.rank == 1 else tf.reshape(values, [-1])
    found = function(tf.pad(flat, [[0, _PACKET]], constant_values=1.0))[:-_PACKET]
    return found if values.shape.rank == 1 else tf.reshape(found, tf.shape(values))


def within_float32(values: Any) -> Any:
    """float64 values, those beyond float32's range at its ends; NaN stays."""
    return clip_keep_nan(values, -FLOAT32_MAX, FLOAT32_MAX)


def finite_stays_finite(values: Any) -> Any:
    """The same for finite values only: infinities pass."""
    return tf.where(tf.math.is_inf(values), values, within_float32(values))


def clip_keep_nan(values: Any, low: Any, high: Any) -> Any:
    """float64 values, those beyond the ends at them; NaN stays."""
    return tf.where(values < low, low, tf.where(values > high, high, values))


def infinite_to_ends(values: Any, low: Any, high: Any) -> Any:
    """float64 values, infinite ones at the ends that were seen."""
    return tf.where(tf.math.is_inf(values), tf.where(values > 0, high, low), values)


def scalars(**values: float) -> State:
    """Numbers as state: float64 arrays of no dimension."""
    return {name: np.asarray(value, np.float64) for name, value in values.items()}


def unit_of(low: float, high: float) -> np.float64:
    """The power of two by which the numbers of a column are multiplied before anything else: 1 for nearly all.

    Of numbers near the ends of float64 differences, and what is divided by them, overflow or are subnormal, which
    TensorFlow takes for 0; multiplied by a power of two they keep their digits and have room.

    Args:
        low: The least number that was seen.
        high: The largest.

    Example:
        >>> float(unit_of(0.0, 1e200)), float(unit_of(-1e308, 5.0)) == 2.0**-300, float(unit_of(0, 1e-300)) == 2.0**300
        (1.0, True, True)
    """
    most = max(abs(low), abs(high))
    return np.float64(2.0**-300 if most > 2.0**700 else 2.0**300 if SMALLEST_NORMAL <= most < 2.0**-700 else 1.0)


def with_unit(unit: float, state: State) -> State:
    """A state whose numbers are in a unit: it says so unless that is 1."""
    return state if unit == 1.0 else {**state, **scalars(unit=unit)}


def unit_variable(state: Mapping[str, np.ndarray]) -> tf.Variable | None:
    """What brings values into the unit of a state by division, None where that is 1.

    By division, and by a variable: of two factors TensorFlow makes their product first where that is the smaller work
    (of constants, and of columns beside rows), and that product may be subnormal.
    """
    if "unit" not in state:
        return None
    with tf.init_scope():
        return tf.Variable(1.0 / state["unit"], trainable=False)


def in_unit(values: Any, unit: tf.Variable | None) -> Any:
    """float64 values in the unit of a state."""
    return values if unit is None else values / unit


def from_unit(values: np.ndarray, state: Mapping[str, np.ndarray]) -> np.ndarray:
    """And back."""
    return values / state["unit"] if "unit" in state else values


def divisor(scale: float, unit: float = 1.0) -> np.float64:
    """A scale, in a unit, to divide by: 1 where it is 0, or subnormal, which TensorFlow takes for 0."""
    return np.float64(scale if scale >= SMALLEST_NORMAL else unit)


def flagged(values: Any, absent: Any, indicator: bool) -> Any:
    """Values of `absent`'s shape, or of one axis more, and beside them, if asked, what says what is absent."""
    if not indicator:
        return values
    flag = tf.cast(absent, tf.float64)
    if values.shape.rank == flag.shape.rank:
        return tf.stack([values, flag], axis=-1)
    return tf.concat([values, flag[..., tf.newaxis]], axis=-1)


def flagged_features(features: list[Feature], name: str, columns: tuple[str, ...], indicator: bool) -> list[Feature]:
    """The features, and the indicator's, `<name>_missing`."""
    return [*features, Feature(f"{name}_missing", columns)] if indicator else features


def unflagged(values: Any, indicator: bool) -> np.ndarray:
    """Emitted values (rows,), or (rows, 2) with an indicator, as float64 (rows,) with NaN where it says missing."""
    array = np.asarray(values, np.float64)
    return np.where(array[:, 1] > 0, np.nan, array[:, 0]) if indicator else array


def check_choice(block: str, argument: str, value: Any, choices: tuple[str, ...]) -> None:
    """Refuse an argument that is none of the choices.

    Raises:
        InvalidArgument: It is not.
    """
    if value not in choices:
        raise InvalidArgument(f"{block}'s {argument} is one of {', '.join(map(repr, choices))}. Received: {value!r}.")


def check_percentages(block: str, argument: str, value: Any) -> tuple[float, float]:
    """A rising pair of percentages, as floats.

    Raises:
        InvalidArgument: It is none.
    """
    try:
        low, high = (float(part) for part in value)
    except (TypeError, ValueError):
        low, high = 1.0, 0.0
    if not 0 <= low < high <= 100:
        raise InvalidArgument(f"{block}'s {argument} is two rising percentages, 0 to 100. Received: {value!r}.")
    return low, high


def number_or_keep(block: str, missing: Any) -> str | float:
    """What `missing` says: "keep", or a finite number.

    Raises:
        InvalidArgument: It is neither.
    """
    if isinstance(missing, str) and missing == "keep":
        return missing
    if isinstance(missing, bool) or not isinstance(missing, int | float | np.number) or not np.isfinite(missing):
        raise InvalidArgument(f"{block}'s missing is 'keep' or a finite number. Received: {missing!r}.")
    return float(missing)
