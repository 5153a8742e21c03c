"""FeatureExtractor: the role of what turns packed features into a representation."""

from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
import pyarrow as pa

from blocks.block.base import Block, State, usable
from blocks.block.feature_learner import FeatureLearner
from blocks.errors import InvalidArgument
from blocks.features.spec import NUMERIC, FeatureSpec
from blocks.statistics import Statistic


class FeatureExtractor(Block):
    """Packed features to a representation of shape (batch, width). Trained, and free of any backend.

    `bind` tells it what the features are before it is built; alone, without a specification, it takes one float tensor.
    One with `members` returns (batch, members, width): the core then predicts for each member and averages.

    A subclass writes `make`, `call` and `compute_output_shape`. Layers inside that are `FeatureLearner`s (the bins of
    piecewise-linear embeddings) learn from features before the first training step: `fit` sees to it; alone, `adapt`
    does. What they learned is weights.

    `trainable = False` freezes it, before or after it is built; compile again if the core was compiled.
    """

    members: int | None = None
    """How many members the representation has, or None for a plain one."""

    def reversible_norm(self) -> Any:
        """The `ReversibleNorm` whose normalisation is undone of predictions: itself, one inside, or None."""
        return None

    def __init__(self, spec: FeatureSpec | Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        # features keep their precision until a layer inside casts them
        super().__init__(**{"autocast": False, **kwargs})
        self.spec = spec if spec is None or isinstance(spec, FeatureSpec) else FeatureSpec.from_json(spec)

    def bind(self, spec: FeatureSpec) -> None:
        """Take the specification of the features to come.

        Raises:
            InvalidArgument: The extractor is built already, for other features.
        """
        if self.built and self.spec != spec:
            raise InvalidArgument(
                f"{type(self).__name__} is built for {self.spec}. Received: {spec}. Use a new extractor: copy() it."
            )
        self.spec = spec

    def make(self, input_shape: Any) -> None:
        """Make the layers, the features' shapes being known."""

    def build(self, input_shape: Any) -> None:
        """Make the layers; freeze them, and give them what was learned, where that was said before they were there."""
        self.make(input_shape)
        self.built = True
        if not self.trainable:  # type: ignore[has-type]  # a property of Keras without a type
            self.trainable = True  # TensorFlow lets through what changes an attribute, no more
            self.trainable = False
        if self._state is not None:
            self.restore(self._state)

    def learners(self) -> list[FeatureLearner]:
        """The layers inside that learn from features; known once the extractor is built."""
        return [layer for layer in self._flatten_layers(include_self=False) if isinstance(layer, FeatureLearner)]

    @property
    def learns(self) -> bool:
        """Whether a layer inside learns from features."""
        return bool(self.learners())

    @property
    def adapted(self) -> bool:
        """Whether all that learn have learned."""
        return all(learner.adapted for learner in self.learners())

    @property
    def state(self) -> State:
        """What was learned from features, as the weights have it."""
        if not self.built:
            return super().state
        return {f"{i}/{name}": value for i, part in enumerate(self.learners()) for name, value in part.state.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Put what was learned into effect; at `build`, if that is still to come."""
        super().restore(state)
        if self.built and state:
            for index, learner in enumerate(self.learners()):
                learner.restore({name: state[f"{index}/{name}"] for name in learner.learned})

    def forget(self) -> None:
        """Drop what a copy, not built yet, knows of features that are no longer the same."""
        self._state = None

    def statistics(self) -> dict[str, Statistic]:
        """Fresh statistics of the features that are learned from, by their names; empty where nothing is learned."""
        return {name: statistic for learner in self.learners() for name, statistic in learner.statistics().items()}

    def observe(self, statistics: dict[str, Statistic], chunk: Any) -> None:
        """Update statistics by one chunk of features as `call` takes them, NumPy arrays of shape (rows, ...)."""
        numbers = np.asarray(chunk[NUMERIC] if isinstance(chunk, Mapping) else chunk)
        for position, name in enumerate(number_names(self.spec, numbers.shape[1])):
            if name in statistics:
                statistics[name].update(pa.array(numbers[:, position]))

    def learn(self, results: Mapping[str, Statistic]) -> State:
        """What each of the layers learns."""
        return {f"{i}/{name}": v for i, part in enumerate(self.learners()) for name, v in part.learn(results).items()}

    def adapt(self, chunks: Any) -> Self:
        """Learn from features, for use outside a `Model`, whose `fit` does this.

        Args:
            chunks: Features as `call` takes them (NumPy arrays), or an iterable of such chunks.

        Returns:
            The extractor itself, built.
        """
        statistics: dict[str, Statistic] | None = None
        for features in [chunks] if isinstance(chunks, Mapping | np.ndarray) else chunks:
            if not self.built:
                self.build(keras.tree.map_structure(lambda value: (None, *np.shape(value)[1:]), features))
            statistics = self.statistics() if statistics is None else statistics
            self.observe(statistics, features)
        usable(float(bool(statistics)) if self.learns else 1.0, type(self).__name__)
        self.restore(self.learn(statistics or {}))
        return self

    def copy(self) -> Self:
        """A new block of the same configuration and state; of the same weights in layers that came with theirs."""
        twin = super().copy()
        twin.take_pretrained(self)
        return twin

    def take_pretrained(self, other: "FeatureExtractor") -> None:
        """Take, from one of the same configuration, the weights of layers that came with theirs, at any depth."""
        for mine, its in zip(self._extractors(), other._extractors(), strict=False):
            mine.take_pretrained(its)

    def _extractors(self) -> list["FeatureExtractor"]:
        layers = self._flatten_layers(include_self=False, recursive=False)
        return [layer for layer in layers if isinstance(layer, FeatureExtractor)]

    def warm_start(self, other: Any) -> list[str]:
        """Copy another extractor's weights where name (below the extractor's own) and shape agree.

        Args:
            other: A built extractor, or anything that has one as `feature_extractor`: a `Model`.

        Returns:
            The names of this extractor's weights that found no counterpart, and are as they were.

        Raises:
            InvalidArgument: One of the two is not built, or nothing fits.
        """
        other = getattr(other, "feature_extractor", other)
        for extractor in (self, other):
            if not isinstance(extractor, FeatureExtractor) or not extractor.built:
                raise InvalidArgument(
                    f"A warm start is between two built extractors. Received: {extractor!r}. Adapt both models first."
                )
        theirs = _weights_by_name(other)
        left = []
        for name, weight in (ours := _weights_by_name(self)).items():
            if name in theirs and theirs[name].shape == weight.shape:
                weight.assign(theirs[name])
            else:
                left.append(name)
        if ours and len(left) == len(ours):
            raise InvalidArgument(
                f"A warm start needs weights of the same name and shape. Received: {type(other).__name__} with "
                f"{_shapes(theirs)}, for {type(self).__name__} with {_shapes(ours)}."
            )
        return left

    @classmethod
    def space(cls) -> dict[str, tuple[Any, ...]]:
        """What `blocks.tune` tries, as plain data: nothing, unless the extractor says more.

        Returns:
            By the name of an argument: ("float", low, high, log), ("int", low, high, log), both ends included, or
            ("choice", [values]). The values are what `get_config` may hold.

        Example:
            >>> from blocks.feature_extractors import MLP
            >>> MLP.space()["dropout"]
            ('float', 0.0, 0.5, False)
        """
        return {}

    def save_own_variables(self, store: Any) -> None:
        """Write the extractor's own weights; those of its layers, learned ones included, are written by them."""
        keras.layers.Layer.save_own_variables(self, store)

    def get_config(self) -> dict[str, Any]:
        """The configuration, the bound specification included."""
        return {**super().get_config(), "spec": self.spec.to_json() if self.spec is not None else None}


def number_names(spec: FeatureSpec | None, width: int) -> tuple[str, ...]:
    """Names of the numeric features; their positions where there is no specification."""
    if spec is None:
        return tuple(map(str, range(width)))
    return spec[NUMERIC].names if NUMERIC in spec else ()


def _weights_by_name(extractor: FeatureExtractor) -> dict[str, Any]:
    return {weight.path.removeprefix(f"{extractor.path}/"): weight for weight in extractor.weights}


def _shapes(weights: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {tuple(weight.shape)}" for name, weight in weights.items())
