"""Undo level: predictions about a normalised window, brought back to the window's own level and spread."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from blocks.block import FeatureExtractor, Head, Regressor
from blocks.block.precision import wide
from blocks.errors import InvalidArgument


@keras.saving.register_keras_serializable(package="blocks")
class UndoLevel(keras.layers.Layer):
    """Predictions in the target's unit, which a head made about a normalised window, moved and stretched back.

    A prediction p stands for the number z = (p - mean) / scale of a window of level 0 and spread 1; what comes out is
    offset + size * (level + spread * z). Deviations are stretched alone.

    Args:
        mean: The target's, as the head learned it.
        scale: Its standard deviation.
        unit: (offset, size), by which level and spread are in the target's unit.
        spreads: Whether predictions end in a mean and a standard deviation.
        members: How many members the rows hold.

    Example:
        >>> undo = UndoLevel(mean=10.0, scale=2.0, unit=(0.0, 1.0))
        >>> undo(np.array([10.0, 12.0]), np.array([[100.0, 5.0], [0.0, 3.0]], "float32")).numpy()
        array([100.,   3.])
    """

    def __init__(
        self,
        mean: float,
        scale: float,
        unit: Sequence[float],
        *,
        spreads: bool = False,
        members: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, "dtype": wide(), "trainable": False, **kwargs})
        self.mean, self.scale, self.unit = float(mean), float(scale), tuple(map(float, unit))
        self.spreads, self.members = spreads, members

    def call(self, inputs: Any, level: Any) -> Any:
        """Predictions (batch * members, ...) and levels (batch, 2) to predictions."""
        level = ops.cast(level, wide())
        if self.members > 1:
            level = ops.repeat(level, self.members, axis=0)
        offset, size = self.unit
        shape = (-1, *(1 for _ in inputs.shape[1:]))
        moved = ops.reshape(offset + size * level[:, 0], shape)
        stretched = ops.reshape(size * level[:, 1], shape)
        if not self.spreads:
            return moved + stretched * ((inputs - self.mean) / self.scale)
        middle = moved + stretched * ((inputs[..., :1] - self.mean) / self.scale)
        return ops.concatenate([middle, abs(stretched) * inputs[..., 1:] / self.scale], axis=-1)

    def compute_output_spec(self, inputs: Any, level: Any) -> Any:
        """The predictions'."""
        return keras.KerasTensor(inputs.shape, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "mean": self.mean,
            "scale": self.scale,
            "unit": list(self.unit),
            "spreads": self.spreads,
            "members": self.members,
        }


def undo_of(heads: Mapping[str, Head], extractor: FeatureExtractor) -> dict[str, UndoLevel]:
    """By head, the layer that brings its predictions back, for those that an extractor's normalisation is of.

    Raises:
        InvalidArgument: No head's target is the one that comes next in the normalised column, though there are
            regressors; or the head's predictions cannot be moved.
    """
    norm = extractor.reversible_norm()
    if norm is None:
        return {}
    regressors = {name: head for name, head in heads.items() if isinstance(head, Regressor)}
    found = {name: head for name, head in regressors.items() if head.target == norm.undone_target}
    if regressors and not found:
        raise InvalidArgument(
            f"ReversibleNorm brings predictions of {norm.undone_target!r} back to the level of {norm.column!r}. "
            f"Received: heads of {', '.join(repr(head.target) for head in regressors.values())}. Name the one in that "
            "column's unit: ReversibleNorm(..., target=...)."
        )
    layers = {}
    for name, head in found.items():
        if not head.follows_level:
            raise InvalidArgument(
                "Predictions that are brought back to a level are of a target that is standardised, no more. Received: "
                f"{type(head).__name__} of {head.target!r}. Use Horizons, Quantiles, Gaussian, or Mean untransformed."
            )
        numbers = {key: float(np.asarray(head.state[key])) for key in ("mean", "scale")}
        layers[name] = UndoLevel(
            **numbers, unit=norm.unit or (0.0, 1.0), spreads=head.spreads, members=extractor.members or 1
        )
    return layers
