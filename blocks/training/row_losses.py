"""Losses as means over rows: what a core reports of an epoch, whatever the size of its batches. Free of any backend."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from blocks.block.precision import wide

REGULARIZATION = "regularization"


class RowMean(keras.metrics.Metric):
    """A mean over rows, of the sums that batches give: what a loss is over an epoch."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype=wide())
        self.total = self.add_variable((), "zeros", name="total")
        self.weight = self.add_variable((), "zeros", name="weight")

    def update_state(self, total: Any, weight: Any) -> None:
        """Add a batch: the weighted sum of its rows' values, and the sum of their weights."""
        self.total.assign_add(ops.cast(total, self.dtype))
        self.weight.assign_add(ops.cast(weight, self.dtype))

    def result(self) -> Any:
        """The mean; NaN where no row weighs anything."""
        return self.total / self.weight


class RowLosses:
    """Losses by head ("" where there is one), and their means over the rows seen.

    A dict or list of metrics in a Keras model would be tracked by it; this is neither.

    Args:
        losses: By head, as `compile` takes them. What is no loss of one head's rows is left to Keras: then there are
            none here.
        weights: By head, what a loss weighs in their sum; 1.0 unless given.
    """

    def __init__(self, losses: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
        found = {name: _as_loss(one) for name, one in losses.items() if one is not None}
        understood = all(type(one).__call__ is keras.losses.Loss.__call__ for one in found.values())
        self._losses = found if understood else {}
        self._weights = {name: 1.0 if weight is None else float(weight) for name, weight in weights.items()}
        self.means = {name: RowMean(f"{name}_loss" if name else "loss") for name in self._losses}
        if self._losses:
            self.means[REGULARIZATION] = RowMean(REGULARIZATION)

    def __bool__(self) -> bool:
        return bool(self._losses)

    def of_batch(self, rows: Mapping[str, tuple[Any, Any, Any]]) -> Any:
        """The loss of a batch, as Keras' reduction gives it; its rows count in the means.

        Args:
            rows: By head, targets, predictions and weights or None.
        """
        parts = []
        for name, loss in self._losses.items():
            true, predicted, weight = rows[name]
            true, predicted = (ops.convert_to_tensor(values, dtype=loss.dtype) for values in (true, predicted))
            values = loss.call(true, predicted)
            self.means[name].update_state(*_sums(values, weight, ops.shape(predicted)[:1]))
            value = ops.cast(_Reduced(loss)(values, values, sample_weight=weight), keras.config.floatx())
            parts.append(value * self._weights.get(name, 1.0))
        return sum(parts)

    def add_regularization(self, losses: Any) -> Any:
        """The sum of what layers add to a batch's loss; it counts in the mean."""
        added = sum(ops.sum(ops.cast(loss, keras.config.floatx())) for loss in losses)
        self.means[REGULARIZATION].update_state(added, 1)
        return added

    def result(self) -> Any:
        """The weighted sum of the heads' means."""
        return sum(self._weights.get(name, 1.0) * self.means[name].result() for name in self._losses)


class _Reduced(keras.losses.Loss):
    """Values of rows, reduced as a loss reduces its own."""

    def __init__(self, loss: keras.losses.Loss) -> None:
        super().__init__(name="reduced", reduction=loss.reduction, dtype=loss.dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The values."""
        return y_pred


class _LossOfFunction(keras.losses.Loss):
    """A function of targets and predictions as a loss."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__(name="loss")
        self.call = function


def _as_loss(loss: Any) -> Any:
    """A loss, a function or a name as Keras' `compile` takes it, as a loss; what is none of these as it is."""
    if isinstance(loss, keras.losses.Loss):
        return loss
    try:
        found = keras.losses.get(loss)
    except (TypeError, ValueError):
        return loss  # "crossentropy", say, which Keras chooses by the shapes
    return _LossOfFunction(found) if callable(found) and not isinstance(found, keras.losses.Loss) else found


def _sums(values: Any, weight: Any, shape: Any) -> tuple[Any, Any]:
    """The weighted sum of the rows' losses, and the sum of their weights."""
    rows = ops.cast(values, wide())
    if len(rows.shape) > 1:
        rows = ops.mean(rows, axis=tuple(range(1, len(rows.shape))))
    weight = ops.ones(shape, wide()) if weight is None else ops.cast(weight, wide())
    return ops.sum(ops.where(weight != 0, weight * rows, 0.0)), ops.sum(weight)
