"""Quantiles that never cross: out of units of a dense layer, and where those start. No head lives here."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from keras import ops

from blocks.errors import InvalidArgument


def checked_levels(levels: Sequence[float], name: str) -> tuple[float, ...]:
    """Levels of quantiles.

    Raises:
        InvalidArgument: They are not ascending, or not between 0 and 1.
    """
    found = tuple(float(level) for level in levels)
    if not found or not all(a < b for a, b in zip((0.0, *found), (*found, 1.0), strict=True)):
        raise InvalidArgument(f"{name}' levels are ascending, between 0 and 1. Received: {found}.")
    return found


def nearest_half(levels: Sequence[float]) -> int:
    """The position of the level nearest 0.5.

    Example:
        >>> nearest_half([0.1, 0.5, 0.9])
        1
    """
    return int(np.argmin(np.abs(np.asarray(levels) - 0.5)))


def normal_start(levels: Sequence[float]) -> np.ndarray:
    """The units of which `ordered` makes the quantiles of a standard normal distribution, (levels,)."""
    normal = np.array([NormalDist().inv_cdf(level) for level in levels])
    steps = np.log(np.expm1(np.diff(normal)))
    middle = nearest_half(levels)
    return np.insert(steps, middle, normal[middle])


def ordered(units: Any, middle: int) -> Any:
    """Units (..., levels) as ascending numbers: the middle one itself, each other a softplus away from its neighbour.

    Example:
        >>> ordered(np.log(np.expm1([[2.0, 1.0, 3.0]])), 1).numpy().round(3).tolist()  # softplus undone: 2, 1, 3
        [[-1.459, 0.541, 3.541]]
    """
    centre = units[..., middle : middle + 1]
    below = centre - ops.flip(ops.cumsum(ops.flip(ops.softplus(units[..., :middle]), -1), -1), -1)
    above = centre + ops.cumsum(ops.softplus(units[..., middle + 1 :]), -1)
    return ops.concatenate([below, centre, above], axis=-1)
