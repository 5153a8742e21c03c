"""ReversibleNorm: windows to a level of 0 and a spread of 1 each, and predictions back."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.window_level import WindowLevel, level_and_spread
from blocks.features.spec import Entry, FeatureSpec

CENTRES = ("mean", "last")


@keras.saving.register_keras_serializable(package="blocks")
class ReversibleNorm(FeatureExtractor):
    """Take each window's own level and spread away before an extractor, and give them back to what a head predicts.

    A series whose level moves is then foretold in units of each window: the network learns shapes, and predictions
    follow the level, also one that was never seen. Every window of numbers is normalised by itself; predictions of the
    head whose target comes next in `column` (by the names of `blocks.windows`: `close_ahead` of `close`) are stretched
    by that column's spread and moved by its level. Loss and metrics are of what comes out, in the target's unit. Other
    heads, classifiers among them, see the normalised windows alone: nothing of them is undone.

    The representation is the extractor's own. The core computes level and spread beside it, in float32, and undoes them
    in the precision of predictions. `blocks.Model` tells the unit in which the column's features stand, which must be a
    straight line of the raw numbers: `Standardize`, `RobustScale`, `MinMax`, `Impute`. Missing steps that stay NaN
    (`Standardize(missing="keep")`) count for neither, and are at the level afterwards.

    Args:
        extractor: What sees the normalised windows; it is copied.
        column: The column, or entry, whose level predictions are brought back to.
        centre: "mean"; or "last", the last value, by which a linear extractor is the NLinear of its paper.
        scale: Whether to divide by the spread, sqrt(variance + floor^2).
        floor: The least spread, in the feature's unit; a window that does not move has this.
        target: The head's target that is in the column's unit; None for the column's name and "_ahead".
        unit: (offset, size), by which a feature's value is a raw one: offset + size * value; `blocks.Model` binds it.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        What the extractor returns.

    Parameters: the extractor's. The paper's own affine weights are left out: the layers behind have such.

    Example:
        >>> import numpy as np
        >>> from blocks.feature_extractors import DLinear
        >>> extractor = ReversibleNorm(DLinear(kernel_size=None), "close")
        >>> extractor(np.array([[1.0, 3.0], [101.0, 103.0]], "float32")).numpy().round(3)
        array([[-1.,  1.],
               [-1.,  1.]], dtype=float32)

    Source: Kim et al., "Reversible Instance Normalization for Accurate Time-Series Forecasting against Distribution
        Shift" (ICLR 2022); Zeng et al., "Are Transformers Effective for Time Series Forecasting?" (2022), arXiv
        2205.13504, for NLinear.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        column: str,
        *,
        centre: str = "mean",
        scale: bool = True,
        floor: float = 1e-3,
        target: str | None = None,
        unit: Sequence[float] | None = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if not isinstance(extractor, FeatureExtractor) or extractor.reversible_norm() is not None:
            raise InvalidArgument(
                "ReversibleNorm is around one extractor, itself not around another. Received: "
                f"{type(extractor).__name__}."
            )
        if centre not in CENTRES or not floor > 0:
            raise InvalidArgument(
                f"ReversibleNorm's centre is one of {', '.join(CENTRES)}, its floor positive. Received: {centre!r}, "
                f"{floor!r}."
            )
        self.extractor = extractor.copy()
        self.extractor.name = "extractor"  # names below the extractor's own are alike in all: warm_start
        self.column = column
        self.centre, self.scale, self.floor = centre, bool(scale), float(floor)
        self.target = target
        self.unit = None if unit is None else (float(unit[0]), float(unit[1]))

    def reversible_norm(self) -> Self:
        """Itself."""
        return self

    @property
    def members(self) -> int | None:  # type: ignore[override]  # a constant of the class elsewhere
        """Those of the extractor."""
        return self.extractor.members

    @property
    def undone_target(self) -> str:
        """The target whose predictions are brought back."""
        return self.target or f"{self.column}_ahead"

    def level(self) -> WindowLevel:
        """A layer from the entry of the column to its level and spread."""
        return WindowLevel(self.centre, self.scale, self.floor)

    def bound_entry(self, spec: FeatureSpec) -> str:
        """The entry of the column.

        Raises:
            InvalidArgument: The column is no window of numbers.
        """
        name = spec.entry_of(self.column)
        if name is None or not _is_numbers(spec[name]):
            raise InvalidArgument(
                f"ReversibleNorm is of a column of windows of numbers: {', '.join(_windows(spec)) or 'there is none'}. "
                f"Received: {self.column!r}."
            )
        return name

    def bind(self, spec: FeatureSpec) -> None:
        """Take the specification.

        Raises:
            InvalidArgument: The column is no window of numbers.
        """
        self.bound_entry(spec)
        super().bind(spec)
        self.extractor.bind(spec)

    def make(self, input_shape: Any) -> None:
        """Build the extractor."""
        if self.spec is not None:
            self.extractor.bind(self.spec)
        self.extractor.build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The extractor's representation of the normalised windows."""
        if not isinstance(inputs, Mapping):
            return self.extractor(self._normalised(inputs), training=training)
        windows = set(_windows(self.spec or {}))
        given = {name: self._normalised(values) if name in windows else values for name, values in inputs.items()}
        return self.extractor(given, training=training)

    def _normalised(self, values: Any) -> Any:
        """Windows (batch, steps), or (batch, steps, features) of which the first is normalised; NaN as 0."""
        first = values if len(values.shape) == 2 else values[..., 0]
        level, spread = level_and_spread(first, self.centre, self.scale, self.floor)
        moved = (first - level) / spread
        moved = ops.where(ops.isnan(moved), ops.zeros_like(moved), moved)
        if len(values.shape) == 2:
            return moved
        return ops.concatenate([moved[..., None], values[..., 1:]], axis=2)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        extractor = keras.saving.serialize_keras_object(self.extractor)
        extractor.pop("build_config", None)  # it is built by this one
        return {
            **super().get_config(),
            "extractor": extractor,
            "column": self.column,
            "centre": self.centre,
            "scale": self.scale,
            "floor": self.floor,
            "target": self.target,
            "unit": None if self.unit is None else list(self.unit),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ReversibleNorm":
        """The block that `get_config` described."""
        return cls(**{**config, "extractor": keras.saving.deserialize_keras_object(config["extractor"])})


def _is_numbers(entry: Entry) -> bool:
    return entry.window and entry.dtype == "float32"


def _windows(spec: Mapping[str, Entry]) -> list[str]:
    return [name for name, entry in spec.items() if _is_numbers(entry)]
