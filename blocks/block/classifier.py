"""Classifier: the kind of head whose target is one of several classes, or any of them."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from blocks.block.base import State
from blocks.block.head import Head
from blocks.errors import InvalidArgument
from blocks.statistics import Counts, Statistic
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
