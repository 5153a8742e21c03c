"""Softmax: one of two or more classes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from keras import ops

from blocks.block import Classifier, State
from blocks.data.raw import is_text
from blocks.errors import BadTarget, InvalidArgument, SchemaMismatch
from blocks.statistics import Counts, Statistic

MAX_CLASSES = 10_000


@keras.saving.register_keras_serializable(package="blocks")
class Softmax(Classifier):
    """A probability for each class of the target, by a dense layer and the softmax.

    The classes are the target's distinct values in ascending order, learned with their counts in the pass of `adapt`.
    The loss is the cross-entropy; the metric, `accuracy`.

    Args:
        target: Name of the target column: strings, integers, booleans, or floats.
        classes: The classes in order, when they are given rather than learned.
        class_weight: None, "balanced" (each class weighs alike: rows / (classes * rows of the class), as in
            scikit-learn), or a dict of class to weight. The weights multiply the rows' own in `fit`, not in `evaluate`.
        sample_weight: Name of a column of non-negative weights, or None.
        unusable: "error" or "skip", for rows whose target is missing or unseen.
        state: What an earlier `adapt` learned.

    Returns:
        `probabilities`, float32 of shape (batch, classes).

    Raises:
        BadTarget: At `adapt`, when fewer than two classes are there, or more than 10,000.

    Example:
        >>> import pyarrow as pa
        >>> from blocks import classifiers
        >>> head = classifiers.Softmax("label", classes=["no", "yes"])
        >>> head.encode(pa.array(["yes", "no", None]))
        (array([ 1,  0, -1], dtype=int32), array([ True,  True, False]))
    """

    def __init__(
        self,
        target: str,
        *,
        classes: Sequence[Any] | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        sample_weight: str | None = None,
        unusable: str = "error",
        state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(target, sample_weight=sample_weight, unusable=unusable, state=state, **kwargs)
        if isinstance(class_weight, str) and class_weight != "balanced":
            raise InvalidArgument(f"class_weight is None, 'balanced' or a dict. Received: {class_weight!r}.")
        # pairs rather than a dict: JSON would turn the keys into strings
        self._weights: list[tuple[Any, float]] | str | None = (
            list(class_weight.items()) if isinstance(class_weight, Mapping) else class_weight
        )
        self._given = None if classes is None else list(classes)
        if self._given is not None and not state:
            self.restore(_state(self._given, np.zeros(len(self._given), np.int64)))

    def statistics(self) -> dict[str, Statistic]:
        """The classes' counts."""
        return {"counts": Counts()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The classes and their counts."""
        result = results["counts"].result()
        found = dict(zip(result.values.to_pylist(), result.counts.tolist(), strict=True))
        classes = sorted(found) if self._given is None else self._given
        if not result.exact or len(classes) > MAX_CLASSES:
            raise BadTarget(
                f"A classifier has {MAX_CLASSES:,} classes at most. Received: {self.target!r} with "
                f"{result.distinct:,} distinct values. Use a regressor for a number, or group the classes."
            )
        if len(classes) < 2 or sum(count > 0 for count in found.values()) < 2:
            values = ", ".join(map(repr, found)) or "no usable value"
            raise BadTarget(
                f"A classifier learns from two classes or more. Received: {self.target!r} with {values} "
                f"({result.missing:,} of {result.rows:,} missing)."
            )
        return _state(classes, np.array([found.get(name, 0) for name in classes], np.int64))

    @property
    def classes(self) -> list[Any]:
        """The classes in the order of the probabilities."""
        self.require_adapted()
        return list(json.loads(self.state["classes"].tobytes()))

    @property
    def priors(self) -> np.ndarray:
        """Each class's share of the rows that were adapted on, float64 (classes,)."""
        counts = self.state["counts"]
        return counts / max(counts.sum(), 1)

    @property
    def encoding(self) -> dict[str, Any]:
        """Target, weights and classes."""
        return {"kind": "classes", "target": self.target, "weight": self.sample_weight, "classes": self.classes}

    def encode(self, target: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The class's position, int32, or -1 for a missing or unseen one; and which rows are usable.

        Raises:
            SchemaMismatch: The target is of another type than the classes.
        """
        if isinstance(target, pa.ChunkedArray):
            target = target.combine_chunks()
        if pt.is_dictionary(target.type):
            of_value, _ = self.encode(target.dictionary)
            indices = pc.fill_null(target.indices.cast(pa.int64()), len(of_value)).to_numpy(zero_copy_only=False)
            found = np.append(of_value, np.int32(-1))[indices]
            return found, found >= 0
        known = pa.array(self.classes)
        if pt.is_null(target.type):
            target = target.cast(known.type)
        if is_text(known.type) != is_text(target.type):
            raise SchemaMismatch(
                f"The target {self.target!r} has classes of type {known.type}, as it was when the model was adapted. "
                f"Received: a column of type {target.type}. Cast it."
            )
        if not is_text(known.type) and target.type != known.type:
            target, known = target.cast(pa.float64()), known.cast(pa.float64())
        if pt.is_floating(target.type):
            target = pc.add(target, 0.0)  # Arrow tells -0.0 from 0.0, statistics do not
        found = pc.index_in(target.cast(known.type), value_set=known)
        positions = pc.fill_null(found, -1).to_numpy(zero_copy_only=False)
        return positions, positions >= 0

    def weigh(self, encoded: np.ndarray) -> np.ndarray | None:
        """Each row's class weight, float32."""
        if self._weights is None:
            return None
        if isinstance(self._weights, str):
            counts = self.state["counts"]
            of_class = counts.sum() / (len(counts) * np.maximum(counts, 1))
        else:
            given = dict(self._weights)
            of_class = np.array([given.get(name, 1.0) for name in self.classes])
        return of_class.astype(np.float32)[encoded]

    def build(self, input_shape: Any) -> None:
        """Make the dense layer, the classes being known.

        Raises:
            NotAdapted: They are not.
        """
        self.logits = keras.layers.Dense(len(self.classes), dtype=self.dtype_policy)
        self.logits.build(input_shape)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Probabilities in float32, whatever the precision before."""
        return ops.softmax(ops.cast(self.logits(inputs), "float32"), axis=-1)

    def compute_output_spec(self, inputs: Any) -> Any:
        """(batch, classes), float32."""
        return keras.KerasTensor((inputs.shape[0], len(self.classes)), "float32")

    def default_loss(self) -> keras.losses.Loss:
        """The cross-entropy."""
        return keras.losses.SparseCategoricalCrossentropy(name="cross_entropy")

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """The accuracy."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def answer(self, predictions: Any) -> dict[str, Any]:
        """The probabilities."""
        return {"probabilities": predictions}

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "classes": self._given, "class_weight": self._weights}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Softmax":
        """The block that `get_config` described."""
        weights = config.get("class_weight")
        return cls(**{**config, "class_weight": dict(weights) if isinstance(weights, list) else weights})


def _state(classes: Sequence[Any], counts: np.ndarray) -> State:
    text = json.dumps([_plain(name) for name in classes])
    return {"classes": np.frombuffer(text.encode(), np.uint8).copy(), "counts": counts}


def _plain(name: Any) -> Any:
    if isinstance(name, bytes):
        return name.decode()
    if isinstance(name, np.generic):
        return name.item()
    if not isinstance(name, str | int | float | bool):
        raise BadTarget(f"A class is a string, a number or a boolean. Received: {name!r}. Cast the target.")
    return name
