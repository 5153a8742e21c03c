"""Target scale: from a target's unit to the one in which it is learned, and back. No head lives here."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
from keras import ops

from blocks.block.precision import wide


@dataclasses.dataclass(frozen=True)
class TargetScale:
    """Standardised targets, of a power transform where there is an exponent: 1 leaves numbers as they are, 0 is log1p.

    The transform is Yeo and Johnson's between the least and the largest number seen, and goes on from there as a
    straight line: so every number has an image, every prediction an origin, and none explodes beyond what was seen.

    Args:
        mean: () or (targets,) Mean of the transformed target, measured as `Power` does.
        scale: Its standard deviation, or 1.
        exponent: None to standardise alone.
        origin: Where `Power` measures from, in the logarithm.
        low: The least number that was seen.
        high: The largest.

    Example:
        >>> scale = TargetScale.of({"mean": 1, "scale": 2, "exponent": 0, "origin": 0, "low": 0, "high": 99})
        >>> scale.forward(np.array([0.0, 99.0]), np).round(3)
        array([-0.5  ,  1.803])
        >>> scale.inverse(scale.forward(np.array([-3.0, 7.0, 1e6]), np), np).round(6)
        array([-3.e+00,  7.e+00,  1.e+06])

    Source: Yeo, Johnson, "A New Family of Power Transformations to Improve Normality or Symmetry" (2000).
    """

    mean: np.ndarray
    scale: np.ndarray
    exponent: np.ndarray | None = None
    origin: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Self:
        """The scale that a state, or what `to_config` gave, holds."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: np.asarray(state[name], np.float64) for name in names if state.get(name) is not None})

    def to_config(self) -> dict[str, Any]:
        """All numbers, as JSON has them."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value.tolist() for name, value in values.items() if value is not None}

    def forward(self, values: Any, xp: Any = ops) -> Any:
        """Numbers (batch, ...) in the target's unit to standardised ones; `xp` is `keras.ops` or NumPy."""
        if self.exponent is not None:
            inside = xp.maximum(xp.minimum(values, self.high), self.low)
            beyond = xp.where(values > self.high, 1 / self._knots[3], 1 / self._knots[2])
            values = _bend(inside, self.exponent, self.origin, xp) + (values - inside) * beyond
        return (values - self.mean) / self.scale

    def inverse(self, values: Any, xp: Any = ops) -> Any:
        """Standardised numbers to the target's unit."""
        values = values * self.scale + self.mean
        if self.exponent is None or self.low is None or self.high is None:
            return values
        low, high, slope_low, slope_high = self._knots
        inside = xp.maximum(xp.minimum(values, high), low)
        beyond = xp.where(values > high, slope_high, slope_low)
        # of a column of one sign, the transformed numbers may have the other
        positive = xp.where(self.low >= 0, inside >= low, xp.where(self.high <= 0, inside < low, inside >= 0))
        return _unbend(inside, positive, self.exponent, self.origin, xp) + (values - inside) * beyond

    @cached_property
    def _knots(self) -> tuple[np.ndarray, ...]:
        """The transformed least and largest number, and the slopes of the inverse there."""
        ends = [np.asarray(end) for end in (self.low, self.high)]
        slopes = []
        for end in ends:
            power, log = _power(end >= 0, self.exponent, np), np.copysign(np.log1p(np.abs(end)), end)
            slopes.append((1 + np.abs(end)) * np.exp(-power * (log - self.origin)))
        return (*(_bend(end, self.exponent, self.origin, np) for end in ends), *slopes)


def _power(positive: Any, exponent: Any, xp: Any) -> Any:
    return xp.where(positive, exponent, exponent - 2)


def _bend(values: Any, exponent: Any, origin: Any, xp: Any) -> Any:
    power = _power(values >= 0, exponent, xp)
    distance = xp.sign(values) * xp.log1p(xp.abs(values)) - origin
    straight = power == 0
    return xp.where(straight, distance, xp.expm1(power * distance) / xp.where(straight, 1.0, power))


def _unbend(values: Any, positive: Any, exponent: Any, origin: Any, xp: Any) -> Any:
    power = _power(positive, exponent, xp)
    straight = power == 0
    # the logarithm's argument is positive between the knots; rounding must not take it to 0
    bent = xp.log1p(xp.maximum(power * values, np.finfo(wide()).epsneg - 1)) / xp.where(straight, 1.0, power)
    log = xp.where(straight, values, bent) + origin
    return xp.sign(log) * xp.expm1(xp.abs(log))
