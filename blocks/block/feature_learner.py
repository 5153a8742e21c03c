"""FeatureLearner: what a layer inside a feature extractor is that learns from features before the first training step.

Which layers do lives in `feature_extractors`; when the pass over the features runs, in `training`.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from blocks.statistics import Statistic


class FeatureLearner(keras.layers.Layer):
    """A layer whose non-trainable weights of fixed shape are learned from statistics of the features, by their names.

    A subclass calls `add_learned` in `build`. That learning was done is a weight too, so that files, and a run that is
    resumed, know it.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._learned_names: list[str] = []

    @abstractmethod
    def statistics(self) -> dict[str, Statistic]:
        """Fresh statistics of the features that the layer learns from, by the features' names."""

    @abstractmethod
    def learn(self, results: Mapping[str, Statistic]) -> dict[str, np.ndarray]:
        """The weights by name that follow from updated statistics. Changes nothing: `restore` does."""

    def add_learned(self, name: str, initial: np.ndarray) -> Any:
        """Add a weight that is learned, with what it is before; it stays in float32 under any precision policy."""
        self._learned_names.append(name)
        if len(self._learned_names) == 1:
            self.adapted_flag = self.add_weight((), initializer="zeros", trainable=False, name="adapted")
        weight = self.add_weight(
            initial.shape, initializer="zeros", dtype="float32", trainable=False, autocast=False, name=name
        )
        weight.assign(initial)
        return weight

    @property
    def adapted(self) -> bool:
        """Whether learning was done; False of a layer that is not built."""
        return self.built and bool(keras.ops.convert_to_numpy(self.adapted_flag) > 0)

    @property
    def learned(self) -> tuple[str, ...]:
        """Names of the weights that are learned."""
        return tuple(self._learned_names)

    @property
    def state(self) -> dict[str, np.ndarray]:
        """What was learned, by name; empty before."""
        if not self.adapted:
            return {}
        return {name: keras.ops.convert_to_numpy(getattr(self, name)) for name in self._learned_names}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Put what `learn` gave into effect."""
        for name in self._learned_names:
            getattr(self, name).assign(state[name])
        self.adapted_flag.assign(1.0)
