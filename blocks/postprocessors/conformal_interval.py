"""ConformalInterval: a low and a high that hold the truth so often."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.block import AnswerChunk, Head, Postprocessor, Regressor, State
from blocks.errors import InvalidArgument
from blocks.postprocessors.coverage import checked_coverage, quantile_of
from blocks.statistics import Quantiles, Statistic

SKETCH = 4096

EXACT = 1 << 18
"""Scores of one target, or one step, up to which margins are exact."""

MOST_SCORES = 1 << 25
"""Scores that all of them hold at once, 8 bytes each."""

KINDS = ("quantiles", "standard_deviation", "prediction")
"""What an interval is made of, best first; its place here is what the state holds."""


@keras.saving.register_keras_serializable(package="blocks")
class ConformalInterval(Postprocessor):
    """Add `low` and `high`, which hold the truth for a share `coverage` of new rows.

    Where the head answers `quantiles`, two of them are moved apart, or together, by one learned margin (conformalised
    quantile regression): the levels nearest (1 - coverage) / 2 and (1 + coverage) / 2, or the first and last where the
    levels are not known. Otherwise the interval is the prediction and a margin on both sides, in standard deviations
    where the head answers `standard_deviation` (split conformal, normalised), else of one width for all rows.

    The margin is the ceil((n + 1) coverage)-th smallest of n held-out rows' scores: how far the truth lies outside
    (less than 0: inside). Rows being exchangeable, the coverage then lies between `coverage` and `coverage` +
    1 / (n + 1), over rows, whatever the model. Scores are exact up to 262,144 rows (fewer
    where there are more than 128 targets or steps); beyond, the margin's rank is off by
    about 0.1% of them at most. Sample weights are not used: the promise counts rows. Several targets have a margin
    each, and each its coverage; so has every step of a forecast. (Windows that follow each other are less than
    independent, and a series changes: the coverage of a later time is then about what is promised, no more.)

    Args:
        coverage: The share, between 0 and 1. Calibration takes coverage / (1 - coverage) rows at least (9 for 0.9);
            a thousand for a coverage that varies by about a point.
        levels: The quantiles' levels; `blocks.Model` binds them.

    Returns:
        The answers, `low` and `high`, of the prediction's shape and dtype. Where a learned margin would turn an
        interval inside out, both are its middle.

    Source:
        Romano, Patterson and Candes, Conformalized Quantile Regression, 2019 (arXiv 1905.03222); Lei et al.,
        Distribution-Free Predictive Inference for Regression, 2018 (arXiv 1604.04173).

    Example:
        >>> from blocks.block import AnswerChunk
        >>> block = ConformalInterval(0.8).calibrate(AnswerChunk({"prediction": np.zeros(9)}, np.arange(9.0)))
        >>> answers = block({"prediction": np.array([10.0])})
        >>> answers["low"].numpy(), answers["high"].numpy()
        (array([3.]), array([17.]))
    """

    needs = (("quantiles", "prediction"),)
    adds = ("low", "high")

    def __init__(self, coverage: float = 0.9, *, levels: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.coverage = checked_coverage(self, coverage)
        self._levels = None if levels is None else [float(level) for level in levels]
        self._restore({"margin": np.asarray(np.nan)})

    def bind(self, head: Head) -> None:
        """Take the head's levels, if it has any.

        Raises:
            InvalidArgument: The head is no regressor.
        """
        if not isinstance(head, Regressor):
            raise InvalidArgument(
                f"ConformalInterval works on a regressor's answers. Received: a {type(head).__name__} head. "
                "Use ConformalSet for classes."
            )
        levels = getattr(head, "levels", None)
        self._levels = self._levels if levels is None else [float(level) for level in levels]

    def observe(self, statistics: dict[str, Statistic], chunk: AnswerChunk) -> None:
        """Add a chunk's scores.

        Raises:
            InvalidArgument: Answers and targets differ in shape.
        """
        kind, target = _kind(chunk.answers), chunk.target
        low, high, unit = self._parts(
            {name: tf.constant(chunk.answers[name]) for name in KINDS if name in chunk.answers}
        )
        low, high = low.numpy(), high.numpy()
        if low.shape != target.shape:
            raise InvalidArgument(
                f"ConformalInterval is calibrated on a target for each prediction. Received: {kind} for shape "
                f"{low.shape}, targets of shape {target.shape}."
            )
        scores = np.maximum(low - target, target - high) / (1.0 if unit is None else unit.numpy())
        columns = np.atleast_2d(scores.T)
        for index, column in enumerate(columns):
            if f"{kind} {index}" not in statistics:
                statistics[f"{kind} {index}"] = Quantiles(SKETCH, min(EXACT, MOST_SCORES // len(columns)))
            statistics[f"{kind} {index}"].update(pa.array(column))

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The margins, and what they are of.

        Raises:
            EmptySource: There are fewer rows than the coverage takes.
        """
        kinds = {name.split()[0] for name in results}
        if len(kinds) > 1:
            raise InvalidArgument(f"One calibration is on one kind of answers. Received: {', '.join(sorted(kinds))}.")
        (kind,) = kinds
        margins = [
            quantile_of(self, results[f"{kind} {index}"].result(), self.coverage) for index in range(len(results))
        ]
        return {
            "margin": np.asarray(margins[0] if len(margins) == 1 else margins),
            "kind": np.asarray(KINDS.index(kind), np.int32),
        }

    def _restore(self, state: State) -> None:
        with tf.init_scope():
            self._margin = tf.Variable(state["margin"], trainable=False)

    def _parts(self, answers: Mapping[str, Any]) -> tuple[Any, Any, Any]:
        """Low and high before the margin, and the margin's unit or None, all float64."""
        kind = _kind(answers)
        if kind != "quantiles":
            middle = tf.cast(answers["prediction"], tf.float64)
            return middle, middle, tf.cast(answers[kind], tf.float64) if kind == "standard_deviation" else None
        quantiles = tf.cast(answers["quantiles"], tf.float64)
        below, above = 0, quantiles.shape[-1] - 1
        if self._levels is not None:
            below, above = (
                int(np.argmin(np.abs(np.array(self._levels) - end)))
                for end in ((1 - self.coverage) / 2, (1 + self.coverage) / 2)
            )
        return quantiles[..., below], quantiles[..., above], None

    def call(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The answers, `low` and `high`."""
        if self.state and KINDS[int(self.state["kind"])] != _kind(inputs):
            raise InvalidArgument(
                f"ConformalInterval was calibrated on {KINDS[int(self.state['kind'])]!r}. Received: answers with "
                f"{_kind(inputs)!r}. Calibrate it on the answers that it is used on."
            )
        low, high, unit = self._parts(inputs)
        margin = self._margin if unit is None else self._margin * unit
        low, high = low - margin, high + margin
        middle = (low + high) / 2
        dtype = (inputs["prediction"] if "prediction" in inputs else inputs["quantiles"]).dtype
        low, high = tf.minimum(low, middle), tf.maximum(high, middle)
        return {**inputs, "low": tf.cast(low, dtype), "high": tf.cast(high, dtype)}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "coverage": self.coverage, "levels": self._levels}


def _kind(answers: Mapping[str, Any]) -> str:
    return next(kind for kind in KINDS if kind in answers)
