"""Distance: how far two places lie apart on the globe."""

from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from blocks.block import Preprocessor
from blocks.errors import SchemaMismatch
from blocks.preprocessors.float64 import NAN, check_choice, full_packets, number_or_keep

RADIUS: Final = {"km": 6371.0088, "mi": 6371.0088 / 1.609344, "m": 6371008.8}
"""The Earth's mean radius R1 of the IUGG (Moritz, "Geodetic Reference System 1980", 2000)."""


@keras.saving.register_keras_serializable(package="blocks")
class Distance(Preprocessor):
    """Great-circle distance between two places, by the haversine formula. Learns nothing.

    `2 R asin(sqrt(sin^2((lat2 - lat1) / 2) + cos(lat1) cos(lat2) sin^2((lon2 - lon1) / 2)))` on a sphere of radius R =
    6371.0088 km: within 0.6% of the distance on the ellipsoid. The key in `Columns` is the tuple of four columns (lat1,
    lon1, lat2, lon2), in degrees.

    A coordinate that is NaN or infinite, a latitude beyond 90 degrees or a longitude beyond 360 makes the distance
    missing.

    Args:
        unit: "km", "mi" (miles of 1,609.344 m) or "m".
        missing: What a missing distance becomes: "keep" (NaN) or a number.

    Returns:
        float32 of shape (batch,), computed in float64.

    Raises:
        InvalidArgument: The unit is unknown.

    Example:
        >>> jfk, lhr = (40.6398, -73.7789), (51.4706, -0.4619)
        >>> Distance("km")(tuple(tf.constant([x], tf.float64) for x in (*jfk, *lhr))).numpy().round()
        array([5540.], dtype=float32)

    Source: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984).
    """

    several = True

    def __init__(self, unit: str = "km", *, missing: str | float = "keep", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_choice("Distance", "unit", unit, tuple(RADIUS))
        self.unit = unit
        self.missing = number_or_keep("Distance", missing)

    def compute(self, values: Any) -> Any:
        """The distance in float64."""
        coordinates, absent = degrees("Distance", "(lat1, lon1, lat2, lon2)", values, 2)
        lat1, lon1, lat2, lon2 = (value * np.float64(np.pi / 180) for value in coordinates)
        across = full_packets(tf.sin, (lat2 - lat1) * 0.5)
        along = full_packets(tf.sin, (lon2 - lon1) * 0.5)
        narrowing = full_packets(tf.cos, lat1) * full_packets(tf.cos, lat2)
        haversine = tf.minimum(across * across + narrowing * (along * along), 1.0)
        distance = full_packets(tf.asin, tf.sqrt(haversine)) * np.float64(2 * RADIUS[self.unit])
        return tf.where(absent, NAN if self.missing == "keep" else tf.constant(self.missing, tf.float64), distance)

    def examples(self, dtype: str) -> list[Any]:
        """Degrees on both sides of what is valid."""
        return [0.0, 45.5, -73.75, 90.0, -90.0, 180.0, 90.5, float("nan"), float("inf"), 359.0]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "unit": self.unit, "missing": self.missing}


def degrees(block: str, key: str, values: Any, places: int) -> tuple[list[Any], Any]:
    """Latitudes and longitudes in turn as float64, 0 where any of the row's is invalid, and a mask of those rows.

    Raises:
        SchemaMismatch: There are more or fewer columns.
    """
    if not isinstance(values, tuple | list) or len(values) != 2 * places:
        found = len(values) if isinstance(values, tuple | list) else 1
        raise SchemaMismatch(f"{block} takes {2 * places} columns, with the key {key}. Received: {found}.")
    coordinates = [tf.cast(value, tf.float64) for value in values]
    absent = tf.zeros_like(coordinates[0], tf.bool)
    for index, value in enumerate(coordinates):
        # not ~(x <= most): TensorFlow rewrites it in graphs as x > most, which is false of NaN
        absent |= tf.math.is_nan(value) | (tf.abs(value) > (360.0 if index % 2 else 90.0))
    return [tf.where(absent, tf.zeros_like(value), value) for value in coordinates], absent
