"""Horizons: the next steps of a series, each with its quantiles."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
import pyarrow as pa
from keras import ops

from blocks.arguments import check_whole_number
from blocks.block import Regressor, State
from blocks.block.precision import wide
from blocks.block.regressor import FARTHEST_TARGET
from blocks.errors import BadTarget, InvalidArgument
from blocks.regressors.component_metric import PartMetric
from blocks.regressors.coverage_metric import CoverageMetric
from blocks.regressors.error_metrics import error_metrics
from blocks.regressors.forecast_metrics import SymmetricPercentageError, WeightedQuantileLoss
from blocks.regressors.mean import LOSSES, StandardizedLoss
from blocks.regressors.ordered_quantiles import checked_levels, nearest_half, normal_start, ordered
from blocks.regressors.quantiles import PinballLoss
from blocks.regressors.target_scale import TargetScale
from blocks.statistics import Moments, Statistic
from blocks.targets import target_columns as targets


@keras.saving.register_keras_serializable(package="blocks")
class Horizons(Regressor):
    """The next steps of a series, each with quantiles that do not cross: by the pinball loss on standardised targets.

    The target is a list of as many numbers in each row, as `blocks.windows(..., horizon=96, target="close")` gives it
    in `close_ahead` (a single number is one step). One mean and one standard deviation are learned of all steps. Of
    each step, the level nearest 0.5 is predicted by itself, each other one as a positive step (softplus) from its
    neighbour.

    `postprocessors.ConformalInterval` learns a margin for each step, so that each has its coverage. With
    `feature_extractors.ReversibleNorm` predictions are in units of each window's own level and spread.

    Args:
        target: Name of the target column.
        quantiles: The levels, ascending, between 0 and 1; None for one number a step, by `loss`.
        loss: Without quantiles: "mse" (the steps' means), "mae" (their medians) or "huber".
        history: The column that holds the steps before the target's, for baselines and scaled errors; None for the
            target's name without "_ahead".
        season: How many steps make a season, 24 for hours that resemble those of the day before; for the seasonal naive
            baseline and for scaled errors.
        drift: Whether each step has a constant of its own, the same for every row. Without, behind a `ReversibleNorm`,
            the way that series went in training is not taken for the one that they will go.
        sample_weight: Name of a column of non-negative weights, or None.
        on_bad_target: "error" or "skip", for rows in whose target a step is missing or infinite.
        state: What an earlier `adapt` learned.

    Returns:
        `prediction`, float64 (float32 on JAX) of shape (batch, steps), that of the level nearest 0.5; and `quantiles`,
        (batch, steps, levels).

    Raises:
        BadTarget: At `adapt`, when a target is no list of numbers, lists differ in length, or none is usable.

    Parameters: (width + 1) * steps * levels; without drift `steps` less.

    Example:
        >>> import pyarrow as pa
        >>> from blocks import regressors
        >>> head = regressors.Horizons("close_ahead", quantiles=(0.1, 0.5, 0.9))
        >>> head.restore({"mean": np.array(10.0), "scale": np.array(2.0), "steps": np.array(2)})
        >>> head(np.zeros((1, 4), "float32")).numpy().round(3)
        array([[[ 7.437, 10.   , 12.563],
                [ 7.437, 10.   , 12.563]]])
        >>> head.encode(pa.array([[1.0, 2.0], [3.0, None]]))
        (array([[ 1.,  2.],
               [ 3., nan]]), array([ True, False]))

    Source: Koenker, Bassett, "Regression Quantiles" (1978); Wen et al., "A Multi-Horizon Quantile Recurrent Forecaster"
        (2017), arXiv 1711.11053, whose direct forecasts of all steps these are.
    """

    takes_several = False
    follows_level = True
    wanted: ClassVar[str] = f"a target of finite numbers, within {FARTHEST_TARGET:g} of 0"

    def __init__(
        self,
        target: str,
        quantiles: Sequence[float] | None = (0.1, 0.5, 0.9),
        *,
        loss: str = "mse",
        history: str | None = None,
        season: int = 1,
        drift: bool = True,
        sample_weight: str | None = None,
        on_bad_target: str = "error",
        state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(target, sample_weight=sample_weight, on_bad_target=on_bad_target, state=state, **kwargs)
        self.levels = None if quantiles is None else checked_levels(quantiles, "Horizons")
        if loss not in LOSSES:
            raise InvalidArgument(f"Horizons' loss is one of {', '.join(LOSSES)}. Received: {loss!r}.")
        self._loss, self._history = loss, history
        self.drift = bool(drift)
        self.season = check_whole_number("season", season, least=1)

    # -- the target ----------------------------------------------------------------------------------------------------

    @property
    def steps(self) -> int | None:
        """How many steps a target has; None where that is yet to be learned."""
        return int(self.state["steps"]) if self.adapted else None

    @property
    def history(self) -> str | None:
        """The column of the steps before the target's."""
        return self._history or super().history

    def statistics(self) -> dict[str, Statistic]:
        """The moments of all steps, and of how many there are."""
        return {"moments": Moments(), "steps": Moments()}

    def observe(self, statistics: dict[str, Statistic], chunk: pa.Array) -> None:
        """Update the moments by every step; the number of steps by the rows that have all of them.

        Raises:
            BadTarget: The target holds no lists of numbers, or lists of several lengths.
        """
        values = targets.steps(chunk, self.targets[0])
        if self.on_bad_target == "skip":
            values = np.where(np.abs(values) <= FARTHEST_TARGET, values, np.nan)
        statistics["moments"].update(pa.array(values.reshape(-1)))
        there = np.isfinite(values).all(axis=1)
        statistics["steps"].update(pa.array(np.where(there, float(values.shape[1]), np.nan)))

    def without_target(self, results: Mapping[str, Statistic]) -> dict[str, tuple[int, int]]:
        """Where a step is missing or infinite."""
        found = results["steps"].result()
        return {self.targets[0]: (found.rows - found.count, found.rows)}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """Mean and scale of all steps, and their number.

        Raises:
            BadTarget: As of every regressor; or no row has all steps, or rows have several numbers of them.
        """
        found = results["steps"].result()
        if found.count and found.min != found.max:
            raise BadTarget(
                f"A target of many steps has as many in each row. Received: {self.target!r} with {found.min:g} to "
                f"{found.max:g}."
            )
        state = super().learn(results)
        if not found.count:
            raise BadTarget(
                f"A forecast is learned from rows with all steps. Received: {self.target!r} with no such row."
            )
        return {**state, "steps": np.asarray(int(found.max))}

    @property
    def encoding(self) -> dict[str, Any]:
        """Target and weights: heads of the same steps encode alike."""
        return {**super().encoding, "kind": "steps"}

    def encode(self, target: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The numbers themselves, float64 (rows, steps), and which rows have all of them, within 1e100 of 0.

        Raises:
            BadTarget: The target holds no lists of so many numbers.
        """
        values = targets.steps(target, self.targets[0], self.steps)
        return values, (np.abs(values) <= FARTHEST_TARGET).all(axis=1)

    # -- the prediction ------------------------------------------------------------------------------------------------

    @property
    def middle(self) -> int:
        """The position of the level nearest 0.5."""
        return nearest_half(self.levels or (0.5,))

    def build(self, input_shape: Any) -> None:
        """Make the dense units."""
        self.require_adapted()
        start = normal_start(self.levels) if self.levels else np.zeros(1)
        assert self.steps is not None
        # of zeros, what is foretold starts as the target's distribution, whatever the row: values that are alike, as
        # those of a window are, would leave a random start in place where they say nothing, for good
        options: dict[str, Any] = {"kernel_initializer": "zeros", "use_bias": self.drift}
        biases = keras.initializers.Constant(np.tile(start, self.steps).tolist())
        self.units = self.dense(self.steps * len(start), input_shape, bias_initializer=biases, **options)
        self.apart = None
        if not self.drift and len(start) > 1:
            others = np.tile(np.delete(start, self.middle), (self.steps, 1))
            constant = keras.initializers.Constant(others.tolist())
            self.apart = self.add_weight(others.shape, initializer=constant, name="apart")
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The predictions in the target's unit."""
        units = ops.cast(self.units(inputs), wide())
        if self.levels:
            units = ops.reshape(units, (-1, self.steps, len(self.levels)))
            if self.apart is not None:
                apart = ops.cast(self.apart, units.dtype)
                below, above = apart[:, : self.middle], apart[:, self.middle :]
                units = units + ops.concatenate([below, ops.zeros_like(apart[:, :1]), above], axis=1)
            units = ordered(units, self.middle)
        return TargetScale.of(self.state).inverse(units)

    def compute_output_spec(self, inputs: Any) -> Any:
        """(batch, steps, levels), or (batch, steps)."""
        self.require_adapted()
        of_each = (len(self.levels),) if self.levels else ()
        return keras.KerasTensor((inputs.shape[0], self.steps, *of_each), wide())

    def default_loss(self) -> keras.losses.Loss:
        """The pinball loss, or the one that is named, over standardised errors."""
        self.require_adapted()
        scale = self.state["scale"].tolist()
        return PinballLoss(self.levels, scale) if self.levels else StandardizedLoss(self._loss, scale)

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """The errors of `prediction` over all steps, in the target's unit and as shares; of quantiles theirs."""
        place = [self.middle] if self.levels else []
        percentage: keras.metrics.Metric = SymmetricPercentageError()
        if self.levels:
            percentage = PartMetric(percentage, predicted=place)
        found = [*error_metrics(self, place), percentage]
        found += [WeightedQuantileLoss(self.levels)] if self.levels else []
        return [*found, CoverageMetric()] if self.levels and len(self.levels) > 1 else found

    def answer(self, predictions: Any) -> dict[str, Any]:
        """The prediction of each step, and its quantiles."""
        if not self.levels:
            return {"prediction": predictions}
        return {"prediction": predictions[..., self.middle], "quantiles": predictions}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "quantiles": None if self.levels is None else list(self.levels),
            "loss": self._loss,
            "history": self._history,
            "season": self.season,
            "drift": self.drift,
        }
