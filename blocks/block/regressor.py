"""Regressor: the kind of head whose target is a number, or several at once."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa

from blocks.block.base import State
from blocks.block.head import Head
from blocks.errors import BadTarget
from blocks.statistics import Moments, Statistic
from blocks.targets import target_columns as targets

FARTHEST_TARGET: Final = 1e100
"""How far a regressor's target may lie from 0: the sum of the squares of many errors stays within float64."""


class Regressor(Head):
    """A head whose target is a number, or several at once; its answers are in the targets' units.

    It learns the targets' moments: `mean` and `scale` (1 for a constant target), float64 of shape (), or (targets,)
    where there are several.
    """

    takes_several = True
    wanted: ClassVar[str] = f"a target that is a finite number, within {FARTHEST_TARGET:g} of 0"
    gap: ClassVar[float | None] = math.nan

    follows_level: ClassVar[bool] = False
    """Whether predictions may be moved and stretched, as those of a standardised target may be."""

    @property
    def history(self) -> str | None:
        """The column of windows of which the target is what comes next, by the names that `blocks.windows` gives."""
        one = self.targets[0] if len(self.targets) == 1 else ""
        return one.removesuffix("_ahead") if one.endswith("_ahead") else None

    def statistics(self) -> dict[str, Statistic]:
        """The moments of each target."""
        return {self.statistic_name(column, "moments"): Moments() for column in self.targets}

    def statistic_name(self, column: str, name: str) -> str:
        """What a statistic of a target column is called."""
        return name if isinstance(self.target, str) else f"{column}/{name}"

    def observe(self, statistics: dict[str, Statistic], chunk: pa.Array) -> None:
        """Update the moments of each target column.

        Raises:
            BadTarget: One holds no numbers.
        """
        for column, values in self.usable_numbers(chunk).items():
            statistics[self.statistic_name(column, "moments")].update(pa.array(values))

    def usable_numbers(self, target: pa.Array) -> dict[str, np.ndarray]:
        """Each target column, as float64; where rows may be skipped, NaN for a number too far away to be used."""
        parts = {self.target: target} if isinstance(self.target, str) else targets.columns(target, self.targets)
        numbers = {column: targets.numbers(part, column) for column, part in parts.items()}
        if self.on_bad_target != "skip":
            return numbers
        return {
            column: np.where(np.abs(values) <= FARTHEST_TARGET, values, np.nan) for column, values in numbers.items()
        }

    def without_target(self, results: Mapping[str, Statistic]) -> dict[str, tuple[int, int]]:
        """Where a target is missing or infinite."""
        found = {column: results[self.statistic_name(column, "moments")].result() for column in self.targets}
        return {column: (moments.rows - moments.count, moments.rows) for column, moments in found.items()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The targets' means and scales.

        Raises:
            BadTarget: A target has no finite number, one too far away, or deviations that are too small.
        """
        found = [results[self.statistic_name(column, "moments")].result() for column in self.targets]
        for column, moments in zip(self.targets, found, strict=True):
            if not moments.count:
                raise BadTarget(
                    f"A regressor learns from numbers that are there. Received: {column!r}, of whose {moments.rows:,} "
                    "values none is finite."
                )
            if max(-moments.min, moments.max) > FARTHEST_TARGET:
                raise BadTarget(
                    f"A regressor's target lies within {FARTHEST_TARGET:g} of 0: squares of errors beyond it have no "
                    f"room in float64. Received: {column!r} from {moments.min:g} to {moments.max:g}. If that is for "
                    "a missing value, make it null, or give the head on_bad_target='skip'; else divide the column by a "
                    "unit."
                )
            if 0 < moments.std < 1 / FARTHEST_TARGET:
                raise BadTarget(
                    f"A regressor's target is constant or deviates by {1 / FARTHEST_TARGET:g} at least: squares of "
                    f"smaller errors are 0 in float64. Received: {column!r} with a deviation of {moments.std:g}. "
                    "Multiply the column by a unit."
                )
        return self.joined(
            mean=[moments.mean for moments in found],
            scale=[moments.std if moments.std > 0 else 1.0 for moments in found],
        )

    @property
    def filler(self) -> Any:
        """The targets' means."""
        return self.state["mean"]

    def joined(self, **values: Sequence[float]) -> State:
        """State of one number for each target: () where there is one, else (targets,)."""
        return {
            name: np.asarray(of_each[0] if isinstance(self.target, str) else of_each, np.float64)
            for name, of_each in values.items()
        }

    @property
    def encoding(self) -> dict[str, Any]:
        """Targets and weights: any regressors of the same numbers encode alike."""
        target = self.target if isinstance(self.target, str) else list(self.target)
        return {"kind": "number", "target": target, "weight": self.sample_weight}

    def encode(self, target: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The numbers themselves, float64 (rows,) or (rows, targets), and which rows are usable: within 1e100 of 0.

        Raises:
            BadTarget: A column holds no numbers.
        """
        if isinstance(self.target, str):
            values = targets.numbers(target, self.target)
            return values, np.abs(values) <= FARTHEST_TARGET
        parts = targets.columns(target, self.targets)
        values = np.stack([targets.numbers(parts[column], column) for column in self.targets], axis=1)
        return values, (np.abs(values) <= FARTHEST_TARGET).all(axis=1)

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """The numbers themselves."""
        return np.asarray(encoded, np.float64)
