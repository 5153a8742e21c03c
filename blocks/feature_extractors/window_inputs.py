"""WindowInputs: windows of one length as steps with channels, and all else as one vector. Not a block.

The beginning that extractors over time share.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from blocks.errors import InvalidArgument
from blocks.feature_extractors.inputs import TabularInputs, embedding_width
from blocks.features.spec import Entry, FeatureSpec


@keras.saving.register_keras_serializable(package="blocks")
class WindowInputs(keras.layers.Layer):
    """The longest windows side by side, a channel for each number of a step; ids of steps by a table each.

    What is no such window is the rest: numbers, ids (of the entity, say), windows of other lengths (known ahead of
    time, over the horizon): one vector, as `TabularInputs` makes it. Missing values that stayed NaN are 0.

    Args:
        spec: The packed features' specification; None for a plain tensor (batch, steps) or (batch, steps, channels).
        embedding_dim: Width of every embedding of ids; None for `embedding_width` of each cardinality.

    Returns:
        Steps, float (batch, steps, channels), and the rest, (batch, width) or None.

    Raises:
        InvalidArgument: At build, when there is no window.
    """

    def __init__(
        self, spec: FeatureSpec | Mapping[str, Any] | None = None, embedding_dim: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.spec = spec if spec is None or isinstance(spec, FeatureSpec) else FeatureSpec.from_json(spec)
        self.embedding_dim = embedding_dim

    def stacked(self) -> dict[str, Entry]:
        """The entries that are steps."""
        windows = {name: entry for name, entry in (self.spec or {}).items() if entry.window}
        longest = max((entry.shape[0] or 0 for entry in windows.values()), default=0)
        return {name: entry for name, entry in windows.items() if entry.shape[0] == longest}

    def _width(self, entry: Entry) -> int:
        """How many channels an entry gives."""
        values = math.prod(size or 1 for size in entry.shape[1:])
        cardinality = entry.features[0].cardinality
        return values if cardinality is None else values * (self.embedding_dim or embedding_width(cardinality))

    def build(self, input_shape: Any) -> None:
        """Make the embeddings."""
        self.tables: dict[str, Any] = {}
        self.rest = None
        stacked = self.stacked()
        if isinstance(input_shape, Mapping):
            if not stacked:
                raise InvalidArgument(
                    "An extractor over time reads windows: columns of lists of one length, as blocks.windows gives "
                    f"them. Received: {sorted(input_shape)}. Use another, or make the windows columns of the model."
                )
            for name, entry in stacked.items():
                if (ids := entry.features[0].cardinality) is not None:
                    shape = (ids, self.embedding_dim or embedding_width(ids))
                    normal = keras.initializers.RandomNormal(stddev=0.05)
                    self.tables[name] = self.add_weight(shape, initializer=normal, name=f"embeddings_step_{name}")
            others = {name: entry for name, entry in (self.spec or {}).items() if name not in stacked}
            if others:
                self.rest = TabularInputs(FeatureSpec(others), self.embedding_dim, dtype=self.dtype_policy, name="rest")
                self.rest.build({name: (None, *entry.shape) for name, entry in others.items()})
        elif len(input_shape) not in (2, 3):
            raise InvalidArgument(f"Windows are (batch, steps) or (batch, steps, channels). Received: {input_shape}.")
        self.built = True

    def call(self, inputs: Any) -> tuple[Any, Any]:
        """Steps and rest."""
        if not isinstance(inputs, Mapping):
            return self._channels(inputs), None
        parts = []
        for name in self.stacked():
            values = inputs[name]
            if name in self.tables:
                values = ops.take(self.tables[name], values, axis=0)
                values = ops.reshape(values, (-1, values.shape[1], math.prod(values.shape[2:])))
            parts.append(self._channels(values))
        steps = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=2)
        return steps, None if self.rest is None else self.rest({name: inputs[name] for name in self.rest.spec or {}})

    def _channels(self, values: Any) -> Any:
        """(batch, steps) or (batch, steps, channels) as the latter, in the precision of computing."""
        values = values if len(values.shape) == 3 else ops.expand_dims(values, 2)
        values = ops.where(ops.isnan(values), ops.zeros_like(values), values)
        return ops.cast(values, self.compute_dtype)

    def shapes(self, input_shape: Any) -> tuple[tuple[None, int, int], int]:
        """The steps' shape, and the width of the rest (0 where there is none); once it is built."""
        if not isinstance(input_shape, Mapping):
            return (None, input_shape[1], 1 if len(input_shape) == 2 else input_shape[2]), 0
        stacked = self.stacked()
        steps = next(iter(stacked.values())).shape[0] or 0
        width = 0 if self.rest is None else sum(self.rest.widths(self._shapes_of_rest()))
        return (None, steps, sum(map(self._width, stacked.values()))), width

    def _shapes_of_rest(self) -> dict[str, Any]:
        assert self.rest is not None
        return {name: (None, *entry.shape) for name, entry in (self.rest.spec or {}).items()}

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Of steps and rest."""
        steps, width = self.shapes(input_shape)
        return steps, (None, width) if width else None

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        spec = None if self.spec is None else self.spec.to_json()
        return {**super().get_config(), "spec": spec, "embedding_dim": self.embedding_dim}


def window_inputs_of(extractor: Any, input_shape: Any) -> tuple[WindowInputs, tuple[None, int, int], int]:
    """The inputs of an extractor over time, in its precision and built; the steps' shape, and the rest's width."""
    layer = WindowInputs(extractor.spec, extractor.embedding_dim, dtype=extractor.dtype_policy, name="inputs")
    layer.build(input_shape)
    return (layer, *layer.shapes(input_shape))


def beside(representation: Any, rest: Any) -> Any:
    """A representation with the rest, where there is one."""
    return representation if rest is None else ops.concatenate([representation, rest], axis=1)


def entering(units: int, steps_shape: Any, rest_width: int, policy: Any) -> list[keras.layers.Layer]:
    """Linear maps of each step, and of the rest where there is one, to a width; built."""
    maps = [keras.layers.Dense(units, dtype=policy, name="enter")]
    maps[0].build(steps_shape)
    if rest_width:
        maps.append(keras.layers.Dense(units, use_bias=False, dtype=policy, name="enter_rest"))
        maps[1].build((None, rest_width))
    return maps


def enter(maps: Sequence[keras.layers.Layer], steps: Any, rest: Any) -> Any:
    """Steps by the maps that `entering` made, the rest added to each."""
    values = maps[0](steps)
    return values if rest is None else values + ops.expand_dims(maps[1](rest), 1)
