"""Naive forecasts: what a series was last, or a season ago, is what it will be."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.arguments import check_whole_number, checked
from blocks.baselines.judging import judged
from blocks.block import Head
from blocks.data import read
from blocks.data.schema import require_columns
from blocks.errors import EmptySource, InvalidArgument
from blocks.regressors import Horizons
from blocks.statistics import Quantiles
from blocks.targets import target_columns as targets
from blocks.targets.description import describe_heads

CHUNK_ROWS = 8192

HELD_ERRORS = 1 << 22
"""Errors of all steps that are held, 8 bytes each; beyond, their quantiles are a sketch's."""


class NaiveForecast:
    """The last season of each window, repeated; with quantiles of the errors that this made in training.

    `naive` and `seasonal_naive` make it. It answers rows wherever a model does: in `blocks.evaluate`, and in
    `blocks.compare(..., data=rows)` as it is.

    Args:
        head: A `Horizons`, adapted.
        season: Steps of a season.
        gap: Steps between a window's last and the target's first.
        errors: (steps, levels) quantiles of the truth less the forecast, 0 in the middle; (steps, 0) where the head has
            no quantiles.
    """

    def __init__(self, head: Horizons, season: int, gap: int, errors: np.ndarray) -> None:
        self.head, self.season, self.gap, self.errors = head, season, gap, errors

    @property
    def inputs(self) -> list[str]:
        """The raw column that it reads."""
        assert self.head.history is not None
        return [self.head.history]

    def point(self, chunk: pa.RecordBatch) -> np.ndarray:
        """The repeated seasons of a chunk, float64 (rows, steps).

        Raises:
            InvalidArgument: The windows are shorter than a season.
        """
        (name,) = self.inputs
        history = targets.steps(chunk.column(name), name)
        length = history.shape[1]
        if length < self.season:
            raise InvalidArgument(f"A season lies within a window. Received: {self.season}, of windows of {length}.")
        # a missing step counts as the one a season before it; where there is none, as the mean
        if np.isnan(history).any():
            history = history.copy()
            for step in range(self.season, length):
                absent = np.isnan(history[:, step])
                history[absent, step] = history[absent, step - self.season]
            history[np.isnan(history)] = self.head.state["mean"]
        assert self.head.steps is not None
        ahead = self.gap + np.arange(self.head.steps)
        return history[:, length - self.season + ahead % self.season]

    def predictions(self, chunk: pa.RecordBatch) -> np.ndarray:
        """What a head would predict: (rows, steps), or (rows, steps, levels) of quantiles."""
        point = self.point(chunk)
        return point[..., None] + self.errors if self.errors.shape[1] else point

    def answers(self, chunk: pa.RecordBatch) -> dict[str, np.ndarray]:
        """Every answer of a chunk of rows."""
        return {name: np.asarray(values) for name, values in self.head.answer(self.predictions(chunk)).items()}

    def describe(self) -> dict[str, Any]:
        """What it is, as a digest, and its head."""
        digest = hashlib.blake2b(f"naive {self.season} {self.gap}".encode(), digest_size=16)
        digest.update(np.ascontiguousarray(self.errors).tobytes())
        return {"model": digest.hexdigest(), "heads": describe_heads(self.head)}

    def predict(self, data: Any) -> dict[str, np.ndarray]:
        """Answers by name, (rows, ...) each, of rows (anything that `blocks.read` takes)."""
        parts = [self.answers(chunk) for chunk in read(data).chunks(CHUNK_ROWS, columns=self.inputs)]
        if not parts:
            raise EmptySource("There is nothing to predict. Received: no row.")
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def evaluate(self, data: Any) -> dict[str, float]:
        """Loss and metrics by name, as `Model.evaluate` gives them, of rows (anything that `blocks.read` takes)."""
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for chunk in read(data).chunks(CHUNK_ROWS):
            encoded, usable = self.head.encode_rows(chunk)
            found.append((self.predictions(chunk)[usable], encoded[usable]))
        predictions, truth = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return judged(self.head, predictions, truth, None)

    def __repr__(self) -> str:
        return f"<NaiveForecast of {self.head.target}, season {self.season}>"


@checked()
def naive(data: Any, head: Head, *, gap: int = 0, seed: int = 0) -> NaiveForecast:
    """The last value of each window, at every step: what a random walk's best forecast is.

    Args:
        data: As of `seasonal_naive`, and so are the head and `gap`.
        head: A `Horizons`.
        gap: Steps between a window's last and the target's first; they change the errors' quantiles alone.
        seed: Without effect: nothing is drawn.

    Example:
        >>> from blocks import regressors
        >>> rows = {"y": np.array([[1.0, 2.0], [2.0, 4.0]]), "y_ahead": np.array([[3.0, 3.0], [4.0, 5.0]])}
        >>> naive(rows, regressors.Horizons("y_ahead")).predict(rows)["prediction"]
        array([[2., 2.],
               [4., 4.]])
    """
    return _learned(data, head, 1, gap)


@checked()
def seasonal_naive(data: Any, head: Head, *, season: int | None = None, gap: int = 0, seed: int = 0) -> NaiveForecast:
    """The last season of each window, repeated.

    Args:
        data: Rows of windows (anything that `blocks.read` takes) to learn the errors' quantiles from, by step.
        head: A `Horizons`, adapted or not, whose `history` is the column of the windows.
        season: Steps of a season; None for the head's.
        gap: Steps between a window's last and the target's first, as given to `blocks.windows`.
        seed: Without effect: nothing is drawn.

    Raises:
        InvalidArgument: The head is another or names no history, or a window is shorter than a season.

    Example:
        >>> from blocks import regressors
        >>> rows = {"y": np.array([[1.0, 2.0], [2.0, 4.0]]), "y_ahead": np.array([[1.0, 3.0], [2.0, 5.0]])}
        >>> seasonal_naive(rows, regressors.Horizons("y_ahead", season=2)).evaluate(rows)["mean_absolute_error"]
        0.5

    Source: Hyndman, Athanasopoulos, "Forecasting: Principles and Practice", section 5.2.
    """
    return _learned(data, head, season, gap)


def _learned(data: Any, head: Head, season: int | None, gap: int) -> NaiveForecast:
    if not isinstance(head, Horizons) or head.history is None:
        raise InvalidArgument(
            "A naive forecast repeats the history of a Horizons head's target. Received: "
            f"{type(head).__name__} of {head.target!r}. Name it: regressors.Horizons(..., history='close')."
        )
    season = check_whole_number("season", head.season if season is None else season, least=1)
    source, head = read(data), head.copy()
    columns = list(dict.fromkeys([str(head.history), *head.targets]))
    require_columns(columns, source.schema.names, "A naive forecast")

    def chunks() -> Iterator[pa.RecordBatch]:
        return source.chunks(CHUNK_ROWS, columns=columns)

    if not head.adapted:
        head.restore(head.learn(head.observe_all(chunk.column(head.targets[0]) for chunk in chunks())))
    steps, levels = head.steps or 0, head.levels or ()
    made = NaiveForecast(head, season, check_whole_number("gap", gap), np.zeros((steps, len(levels))))
    if not levels:
        return made
    errors = [Quantiles(exact=HELD_ERRORS // steps) for _ in range(steps)]
    for chunk in chunks():
        encoded, usable = head.encode(chunk.column(head.targets[0]))
        for one, column in zip(errors, (encoded - made.point(chunk))[usable].T, strict=True):
            one.update(pa.array(np.ascontiguousarray(column)))
    quantiles = np.stack([one.result().quantile(levels) for one in errors])
    # the forecast itself is the middle one, and none crosses it
    middle = head.middle
    quantiles[:, middle] = 0.0
    quantiles[:, :middle] = np.minimum(quantiles[:, :middle], 0.0)
    quantiles[:, middle + 1 :] = np.maximum(quantiles[:, middle + 1 :], 0.0)
    return NaiveForecast(head, season, made.gap, quantiles)
