"""TextTransformer: a small transformer over tokens, whose mean is the text's representation."""

from collections.abc import Mapping
from typing import Any, Final

import keras
import numpy as np
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.token_inputs import TokenVectors, check_text_options, token_entry
from blocks.features.spec import FeatureSpec

_BASE: Final = 10_000.0
"""The longest wave of rotary positions is 2 pi times so many tokens."""


class _RotaryAttention(keras.layers.Layer):
    """Attention of tokens (batch, length, width) to each other, with padding masked, and rotary positions or none.

    Args:
        width: Of a token.
        heads: How many there are; each is of `width // heads`.
        rotary: Whether queries and keys are turned by their positions.
        dropout: Share of attention weights that are dropped in training.
    """

    def __init__(self, width: int, heads: int, rotary: bool, dropout: float, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.width, self.heads, self.rotary = width, heads, rotary
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        """Make the layers."""
        self.project = keras.layers.Dense(3 * self.width, dtype=self.dtype_policy, name="project")
        self.merge = keras.layers.Dense(self.width, dtype=self.dtype_policy, name="merge")
        self.project.build((None, None, self.width))
        self.merge.build((None, None, self.width))
        self.built = True

    def call(self, inputs: Any, there: Any, training: bool | None = None) -> Any:
        """What each token takes from all of them."""
        length, size = inputs.shape[1], self.width // self.heads
        parts = ops.reshape(self.project(inputs), (-1, length, 3, self.heads, size))
        query, key, value = (ops.transpose(parts[:, :, part], (0, 2, 1, 3)) for part in range(3))
        if self.rotary:
            query, key = _turned(query), _turned(key)
        scores = ops.matmul(query * size**-0.5, ops.transpose(key, (0, 1, 3, 2)))
        # finite in half precision; a text of padding alone looks at it, and is not used
        scores = scores + ops.reshape((1 - there) * -3e4, (-1, 1, 1, length))
        weights = self.drop(ops.softmax(scores, axis=-1), training=training)
        mixed = ops.reshape(ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3)), (-1, length, self.width))
        return self.merge(mixed)

    def compute_output_shape(self, input_shape: Any, *_: Any) -> Any:
        """As the input's."""
        return input_shape


def _turned(values: Any) -> Any:
    """Vectors (batch, heads, length, size), the halves of each turned by angles that grow with its position."""
    length, half = values.shape[2], values.shape[3] // 2
    angles = np.arange(length)[:, np.newaxis] * _BASE ** (-np.arange(half) / half)
    cosine, sine = (ops.cast(ops.convert_to_tensor(wave(angles), "float32"), values.dtype) for wave in (np.cos, np.sin))
    left, right = values[..., :half], values[..., half:]
    return ops.concatenate([left * cosine - right * sine, left * sine + right * cosine], axis=-1)


class _TextBlock(keras.layers.Layer):
    """x + attention(norm(x)), then x + feed-forward(norm(x)) with GELU."""

    def __init__(self, width: int, heads: int, hidden: int, rotary: bool, dropout: float, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.sizes = (width, hidden)
        self.attention = _RotaryAttention(width, heads, rotary, dropout, dtype=self.dtype_policy, name="attention")
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        """Make the layers."""
        policy, (width, hidden) = self.dtype_policy, self.sizes
        self.norm = keras.layers.LayerNormalization(dtype=policy, name="norm")
        self.inner_norm = keras.layers.LayerNormalization(dtype=policy, name="inner_norm")
        self.widen = keras.layers.Dense(hidden, activation="gelu", dtype=policy, name="widen")
        self.narrow = keras.layers.Dense(width, dtype=policy, name="narrow")
        for layer in (self.norm, self.inner_norm, self.widen, self.attention):
            layer.build((None, None, width))
        self.narrow.build((None, None, hidden))
        self.built = True

    def call(self, inputs: Any, there: Any, training: bool | None = None) -> Any:
        """The tokens, each knowing of the others."""
        mixed = self.attention(self.norm(inputs), there, training=training)
        values = inputs + self.drop(mixed, training=training)
        inner = self.narrow(self.widen(self.inner_norm(values)))
        return values + self.drop(inner, training=training)

    def compute_output_shape(self, input_shape: Any, *_: Any) -> Any:
        """As the input's."""
        return input_shape


@keras.saving.register_keras_serializable(package="blocks")
class TextTransformer(FeatureExtractor):
    """A small encoder over tokens: each looks at all others of its text; their mean is the representation.

    Trained from nothing, it wants many texts, or short ones. It is slow beside a bag of n-grams: on the 16,000 posts of
    `benchmarks/texts.py` six epochs of one block take more than 280 CPU seconds, the bag 18. Padding (id 0) is masked
    everywhere, and changes nothing. A text without a token is 0.

    Args:
        width: Of a token's vector; divisible by `heads`, into even parts with rotary positions.
        depth: Number of blocks.
        heads: Attention heads.
        hidden_factor: Width within the feed-forward part, as a multiple of `width`.
        positions: "rotary" (queries and keys are turned by their positions, so that distances count), "learned" (a
            vector for each position, up to the entry's length), or None for a bag of tokens.
        dropout: Share that is dropped in training: of vectors, attention weights, and what each part adds; in [0, 1).
        cardinality: Number of ids of a plain tensor; None where a specification says it.
        spec: The features' specification, of one entry of tokens; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, width).

    Parameters: with w = `width` and h = round(w * `hidden_factor`): cardinality * w, length * w more with learned
        positions, depth * (4 * (w + 1) * w + (w + 1) * h + (h + 1) * w + 4 * w) for blocks, 2 * w for the last norm.

    Example:
        >>> import numpy as np
        >>> TextTransformer(16, depth=1, heads=2, cardinality=9)(np.array([[3, 8, 5, 0, 0]])).shape
        TensorShape([1, 16])

    Source: Vaswani et al., "Attention Is All You Need" (2017), with the norm before each part; Su et al., "RoFormer:
        Enhanced Transformer with Rotary Position Embedding" (2021).
    """

    def __init__(
        self,
        width: int = 64,
        depth: int = 2,
        *,
        heads: int = 4,
        hidden_factor: float = 2.0,
        positions: str | None = "rotary",
        dropout: float = 0.1,
        cardinality: int | None = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        sizes = {"width": width, "depth": depth, "heads": heads, "cardinality": cardinality}
        check_text_options("TextTransformer", dropout=dropout, hidden=round(width * hidden_factor), **sizes)
        if positions not in ("rotary", "learned", None):
            raise InvalidArgument(
                f"TextTransformer's positions are 'rotary', 'learned' or None. Received: {positions!r}."
            )
        parts = 2 * heads if positions == "rotary" else heads
        if width % parts:
            raise InvalidArgument(
                f"TextTransformer's width is divisible by its heads, by twice as many with rotary positions. Received: "
                f"width={width} and heads={heads}."
            )
        self.width = width
        self.depth = depth
        self.heads = heads
        self.hidden_factor = hidden_factor
        self.positions = positions
        self.dropout = dropout
        self.cardinality = cardinality

    def make(self, input_shape: Any) -> None:
        """Make the table and the blocks."""
        self.entry = token_entry("TextTransformer", self.spec, self.cardinality, input_shape)
        policy, length = self.dtype_policy, self.entry.of(input_shape)[-1]
        self.vectors = TokenVectors(self.entry.cardinality, self.width, dtype=policy, name="tokens")
        self.vectors.build((None, length))
        self.places = None
        if self.positions == "learned":
            random = keras.initializers.RandomNormal(stddev=0.02)
            self.places = self.add_weight((length, self.width), initializer=random, name="positions")
        hidden, rotary = round(self.width * self.hidden_factor), self.positions == "rotary"
        self.blocks = [
            _TextBlock(self.width, self.heads, hidden, rotary, self.dropout, dtype=policy, name=f"block_{place}")
            for place in range(self.depth)
        ]
        self.norm = keras.layers.LayerNormalization(dtype=policy, name="norm")
        for layer in (*self.blocks, self.norm):
            layer.build((None, length, self.width))
        self.drop = keras.layers.Dropout(self.dropout, dtype=policy)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The mean of the tokens."""
        values, there = self.vectors(self.entry.of(inputs))
        if self.places is not None:
            values = values + ops.cast(self.places, values.dtype)
        values = self.drop(values, training=training)
        for block in self.blocks:
            values = block(values, there, training=training)
        number = ops.sum(there, axis=1)
        return ops.sum(self.norm(values) * there, axis=1) / ops.maximum(number, 1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """(batch, width)."""
        return (None, self.width)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "width": self.width,
            "depth": self.depth,
            "positions": self.positions,
            "heads": self.heads,
            "hidden_factor": self.hidden_factor,
            "dropout": self.dropout,
            "cardinality": self.cardinality,
        }
