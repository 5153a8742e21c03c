"""Head, and its two kinds: the roles of what turns a representation into predictions."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
from keras import ops

from blocks.block.base import Block, State
from blocks.block.member_dense import MemberDense
from blocks.errors import BadTarget, InvalidArgument
from blocks.features.names import column_name
from blocks.statistics import Counts, Moments, Statistic
from blocks.targets import target_columns as targets
from blocks.targets.classes import (
    balanced_weights,
    checked_weights,
    class_names,
    class_state,
    decode_classes,
    encode_classes,
    learn_classes,
    require_single,
    weights_of,
)

FARTHEST_TARGET: Final = 1e100
"""How far a regressor's target may lie from 0: the sum of the squares of many errors stays within float64."""


class Head(Block):
    """A representation to predictions. Knows its target, encoding and decoding, loss, metrics and the answers' names.

    A head's state stands in its configuration too, since its shape depends on it (the number of classes). The target is
    one Arrow array: a column or, for a head of several columns, a struct of them (`blocks.targets.target_columns`).

    Args:
        target: Name of the target column; names of several for a head that takes them.
        sample_weight: Name of a column of non-negative weights, or None.
        on_bad_target: What becomes of a row whose target is missing, or unseen in training: "error" or "skip" (left
            out and counted).
        state: What an earlier `adapt` learned, as `get_config` wrote it.
        members: How many members the rows of a representation hold; the core says so before the head is built.
    """

    takes_several: ClassVar[bool] = False
    """Whether the target may be several columns."""

    spreads: ClassVar[bool] = False
    """Whether predictions end in a mean and a standard deviation, so that members together predict a mixture's."""

    wanted: ClassVar[str] = "a target that was seen in training"
    """What a row needs to be usable."""

    gap: ClassVar[float | None] = None
    """What stands in an encoded target for one that is missing, where other heads can use the row; None where there is
    no such value, so that rows without a usable target are left out."""

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        sample_weight: str | None = None,
        on_bad_target: str = "error",
        state: Mapping[str, Any] | None = None,
        members: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.members = members
        if on_bad_target not in ("error", "skip"):
            raise InvalidArgument(f"on_bad_target is 'error' or 'skip'. Received: {on_bad_target!r}.")
        self.target = target if isinstance(target, str) else tuple(target)
        named = bool(self.targets) and all(isinstance(name, str) for name in self.targets)
        if not named or len(set(self.targets)) < len(self.targets):
            raise InvalidArgument(f"A target is the name of a column, or distinct names of some. Received: {target!r}.")
        if not isinstance(target, str) and not self.takes_several:
            raise InvalidArgument(
                f"{type(self).__name__} has one target column. Received: {target!r}. "
                'Give the model a head for each: head={"a": ..., "b": ...}.'
            )
        for name in self.targets:
            column_name(name, "A target")
        self.sample_weight = None if sample_weight is None else column_name(sample_weight, "sample_weight")
        self.on_bad_target = on_bad_target
        if state:
            self.restore({name: np.array(values, dtype) for name, (dtype, values) in state.items()})

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the target's columns."""
        return (self.target,) if isinstance(self.target, str) else self.target

    @property
    def heads(self) -> Mapping[str, "Head"]:
        """The heads by name, where there are several; else this one, by the name of ""."""
        return MappingProxyType({"": self})  # no dict: Keras walks those when it loads, and would not come back

    @abstractmethod
    def statistics(self) -> dict[str, Statistic]:
        """Fresh statistics of the target."""

    def observe(self, statistics: dict[str, Statistic], chunk: pa.Array) -> None:
        """Update statistics by a chunk of the target: each by the whole of it, unless the head says otherwise.

        Raises:
            BadTarget: The head takes no such target.
        """
        for statistic in statistics.values():
            statistic.update(chunk)

    @abstractmethod
    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The state that follows from the target's statistics.

        Raises:
            BadTarget: They allow no learning: no usable value, or one class only.
        """

    def without_target(self, results: Mapping[str, Statistic]) -> dict[str, tuple[int, int]]:
        """By target column, in how many rows there is no usable value, and of how many; {} where it is not known."""
        return {}

    @property
    def learns(self) -> bool:
        """Heads always learn from their target."""
        return True

    def dense(self, units: int, input_shape: Any, **kwargs: Any) -> MemberDense:
        """A dense layer in the head's precision, built, with weights of its own for each member."""
        layer = MemberDense(units, self.members, **{"dtype": self.dtype_policy, **kwargs})
        layer.build(input_shape)
        return layer

    def learns_as(self, other: "Head") -> bool:
        """Whether another head's state would be this one's, of the same data."""
        alike = type(self) is type(other) and self.target == other.target
        return alike and set(self.statistics()) == set(other.statistics())

    @property
    @abstractmethod
    def encoding(self) -> dict[str, Any]:
        """What decides how a target is encoded, as JSON-able data: heads with equal ones can share a store."""

    @abstractmethod
    def encode(self, target: pa.Array) -> tuple[Any, np.ndarray]:
        """The target as the loss takes it, an array (rows, ...), and which rows are usable, (rows,).

        An array of Arrow's null type stands for a target of which every row is missing.
        """

    @abstractmethod
    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """The target as the source has it, of an encoded and usable one."""

    def encode_rows(self, chunk: pa.RecordBatch) -> tuple[Any, np.ndarray]:
        """`encode` of a chunk of the source's rows.

        Raises:
            BadTarget: A row is not usable, and `on_bad_target` is "error".
        """
        target = targets.gather(chunk, self.target)
        encoded, usable = self.encode(target)
        if self.on_bad_target == "error" and not usable.all():
            value = target[int(np.argmin(usable))].as_py()
            raise BadTarget(
                f"Every row needs {self.wanted}. Received: {self.target!r} = {value!r} in "
                f"{int((~usable).sum()):,} of {len(usable):,} rows. Filter such rows out, or give the head "
                "on_bad_target='skip' to leave them out, counted."
            )
        return encoded, usable

    @property
    def filler(self) -> Any:
        """What stands for a gap where a target is computed with, whose result counts for nothing."""
        return 0

    def gaps(self, encoded: Any) -> Any:
        """Which rows of an encoded target, a tensor or array (rows, ...), are gaps: booleans (rows,)."""
        if self.gap is None:
            return ops.zeros(ops.shape(encoded)[:1], "bool")
        gaps = ops.isnan(encoded) if math.isnan(self.gap) else ops.equal(encoded, ops.cast(self.gap, encoded.dtype))
        return gaps if len(gaps.shape) == 1 else ops.any(gaps, axis=tuple(range(1, len(gaps.shape))))

    def without_gaps(self, encoded: Any) -> tuple[Any, Any]:
        """An encoded target with its gaps filled, and which rows are none."""
        gaps = self.gaps(encoded)
        wide = ops.reshape(gaps, (-1, *(1 for _ in encoded.shape[1:])))
        return ops.where(wide, ops.cast(self.filler, encoded.dtype), encoded), ops.logical_not(gaps)

    @property
    def encoded_columns(self) -> tuple[str, ...]:
        """What the columns of the encoded target are called."""
        return self.targets

    @property
    def class_weights(self) -> Any:
        """What rows weigh in training by their class, float32 (classes,); None where all weigh one."""
        return None

    def class_weights_of(self, counts: Sequence[int] | None) -> Any:
        """`class_weights` where the classes have other counts than those that were adapted on; None for the same."""
        return self.class_weights

    @abstractmethod
    def default_loss(self) -> Any:
        """The default `keras.losses.Loss` over (encoded target, predictions)."""

    @abstractmethod
    def default_metrics(self) -> Any:
        """Fresh default `keras.metrics.Metric`s over (encoded target, predictions)."""

    @property
    def loss_weights(self) -> Any:
        """What the losses of several heads weigh in their sum, by head; None where there is one."""
        return None

    @abstractmethod
    def answer(self, predictions: Any) -> dict[str, Any]:
        """The named answers that predictions of shape (batch, ...) are."""

    def get_config(self) -> dict[str, Any]:
        """The configuration, learned state included."""
        return {
            **super().get_config(),
            "target": self.target if isinstance(self.target, str) else list(self.target),
            "sample_weight": self.sample_weight,
            "on_bad_target": self.on_bad_target,
            "state": {name: [value.dtype.str, value.tolist()] for name, value in self.state.items()},
            **({"members": self.members} if self.members > 1 else {}),
        }


class Classifier(Head):
    """A head whose target is one of several classes or, where these do not exclude each other, any of them.

    It learns the classes and their counts.

    Args:
        target: Name of the target column.
        classes: The classes in order, when they are given rather than learned.
        class_weight: None, "balanced", or a dict of class to weight.
        kwargs: As of `Head`.
    """

    gap: ClassVar[float | None] = -1

    exclusive: ClassVar[bool] = True
    """Whether just one class is true of a row, so that the probabilities sum to 1."""

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        classes: Sequence[Any] | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(target, **kwargs)
        self._weights = checked_weights(class_weight)
        self._given = None if classes is None else list(classes)
        if self._given is not None and not self.adapted:
            self.restore(class_state(self._given, [0] * len(self._given), self.targets[0]))

    def statistics(self) -> dict[str, Statistic]:
        """The classes' counts."""
        return {"counts": Counts()}

    def observe(self, statistics: dict[str, Statistic], chunk: pa.Array) -> None:
        """Count the classes of a chunk.

        Raises:
            BadTarget: It holds lists or structs.
        """
        require_single(chunk, self.targets[0])
        super().observe(statistics, chunk)

    def without_target(self, results: Mapping[str, Statistic]) -> dict[str, tuple[int, int]]:
        """Where the target is missing; classes are all those that were seen, unless given."""
        found = results["counts"].result()
        return {self.targets[0]: (found.missing, found.rows)}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The classes, in ascending order unless given, and their counts.

        Raises:
            BadTarget: There are fewer than two, or more than 10,000.
        """
        return learn_classes(results["counts"].result(), self.targets[0], self._given)

    @property
    def classes(self) -> list[Any]:
        """The classes, as str, int, bool or float, in the order of the probabilities."""
        self.require_adapted()
        return class_names(self.state)

    @property
    def priors(self) -> np.ndarray:
        """Each class's share of the rows that were adapted on, float64 (classes,)."""
        counts = self.state["counts"]
        return counts / max(counts.sum(), 1)

    @property
    def encoding(self) -> dict[str, Any]:
        """Target, weights and classes: any classifiers of the same classes encode alike."""
        return {"kind": "classes", "target": self.target, "weight": self.sample_weight, "classes": self.classes}

    def encode(self, target: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The class's position, int32 (rows,), or -1 for a missing or unseen one; and which rows are usable.

        Raises:
            SchemaMismatch: The target is of another type than the classes.
        """
        positions = encode_classes(target, self.classes, self.targets[0])
        return positions, positions >= 0

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """The classes at some positions."""
        return decode_classes(encoded, self.classes)

    @property
    def class_weights(self) -> np.ndarray | None:
        """What rows weigh in training by their class, float32 (classes,); None where all weigh one."""
        return self.class_weights_of(None)

    def class_weights_of(self, counts: Sequence[int] | None) -> np.ndarray | None:
        """What rows weigh in training by their class where the classes have these counts."""
        balanced = balanced_weights(np.asarray(self.state["counts"] if counts is None else counts))
        weights = weights_of(self._weights, self.classes, balanced)
        if weights is not None and not weights.any():
            raise InvalidArgument(f"Some class must weigh more than 0. Received: class_weight={self._weights}.")
        return weights

    def get_config(self) -> dict[str, Any]:
        """The configuration, learned state included."""
        return {**super().get_config(), "classes": self._given, "class_weight": self._weights}


class Regressor(Head):
    """A head whose target is a number, or several at once; its answers are in the targets' units.

    It learns the targets' moments: `mean` and `scale` (1 for a constant target), float64 of shape (), or (targets,)
    where there are several.
    """

    takes_several = True
    wanted: ClassVar[str] = f"a target that is a finite number, within {FARTHEST_TARGET:g} of 0"
    gap: ClassVar[float | None] = math.nan

    def statistics(self) -> dict[str, Statistic]:
        """The moments of each target."""
        return {self.of(column, "moments"): Moments() for column in self.targets}

    def of(self, column: str, name: str) -> str:
        """What a statistic of a target column is called."""
        return name if isinstance(self.target, str) else f"{column}/{name}"

    def observe(self, statistics: dict[str, Statistic], chunk: pa.Array) -> None:
        """Update the moments of each target column.

        Raises:
            BadTarget: One holds no numbers.
        """
        for column, values in self.usable_numbers(chunk).items():
            statistics[self.of(column, "moments")].update(pa.array(values))

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
        found = {column: results[self.of(column, "moments")].result() for column in self.targets}
        return {column: (moments.rows - moments.count, moments.rows) for column, moments in found.items()}

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """The targets' means and scales.

        Raises:
            BadTarget: A target has no finite number, one too far away, or deviations that are too small.
        """
        found = [results[self.of(column, "moments")].result() for column in self.targets]
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
