"""Straight line: the unit in which a column's feature stands, where it is no more than moved and stretched."""

from typing import Any

import numpy as np

from blocks.block import FeatureExtractor, Head
from blocks.errors import InvalidArgument
from blocks.preprocessors.columns.columns import Columns

STRAIGHT = 1e-6
"""By how much of its rise a line may bend: rounding far from 0."""


def bind_unit(preprocessor: Any, feature_extractor: FeatureExtractor, head: Head) -> None:
    """Tell an extractor that takes levels away in which unit they are; what is not adapted yet changes nothing.

    Raises:
        InvalidArgument: As of `unit_of`.
    """
    norm = feature_extractor.reversible_norm()
    undone = [] if norm is None else [one for one in head.heads.values() if one.target == norm.undone_target]
    if undone and isinstance(preprocessor, Columns) and preprocessor.adapted:
        about, spread = (float(np.asarray(undone[0].state[name])) for name in ("mean", "scale"))
        norm.unit = unit_of(preprocessor, norm.bound_entry(preprocessor.spec), about, spread)


def unit_of(columns: Columns, entry: str, about: float, spread: float) -> tuple[float, float]:
    """Offset and size by which a feature of an entry is a raw number: offset + size * feature.

    Args:
        columns: Adapted.
        entry: Of numbers, or of windows of them; of several features the first is meant.
        about: A raw number among those of the column.
        spread: How far the column's numbers usually lie from it.

    Raises:
        InvalidArgument: The feature is no straight line of the raw numbers there.

    Example:
        >>> from blocks.offline.adapt import adapt
        >>> from blocks.preprocessors import Standardize
        >>> from blocks.data import read
        >>> columns = Columns({"x": Standardize()})
        >>> summary = adapt(columns, None, read({"x": np.array([[10.0, 14.0], [12.0, 12.0]])}), verbose=0)
        >>> offset, size = unit_of(columns, "x", 12.0, 1.0)
        >>> round(offset, 6), round(size, 6)
        (12.0, 1.414214)
    """
    lane = next(lane for lane, own, _ in columns.outputs_of_lanes() if own is not None and lane.entry_name == entry)
    raw = about + spread * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    rows = np.broadcast_to(raw.reshape(-1, *(1 for _ in lane.shape)), (len(raw), *lane.shape))
    made = np.asarray(lane.compute(rows if len(lane.columns) == 1 else (rows,) * len(lane.columns)), np.float64)
    values = made.reshape(len(raw), -1)[:, 0]
    rise = values[-1] - values[0]
    bent = np.abs(values - np.linspace(values[0], values[-1], len(raw))).max()
    if len(lane.columns) > 1 or not np.isfinite(rise) or not rise or bent > STRAIGHT * abs(rise):
        chain = " > ".join(type(block).__name__ for block in lane.blocks)
        raise InvalidArgument(
            f"Predictions follow the level of {lane.name!r} where its feature is a straight line of the raw numbers: "
            f"Standardize, RobustScale, MinMax, MaxAbs or Impute. Received: {chain}. Transform the column, and with it "
            "the target, before the windows are made."
        )
    size = 2 * spread / rise
    return float(about - size * values[2]), float(size)
