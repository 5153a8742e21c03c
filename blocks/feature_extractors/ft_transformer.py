"""FTTransformer: every feature a token, and attention among them."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.inputs import TabularInputs
from blocks.feature_extractors.numeric import as_config
from blocks.features.spec import FeatureSpec


class _Attention(keras.layers.Layer):
    """One pre-norm block: x + attention(norm(x)), then x + ReGLU feed-forward(norm(x)).

    Args:
        first: Whether it is the first, which has no norm before its attention.
    """

    def __init__(
        self, width: int, heads: int, hidden: int, attention_dropout: float, dropout: float, first: bool, **kwargs: Any
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.sizes = (width, heads, hidden, attention_dropout, dropout)
        self.first = first

    def build(self, input_shape: Any) -> None:
        """Make the layers."""
        width, heads, hidden, attention_dropout, dropout = self.sizes
        policy = self.dtype_policy
        self.norm = None if self.first else keras.layers.LayerNormalization(dtype=policy, name="norm")
        self.attention = keras.layers.MultiHeadAttention(
            heads, width // heads, dropout=attention_dropout, dtype=policy, name="attention"
        )
        self.inner_norm = keras.layers.LayerNormalization(dtype=policy, name="inner_norm")
        self.gate = keras.layers.Dense(hidden, activation="relu", dtype=policy, name="gate")
        self.widen = keras.layers.Dense(hidden, dtype=policy, name="widen")
        self.narrow = keras.layers.Dense(width, dtype=policy, name="narrow")
        self.drop = keras.layers.Dropout(dropout, dtype=policy)
        if self.norm is not None:
            self.norm.build(input_shape)
        self.attention.build(input_shape, input_shape)
        for layer in (self.inner_norm, self.gate, self.widen):
            layer.build(input_shape)
        self.narrow.build((*input_shape[:-1], hidden))
        self.built = True

    def call(self, inputs: Any, query: Any, training: bool | None = None) -> Any:
        """The tokens that `query` become: all of the inputs, or some, looking at all."""
        tokens, looking = (inputs, query) if self.norm is None else (self.norm(inputs), self.norm(query))
        values = query + self.attention(looking, tokens, training=training)
        inner = self.inner_norm(values)
        inner = self.drop(self.gate(inner) * self.widen(inner), training=training)
        return values + self.narrow(inner)

    def compute_output_shape(self, input_shape: Any, query_shape: Any) -> Any:
        """The query's."""
        return query_shape


class _ClassToken(keras.layers.Layer):
    """Put one trained token, the same for every row, in front of the others."""

    def build(self, input_shape: Any) -> None:
        """Make the token."""
        limit = input_shape[-1] ** -0.5
        initializer = keras.initializers.RandomUniform(-limit, limit)
        self.token = self.add_weight((1, 1, input_shape[-1]), initializer=initializer, name="token")
        self.built = True

    def call(self, inputs: Any) -> Any:
        """One token more."""
        token = ops.cast(self.token, inputs.dtype)
        return ops.concatenate([ops.repeat(token, ops.shape(inputs)[0], axis=0), inputs], axis=1)


@keras.saving.register_keras_serializable(package="blocks")
class FTTransformer(FeatureExtractor):
    """A transformer over features: each becomes a token, and a class token collects what they tell each other.

    A number's token is x * w + b (or its numeric embedding), an id's a row of a table. The order of features does not
    matter. In the last block the class token alone looks at the others, since it alone is used.

    Args:
        width: Of a token; divisible by `heads`.
        depth: Number of blocks.
        heads: Attention heads.
        hidden_factor: Width within the feed-forward part, as a multiple of `width`.
        attention_dropout: Share of attention weights that are dropped in training, in [0, 1).
        dropout: Share of the feed-forward part's units that are dropped in training, in [0, 1).
        activation: What ends the representation; the feed-forward parts use ReGLU.
        numeric_embeddings: None, "piecewise_linear", "periodic", or one of `blocks.feature_extractors.numeric`; their
            `dim` is `width` here.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, width).

    Parameters: with w = `width`, h = round(w * `hidden_factor`), n numbers, c the sum of all cardinalities:
        2 * n * w + c * w + w for tokens; depth * (4 * (w + 1) * w + 2 * (w + 1) * h + (h + 1) * w + 4 * w) for blocks,
        2 * w less for the first, and 2 * w for the norm at the end.

    Example:
        >>> import numpy as np
        >>> FTTransformer(16, depth=1, heads=2)(np.zeros((2, 5), "float32")).shape
        TensorShape([2, 16])

    Source: Gorishniy, Rubachev, Khrulkov, Babenko, "Revisiting Deep Learning Models for Tabular Data" (2021),
        arXiv 2106.11959, section 3.3. Ids have no bias beside their table's rows: it would add nothing.
    """

    def __init__(
        self,
        width: int = 64,
        depth: int = 3,
        *,
        heads: int = 8,
        hidden_factor: float = 4 / 3,
        attention_dropout: float = 0.2,
        dropout: float = 0.1,
        activation: Any = "relu",
        numeric_embeddings: Any = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if min(width, depth, heads, round(width * hidden_factor)) < 1 or width % heads:
            raise InvalidArgument(
                "FTTransformer's sizes are positive, and its width is divisible by its heads. Received: "
                f"width={width!r}, depth={depth!r}, heads={heads!r}, hidden_factor={hidden_factor!r}."
            )
        if not (0 <= dropout < 1 and 0 <= attention_dropout < 1):
            raise InvalidArgument(
                f"FTTransformer's dropouts are in [0, 1). Received: {attention_dropout!r} and {dropout!r}."
            )
        self.width = width
        self.depth = depth
        self.heads = heads
        self.hidden_factor = hidden_factor
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.activation = keras.activations.get(activation)
        self.numeric_embeddings = as_config(numeric_embeddings)

    def make(self, input_shape: Any) -> None:
        """Make tokens and blocks."""
        policy = self.dtype_policy
        self.inputs_layer = TabularInputs(
            self.spec, None, self.numeric_embeddings, token_dim=self.width, dtype=policy, name="inputs"
        )
        self.inputs_layer.build(input_shape)
        _, count, width = self.inputs_layer.compute_output_shape(input_shape)
        self.class_token = _ClassToken(dtype=policy, name="class_token")
        self.class_token.build((None, count, width))
        hidden = round(self.width * self.hidden_factor)
        self.blocks = [
            _Attention(
                self.width, self.heads, hidden, self.attention_dropout, self.dropout, not i,
                dtype=policy, name=f"block_{i}",
            )
            for i in range(self.depth)
        ]  # fmt: skip
        for block in self.blocks:
            block.build((None, count + 1, width))
        self.norm = keras.layers.LayerNormalization(dtype=policy, name="norm")
        self.norm.build((None, width))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The class token."""
        values = self.class_token(self.inputs_layer(inputs))
        for index, block in enumerate(self.blocks):
            query = values if index < self.depth - 1 else values[:, :1]
            values = block(values, query, training=training)
        return self.activation(self.norm(values[:, 0]))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """(batch, width)."""
        return (None, self.width)

    @classmethod
    def space(cls) -> dict[str, tuple[Any, ...]]:
        """What `blocks.tune` tries; see `FeatureExtractor.space`."""
        return {
            "width": ("choice", [32, 64, 128, 192]),
            "depth": ("int", 1, 4, False),
            "attention_dropout": ("float", 0.0, 0.5, False),
            "dropout": ("float", 0.0, 0.5, False),
        }

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "width": self.width,
            "depth": self.depth,
            "heads": self.heads,
            "hidden_factor": self.hidden_factor,
            "attention_dropout": self.attention_dropout,
            "dropout": self.dropout,
            "activation": keras.activations.serialize(self.activation),
            "numeric_embeddings": self.numeric_embeddings,
        }
