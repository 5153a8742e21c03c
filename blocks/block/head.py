"""Head: the role of what turns a representation into predictions."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from keras import ops

from blocks.block.base import Block, State
from blocks.block.member_dense import MemberDense
from blocks.errors import BadTarget, InvalidArgument
from blocks.features.names import column_name
from blocks.statistics import Statistic
from blocks.targets import target_columns as targets


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
        are_names = bool(self.targets) and all(isinstance(name, str) for name in self.targets)
        if not are_names or len(set(self.targets)) < len(self.targets):
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

    @classmethod
    def space(cls) -> dict[str, tuple[Any, ...]]:
        """What `blocks.tune` tries, in the form of `FeatureExtractor.space`: nothing.

        What a head is told decides its loss, by which trials are compared: losses of two kinds cannot be.
        """
        return {}

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
