"""PatchTransformer: pieces of a window as tokens, and attention among them."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.window_inputs import beside, enter, entering, window_inputs_of
from blocks.features.spec import FeatureSpec


class _Encoder(keras.layers.Layer):
    """Attention among tokens, then a dense layer for each: x + attention(norm(x)), x + feed_forward(norm(x))."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.width, self.heads, self.hidden, self.dropout = width, heads, hidden, dropout

    def build(self, input_shape: Any) -> None:
        """Make the layers."""
        given = {"dtype": self.dtype_policy}
        self.norms = [keras.layers.LayerNormalization(name=f"norm_{index}", **given) for index in range(2)]
        self.attention = keras.layers.MultiHeadAttention(
            self.heads, self.width // self.heads, dropout=self.dropout, name="attention", **given
        )
        self.widen = keras.layers.Dense(self.hidden, activation="gelu", name="widen", **given)
        self.narrow = keras.layers.Dense(self.width, name="narrow", **given)
        self.drop = keras.layers.Dropout(self.dropout, **given)
        for layer in (*self.norms, self.widen):
            layer.build(input_shape)
        self.attention.build(input_shape, input_shape)
        self.narrow.build((*input_shape[:-1], self.hidden))
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The tokens."""
        looking = self.norms[0](inputs)
        inputs = inputs + self.drop(self.attention(looking, looking, training=training), training=training)
        inner = self.drop(self.widen(self.norms[1](inputs)), training=training)
        return inputs + self.drop(self.narrow(inner), training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The tokens'."""
        return input_shape


@keras.saving.register_keras_serializable(package="blocks")
class PatchTransformer(FeatureExtractor):
    """Patches of a window, overlapping, each a token by a linear map and its learned place; a transformer over them.

    All tokens side by side are the representation, as in PatchTST, whose channels each are a row here: give one column
    of a long table, and tell entities apart beside it. Several columns are several channels of each patch. What is no
    window (the entity's embedding, what is known ahead of time) enters every token by a linear map, and stands beside.

    Args:
        width: Of a token; divisible by `heads`.
        depth: Number of blocks.
        heads: Attention heads.
        patch: Steps of a patch; the window's own, where that is shorter.
        stride: Steps from one patch to the next; the last value is repeated so often at the end.
        hidden_factor: Width within the feed-forward part, as a multiple of `width`.
        dropout: Share of units and attention weights that are dropped in training, in [0, 1).
        embedding_dim: Width of the ids' embeddings; None for a rule by cardinality.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, patches * width + rest).

    Parameters: with w = `width`, h = w * `hidden_factor`: (patch * channels + 1) * w and patches * w to enter, rest * w
        for the rest, 4 * (w + 1) * w + (w + 1) * h + (h + 1) * w + 4 * w a block, and 2 * w for the norm at the end;
        and those of the inputs' embeddings.

    Example:
        >>> import numpy as np
        >>> PatchTransformer(8, depth=1, heads=2, patch=6, stride=3)(np.zeros((2, 24), "float32")).shape
        TensorShape([2, 64])

    Source: Nie et al., "A Time Series is Worth 64 Words" (2022), arXiv 2211.14730, with norms of layers, before each
        part, in place of norms of batches.
    """

    def __init__(
        self,
        width: int = 16,
        depth: int = 3,
        *,
        heads: int = 4,
        patch: int = 16,
        stride: int = 8,
        hidden_factor: float = 8.0,
        dropout: float = 0.3,
        embedding_dim: int | None = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if min(width, depth, heads, patch, stride, round(width * hidden_factor)) < 1 or width % heads:
            raise InvalidArgument(
                "PatchTransformer's sizes are positive, and its width is divisible by its heads. Received: "
                f"width={width!r}, depth={depth!r}, heads={heads!r}, patch={patch!r}, stride={stride!r}, "
                f"hidden_factor={hidden_factor!r}."
            )
        if not 0 <= dropout < 1:
            raise InvalidArgument(f"PatchTransformer's dropout is in [0, 1). Received: {dropout!r}.")
        self.width, self.depth, self.heads = width, depth, heads
        self.patch, self.stride, self.hidden_factor = patch, stride, hidden_factor
        self.dropout, self.embedding_dim = dropout, embedding_dim

    def make(self, input_shape: Any) -> None:
        """Make patches, places and blocks."""
        policy = self.dtype_policy
        self.inputs_layer, shape, self.rest_width = window_inputs_of(self, input_shape)
        self.size = min(self.patch, shape[1])
        self.count = (shape[1] + self.stride - self.size) // self.stride + 1
        self.channels = shape[2]
        self.entering = entering(self.width, (None, self.count, self.size * shape[2]), self.rest_width, policy)
        places = keras.initializers.RandomUniform(-0.02, 0.02)
        self.places = self.add_weight((self.count, self.width), initializer=places, name="places")
        hidden = round(self.width * self.hidden_factor)
        tokens = (None, self.count, self.width)
        self.encoders = []
        for index in range(self.depth):
            encoder = _Encoder(self.width, self.heads, hidden, self.dropout, dtype=policy, name=f"encoder_{index}")
            encoder.build(tokens)
            self.encoders.append(encoder)
        self.norm = keras.layers.LayerNormalization(dtype=policy, name="norm")
        self.norm.build(tokens)
        self.drop = keras.layers.Dropout(self.dropout, dtype=policy)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """All tokens side by side, (batch, width)."""
        steps, rest = self.inputs_layer(inputs)
        values = enter(self.entering, self._patches(steps), rest)
        values = self.drop(values + ops.cast(self.places, values.dtype), training=training)
        for encoder in self.encoders:
            values = encoder(values, training=training)
        return beside(ops.reshape(self.norm(values), (-1, self.count * self.width)), rest)

    def _patches(self, steps: Any) -> Any:
        """(batch, patches, steps of a patch * channels)."""
        end = ops.repeat(steps[:, -1:], self.stride, axis=1)
        longer = ops.concatenate([steps, end], axis=1)
        places = [[at * self.stride + step for step in range(self.size)] for at in range(self.count)]
        taken = ops.take(longer, ops.convert_to_tensor(places, "int32"), axis=1)
        return ops.reshape(taken, (-1, self.count, self.size * self.channels))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """(batch, patches * width + rest)."""
        return (None, self.count * self.width + self.rest_width)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "width": self.width,
            "depth": self.depth,
            "heads": self.heads,
            "patch": self.patch,
            "stride": self.stride,
            "hidden_factor": self.hidden_factor,
            "dropout": self.dropout,
            "embedding_dim": self.embedding_dim,
        }
