"""The distribution of a numeric column: exact for small data, a KLL sketch of stated error beyond."""

import dataclasses
import math
from typing import Any, Self

import numpy as np
import pyarrow as pa
from datasketches import kll_doubles_sketch
from numpy.typing import ArrayLike

from blocks.errors import InvalidArgument
from blocks.statistics.numeric import NumbersSeen, checked_fractions, finite_numbers, interpolated
from blocks.statistics.statistic import Statistic
from blocks.statistics.tally import Tally

# bytes of one that is held
_NUMBER = 8


@dataclasses.dataclass(frozen=True)
class QuantilesResult(NumbersSeen):
    """What `Quantiles` learned, beside the attributes of `NumbersSeen`.

    Attributes:
        exact: Whether all numbers are still held.
        error: Rank error as a fraction of `count`: a quantile lies between those at q - error and q + error with 99%
            confidence, one q at a time; 0.0 when exact.
    """

    exact: bool
    error: float
    _sorted: np.ndarray = dataclasses.field(repr=False, compare=False)
    _sketch: kll_doubles_sketch | None = dataclasses.field(repr=False, compare=False)

    @property
    def ordered(self) -> np.ndarray:
        """All numbers, rising; none from the sketch."""
        return self._sorted

    def quantile(self, q: ArrayLike) -> np.ndarray:
        """Returns the numbers below which fractions of the column lie.

        Args:
            q: Fractions from 0 to 1, of any shape.

        Returns:
            float64 of the shape of `q`. While exact, interpolated as NumPy's and scikit-learn's default does
            ("linear"); from the sketch, a number of the column. nan when there is no number.

        Raises:
            InvalidArgument: A fraction lies outside 0 to 1.
        """
        fractions = checked_fractions(q)
        if not self.count:
            return np.full(fractions.shape, math.nan)
        if self._sketch is None:
            return interpolated(self._sorted, fractions)
        found = self._sketch.get_quantiles(fractions.ravel().tolist(), True)
        return np.asarray(found, dtype=np.float64).reshape(fractions.shape)

    def smallest(self, k: int) -> float:
        """Returns the k-th smallest finite number; from the sketch, one whose rank is off by `error` at most.

        Args:
            k: From 1 to `count`.

        Raises:
            InvalidArgument: There is no such number.
        """
        if not 1 <= k <= self.count:
            raise InvalidArgument(f"k is from 1 to the {self.count} numbers that there are. Received: {k}.")
        if self._sketch is None:
            return float(self._sorted[k - 1])
        return float(self._sketch.get_quantile(k / self.count, True))

    def rank(self, x: ArrayLike) -> np.ndarray:
        """Returns the fraction of finite numbers that are at most x.

        Args:
            x: Numbers of any shape.

        Returns:
            float64 of the shape of `x`; nan when the column has no number.
        """
        points = np.asarray(x, dtype=np.float64)
        if not self.count:
            return np.full(points.shape, math.nan)
        if self._sketch is None:
            return np.asarray(np.searchsorted(self._sorted, points, side="right") / self.count)
        found = [self._sketch.get_rank(point, True) for point in points.ravel().tolist()]
        return np.asarray(found, dtype=np.float64).reshape(points.shape)

    def numbers(self, most: int) -> np.ndarray:
        """Returns numbers between which ranks are told apart, rising.

        Args:
            most: How many from the sketch, at least 2; while exact, all different numbers are returned.
        """
        if not self.count or self._sketch is None:
            return np.unique(self._sorted)
        return np.unique(self.quantile(np.linspace(0, 1, most)))


class Quantiles(Statistic):
    """Quantiles and ranks of numbers, booleans or times.

    The first `exact` numbers are held, and quantiles are those of NumPy. One more, and all go into DataSketches' KLL
    sketch: a few kilobytes, rank error 0.68% for k=400 (99% confidence). The sketch draws random bits that its library
    offers no seed for, so beyond `exact` a second pass over the same rows agrees within the error, not bit for bit; up
    to `exact`, chunks, order and repetition change nothing. Sample weights are refused: the sketch has none.

    Args:
        k: Size of the sketch, 8 to 65535; the error falls as about 1 / k.
        exact: Numbers held before the sketch takes over, 8 bytes each: 2 MiB by default.

    Example:
        >>> quantiles = Quantiles()
        >>> quantiles.update(pa.array([4.0, 1.0, None, 3.0, 2.0]))
        >>> float(quantiles.result().quantile(0.5))
        2.5

    Source: Karnin, Lang, Liberty, "Optimal Quantile Approximation in Streams" (2016), by Apache DataSketches.
    """

    def __init__(self, k: int = 400, exact: int = 1 << 18) -> None:
        if not 8 <= k <= 65535:
            raise InvalidArgument(f"k is from 8 to 65535. Received: {k}.")
        if exact < 0:
            raise InvalidArgument(f"exact is 0 at least. Received: {exact}.")
        self._k, self._exact = k, exact
        self._tally = Tally()
        self._numbers: list[np.ndarray] = []
        self._sketch: kll_doubles_sketch | None = None

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"k": self._k, "exact": self._exact}

    @property
    def wish(self) -> int:
        """Bytes of the numbers that are held exactly."""
        return _NUMBER * self._exact

    def bounded(self, max_bytes: int) -> Self:
        """Returns a fresh one that holds fewer numbers before the sketch takes over."""
        return type(self)(self._k, max_bytes // _NUMBER)

    def result(self) -> QuantilesResult:
        """Returns the distribution of all rows seen so far; later updates do not change it."""
        tally, sketch = self._tally, self._sketch
        values, low, high, error = self._sorted(), math.nan, math.nan, 0.0
        if sketch is not None:
            sketch = kll_doubles_sketch.deserialize(sketch.serialize())
            low, high, error = sketch.get_min_value(), sketch.get_max_value(), sketch.normalized_rank_error(False)
        elif tally.count:
            low, high = float(values[0]), float(values[-1])
        return QuantilesResult(
            tally.rows, tally.count, tally.missing, tally.negative_infinite, tally.positive_infinite,
            low, high, sketch is None, error, values, sketch,
        )  # fmt: skip

    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        if weights is not None:
            raise InvalidArgument("Quantiles takes no weights. Received: an array of them. Leave them out.")
        numbers = finite_numbers("Quantiles", values, None)
        self._tally.add(numbers.tally)
        # A copy: a view would keep the whole chunk alive, and the sketch takes no read-only array.
        self._take(numbers.values.copy())

    def _merge(self, other: Self) -> None:
        self._tally.add(other._tally)
        for values in other._numbers:
            self._take(values)
        if other._sketch is not None:
            self._to_sketch().merge(other._sketch)

    def _take(self, values: np.ndarray) -> None:
        if self._sketch is not None:
            self._sketch.update(values)
        elif len(values):
            self._numbers.append(values)
            if sum(len(numbers) for numbers in self._numbers) > self._exact:
                self._to_sketch()

    def _to_sketch(self) -> kll_doubles_sketch:
        if self._sketch is None:
            self._sketch = kll_doubles_sketch(self._k)
            for values in self._numbers:
                self._sketch.update(values)
            self._numbers = []
        return self._sketch

    def _sorted(self) -> np.ndarray:
        values = np.sort(np.concatenate([np.zeros(0), *self._numbers]))
        self._numbers = [values] if len(values) else []
        return values

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        sketched = self._sketch is not None
        part = self._sketch.serialize() if self._sketch is not None else self._sorted().astype("<f8").tobytes()
        return {"tally": self._tally.as_list(), "sketched": sketched}, [part]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._tally = Tally(*state["tally"])
        if state["sketched"]:
            self._sketch = kll_doubles_sketch.deserialize(parts[0])
        else:
            self._take(np.frombuffer(parts[0], dtype="<f8").astype(np.float64))
