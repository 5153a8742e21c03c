"""GeoGrid: a place to the ids of the grid cells that it lies in."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import keras
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import Preprocessor
from blocks.errors import InvalidArgument
from blocks.features.spec import Feature
from blocks.preprocessors.geo.distance import degrees


@keras.saving.register_keras_serializable(package="blocks")
class GeoGrid(Preprocessor):
    """Cell ids of latitude and longitude, one for each resolution: coarse cells generalise, fine ones tell apart.

    A grid's cells are squares in degrees, counted from the south pole and the 180th meridian; those at the northern and
    eastern edge may be narrower. Longitudes wrap: -190 lies where 170 does. The key in `Columns` is the tuple of two
    columns (lat, lon), in degrees. Learns nothing: any place has a cell, seen in training or not.

    Id 0 is missing: a coordinate that is NaN or infinite, a latitude beyond 90 degrees or a longitude beyond 360.
    The cells follow row by row; where a grid has more than `num_bins` of them, they are spread over so many ids by
    their hash (FarmHash of the cell's decimal number, stable over versions and machines), and several share an id.

    Args:
        resolutions: Edge lengths of cells in degrees, from 0.0001 (11 m) to 180; one degree of latitude is 111 km.
        num_bins: Most ids that a grid has, missing aside.

    Returns:
        int32 of shape (batch,) for one resolution, (batch, resolutions) for several; features are named
        `<name>_<resolution>`. The cardinality of each is 1 + min(ceil(180 / r) * ceil(360 / r), num_bins).

    Raises:
        InvalidArgument: A resolution is out of range or stands twice.

    Example:
        >>> block = GeoGrid([90.0, 1.0])
        >>> block((tf.constant([40.6]), tf.constant([-73.8]))).numpy(), [f.cardinality for f in block.outputs("at", ())]
        (array([[    6, 46907]], dtype=int32), [9, 64801])
    """

    several = True

    def __init__(self, resolutions: float | Sequence[float] = (10.0, 1.0), *, num_bins: int = 100_000, **kwargs: Any):
        super().__init__(**kwargs)
        edges = [resolutions] if isinstance(resolutions, int | float) else list(resolutions)
        if not edges or len(set(edges)) < len(edges) or not all(1e-4 <= edge <= 180 for edge in edges):
            raise InvalidArgument(
                f"GeoGrid's resolutions are different numbers of degrees from 0.0001 to 180. Received: {resolutions!r}."
            )
        self.resolutions = [float(edge) for edge in edges]
        self.num_bins = check_whole_number("GeoGrid's num_bins", num_bins, 1, most=2**31 - 2)

    def compute(self, values: Any) -> Any:
        """The ids, int64."""
        (latitude, longitude), absent = degrees("GeoGrid", "(lat, lon)", values, 1)
        north = latitude + 90.0
        east = tf.math.floormod(longitude + 180.0, 360.0)
        ids = [tf.where(absent, tf.zeros_like(cell), cell + 1) for cell in self._cells(north, east)]
        return ids[0] if len(ids) == 1 else tf.stack(ids, axis=-1)

    def _cells(self, north: Any, east: Any) -> list[Any]:
        found = []
        for edge in self.resolutions:
            rows, columns = _shape(edge)
            # a product: TensorFlow rewrites x / constant into one in graphs, other bits than eagerly
            row, column = (
                tf.minimum(tf.cast(tf.math.floor(place * _per_degree(edge)), tf.int64), count - 1)
                for place, count in ((north, rows), (east, columns))
            )
            cell = row * columns + column
            if rows * columns > self.num_bins:
                cell = tf.strings.to_hash_bucket_fast(tf.as_string(cell), self.num_bins)
            found.append(cell)
        return found

    def outputs(self, name: str, columns: tuple[str, ...]) -> list[Feature]:
        """The ids, one feature for each resolution."""
        return [
            Feature(f"{name}_{edge:g}", columns, cardinality=1 + min(rows * across, self.num_bins))
            for edge in self.resolutions
            for rows, across in [_shape(edge)]
        ]

    def examples(self, dtype: str) -> list[Any]:
        """Degrees on both sides of what is valid, edges of cells."""
        return [0.0, 45.5, -73.75, 90.0, -90.0, 180.0, -180.0, 359.0, 90.5, float("nan"), float("inf"), -1e-300]

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "resolutions": self.resolutions, "num_bins": self.num_bins}


def _shape(edge: float) -> tuple[int, int]:
    """The number of rows and columns of a grid."""
    # a quotient within rounding of a whole number is one: 180 / 0.3
    rows, columns = (round(n) if abs(n - round(n)) < 1e-9 * n else ceil(n) for n in (180 / edge, 360 / edge))
    return rows, columns


def _per_degree(edge: float) -> float:
    """Cells in a degree, a whole number where the edge is one of those parts (0.1) that floats cannot hold exactly."""
    cells = 1 / edge
    return float(round(cells)) if abs(cells - round(cells)) < 1e-9 * cells else cells
