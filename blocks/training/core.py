"""The core: the trained middle of a model, a plain functional `keras.Model` from packed features to predictions.

It reports what its rows say: losses and metrics of an epoch are weighted means over the rows seen, whatever the size of
the batches.

Free of any backend: with a store's `spec` it is built and trained on Keras' JAX or PyTorch backend too.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from blocks.block import FeatureExtractor, Head
from blocks.errors import InvalidArgument
from blocks.features.names import aside
from blocks.features.spec import FeatureSpec
from blocks.heads import of_head
from blocks.training.mean_of_members import MeanOfMembers, fold
from blocks.training.row_losses import REGULARIZATION, RowLosses
from blocks.training.undo_level import undo_of


def build_core(
    spec: FeatureSpec, feature_extractor: FeatureExtractor, head: Head, *, seed: int | None = None
) -> keras.Model:
    """Compose an extractor and an adapted head over features.

    Args:
        spec: The features.
        feature_extractor: Bound to `spec` here.
        head: Its state says how many classes there are, or the target's scale.
        seed: Fixes initial weights and dropout; None leaves them to Keras' global seed.

    Returns:
        A functional model: dict of entries (batch, ...) to predictions.

    Raises:
        NotAdapted: The head has learned nothing yet.

    Example:
        >>> from blocks.classifiers import Softmax
        >>> from blocks.feature_extractors import MLP
        >>> from blocks.features.spec import Feature
        >>> spec = FeatureSpec.pack([Feature("age", ("age",))])
        >>> build_core(spec, MLP([4]), Softmax("label", classes=[0, 1])).output_shape
        (None, 2)
    """
    head.require_adapted()
    feature_extractor.bind(spec)
    # layers of a model have different names: its inputs have the entries'
    for layer in (feature_extractor, head):
        if not layer.built:
            layer.name = aside(layer.name, spec)
    inputs = {name: keras.Input(entry.shape, dtype=entry.dtype, name=name) for name, entry in spec.items()}
    with seeded(seed):
        representation = feature_extractor(inputs)
        if not isinstance(representation, keras.KerasTensor):
            raise InvalidArgument(
                f"A feature extractor returns one tensor of shape (batch, width). "
                f"Received from {type(feature_extractor).__name__}: {type(representation).__name__}."
            )
        level, undone = None, undo_of(head.heads, feature_extractor)
        if undone:
            norm = feature_extractor.reversible_norm()
            level = norm.level()(inputs[norm.bound_entry(spec)])
        predictions = _predictions(head, representation, feature_extractor, level, undone)
        core = Core(inputs, predictions, name="core")
    if len(head.heads) > 1:
        heads = head.heads
        core.without_gaps = lambda name, encoded: heads[name].without_gaps(encoded)
    return core


def _predictions(
    head: Head, representation: Any, feature_extractor: FeatureExtractor, level: Any, undone: Mapping[str, Any]
) -> Any:
    """What the head makes of a representation, or of each of its members, folded into the batch.

    Predictions of the heads in `undone` are brought back to the rows' level.
    """
    members = feature_extractor.members
    if tuple(representation.shape[1:-1]) != (() if members is None else (members,)):
        raise InvalidArgument(
            f"A feature extractor returns (batch, width), or (batch, members, width) when it says its `members`. "
            f"Received from {type(feature_extractor).__name__}, members={members}: {representation.shape}. Pool an "
            "image or a sequence: keras.layers.GlobalAveragePooling2D() behind it, or pooling='avg'."
        )
    for one in head.heads.values():
        one.members = members or 1
    predictions = head(representation if members is None else fold(representation))
    found = {}
    for name, each in _by_head_name(predictions).items():
        if name in undone:
            each = undone[name](each, level)
        found[name] = each if members is None else MeanOfMembers(members, head.heads[name].spreads)(each)
    return found if isinstance(predictions, dict) else found[""]


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Make what Keras draws within repeatable, and leave Python's and NumPy's generators as they were."""
    if seed is None:
        yield
        return
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (Keras seeds the legacy generator)
    try:
        keras.utils.set_random_seed(seed)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


@keras.saving.register_keras_serializable(package="blocks")
class Core(keras.Model):
    """A functional model whose losses and metrics are means over rows, and which knows members and several heads.

    - An epoch's loss is the weighted mean over the rows seen. (Keras' divides each batch's sum by its size.)
    - Predictions of shape (batch,) reach losses and metrics as (batch, 1), since Keras' functions take the mean over
      the last axis, which would be the batch: then the last, smaller batch counts as much as the others.
    - With members, the loss is the mean of the members' losses, and metrics are of the mean of their predictions.
    - Of several heads, a row weighs nothing for one whose target it lacks.
    - `class_weights` multiply the rows' own weights in training, for the loss alone.
    """

    without_gaps: Callable[[str, Any], tuple[Any, Any]] | None = None
    """Of several heads: by name and encoded targets to `Head.without_gaps`."""

    class_weights: Mapping[str, Any] | None = None
    """By head ("" where there is one), what its classes weigh in training, float32 (classes,), or None."""

    _row_losses: RowLosses | None = None

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, loss_weights: Any = None, **kwargs: Any) -> None:
        """As of `keras.Model.compile`."""
        super().compile(optimizer=optimizer, loss=loss, loss_weights=loss_weights, **kwargs)
        self._row_losses = RowLosses(
            {} if loss is None else _by_head_name(loss), {} if loss_weights is None else _by_head_name(loss_weights)
        )
        if self._row_losses:
            self._compile_loss = None  # Keras would trace it at each fit, and report its own means

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """As of `keras.Model.compile_from_config`."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Keras', and the losses."""
        return [*super().metrics, *(self._row_losses.means.values() if self._row_losses else ())]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss of a batch, as Keras' reduction gives it; each member's prediction counts as a row."""
        rows = {
            name: _as_rows(*parts) for name, parts in self._by_head(y, y_pred, sample_weight, weigh=training).items()
        }
        if not self._row_losses:
            return super().compute_loss(x, *_joined(rows), training=training)
        loss = self._row_losses.of_batch(rows)
        return loss + self._row_losses.add_regularization(self.losses) if self.losses else loss

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Metrics so far; of the members' mean."""
        parts = {}
        for name, (true, predicted, weight, members) in self._by_head(y, y_pred, sample_weight).items():
            mean = predicted if members is None else ops.mean(predicted, axis=1)
            parts[name] = _as_rows(true, mean, weight)
        return super().compute_metrics(x, *_joined(parts))

    def get_metrics_result(self) -> dict[str, Any]:
        """Losses and metrics so far, by name."""
        result = super().get_metrics_result()
        if self._row_losses:
            added = result.pop(REGULARIZATION)
            loss = self._row_losses.result()
            result["loss"] = loss + added if self.losses else loss
        return result

    def _by_head(self, y: Any, y_pred: Any, sample_weight: Any, weigh: bool = False) -> dict[str, tuple[Any, ...]]:
        """By head: targets without gaps, predictions, weights of rows or None, number of members or None."""
        found = {}
        for name, predicted in _by_head_name(y_pred).items():
            true = of_head(y, name)
            weight = sample_weight[name] if isinstance(sample_weight, Mapping) else sample_weight
            if self.without_gaps is not None:
                true, there = self.without_gaps(name, true)
                there = ops.cast(there, "float32")
                weight = there if weight is None else ops.cast(weight, "float32") * there
            table = None if self.class_weights is None or not weigh else self.class_weights[name]
            if table is not None:
                of_class = ops.take(ops.convert_to_tensor(table, "float32"), ops.cast(true, "int32"))
                weight = of_class if weight is None else ops.cast(weight, "float32") * of_class
            mean = of_head(self.output, name)
            # predictions of training have one axis more than the core's outputs, if there are members
            members = int(predicted.shape[1]) if len(predicted.shape) > len(mean.shape) else None
            found[name] = true, predicted, weight, members
        return found


def _by_head_name(values: Any) -> dict[str, Any]:
    """What there is by head, where it is: else under the name of a single head, ""."""
    return dict(values) if isinstance(values, Mapping) else {"": values}


def _joined(rows: Mapping[str, tuple[Any, Any, Any]]) -> tuple[Any, ...]:
    """Targets, predictions and weights by head as Keras takes them."""
    if "" in rows:
        return rows[""]
    joined = tuple({name: parts[i] for name, parts in rows.items()} for i in range(3))
    return (*joined[:2], None if any(weight is None for weight in joined[2].values()) else joined[2])


def _as_rows(true: Any, predicted: Any, weight: Any, members: int | None = None) -> tuple[Any, Any, Any]:
    """Targets, predictions and weights, each member's a row of its own, and none a single number without an axis."""
    if members is not None:
        predicted = ops.reshape(predicted, (-1, *predicted.shape[2:]))
        true = ops.repeat(true, members, axis=0)
        weight = None if weight is None else ops.repeat(weight, members, axis=0)
    if len(predicted.shape) == 1:
        true, predicted = (ops.reshape(values, (-1, 1)) for values in (true, predicted))
    return true, predicted, weight
