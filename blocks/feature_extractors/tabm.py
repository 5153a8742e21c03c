"""TabM: an ensemble of multilayer perceptrons that share almost all of their weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.inputs import inputs_of
from blocks.feature_extractors.numeric import as_config
from blocks.features.spec import FeatureSpec

VARIANTS = ("full", "mini")


class _Scale(keras.layers.Layer):
    """Each member's own factor for each input: (batch, members, width) times (members, width).

    Args:
        initial: "ones", or the widths of consecutive pieces of the input; each member draws one sign, or with `normal`
            one normal number, a piece.
        members: How many members.
        normal: Whether to draw normal numbers rather than signs.
    """

    def __init__(
        self, members: int, initial: str | Sequence[int] = "ones", normal: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.members = members
        self.initial = initial
        self.normal = normal

    def build(self, input_shape: Any) -> None:
        """Make the factors."""

        def draw(shape: Any, dtype: Any = None) -> Any:
            if isinstance(self.initial, str):
                return ops.ones(shape, dtype)
            drawn = keras.random.normal((shape[0], len(self.initial)), dtype=dtype)
            drawn = drawn if self.normal else ops.where(drawn < 0, -1.0, 1.0)
            pieces = [i for i, width in enumerate(self.initial) for _ in range(width)]
            return ops.take(drawn, ops.convert_to_tensor(pieces, "int32"), axis=1)

        self.factors = self.add_weight((self.members, input_shape[-1]), initializer=draw, name="factors")
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The scaled inputs."""
        return inputs * self.factors

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, members, width)."""
        return (input_shape[0], self.members, input_shape[-1])


class _MemberBias(keras.layers.Layer):
    """Each member's own bias: (batch, members, width) plus (members, width)."""

    def __init__(self, members: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members = members

    def build(self, input_shape: Any) -> None:
        """Make the biases."""
        self.bias = self.add_weight((self.members, input_shape[-1]), initializer="zeros", name="bias")
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The shifted inputs."""
        return inputs + self.bias


@keras.saving.register_keras_serializable(package="blocks")
class TabM(FeatureExtractor):
    """k perceptrons in one, each with its own adapters, its own head, and its own loss in training.

    Every layer has one kernel W for all members. With "full", member i computes s_i * (W (r_i * x)) + b_i, so that it
    is a perceptron of the kernel W * (r_i s_i^T); with "mini" only the inputs are scaled, by r_i, and everything behind
    is shared. The head has weights of its own for each member; the loss is the mean of the members' losses, and
    predictions are averaged (probabilities, not logits).

    Args:
        units: Width of each layer.
        k: Members.
        variant: "full" (the paper's TabM) or "mini" (TabM-mini).
        activation: As of `keras.layers.Dense`.
        dropout: Share of units that are dropped in training, in [0, 1); each member drops its own.
        embedding_dim: Width of the ids' embeddings; None for a rule by cardinality.
        numeric_embeddings: None, "piecewise_linear", "periodic", or one of `blocks.feature_extractors.numeric`.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, k, units[-1]).

    Parameters: those of the inputs, and for each layer from width w to u: w * u + k * (w + 2 * u) with "full";
        w * u + u with "mini", and k times the width of the inputs once.

    Example:
        >>> import numpy as np
        >>> TabM([8, 4], k=3)(np.zeros((2, 5), "float32")).shape
        TensorShape([2, 3, 4])

    Source: Gorishniy, Kotelnikov, Babenko, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling"
        (2024), arXiv 2410.24210. As there, only the first scale is random (a sign, or with embedded numbers a normal
        number, for each feature); the others begin at 1.
    """

    def __init__(
        self,
        units: Sequence[int] = (256, 256),
        *,
        k: int = 32,
        variant: str = "full",
        activation: Any = "relu",
        dropout: float = 0.1,
        embedding_dim: int | None = None,
        numeric_embeddings: Any = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if not units or min(units) < 1 or k < 1:
            raise InvalidArgument(f"TabM takes one positive width a layer, k >= 1. Received: units={units!r}, k={k!r}.")
        if not 0 <= dropout < 1:
            raise InvalidArgument(f"TabM's dropout is in [0, 1). Received: {dropout!r}.")
        if variant not in VARIANTS:
            raise InvalidArgument(f"TabM's variant is 'full' or 'mini'. Received: {variant!r}.")
        self.units = list(units)
        self.k = k
        self.variant = variant
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.embedding_dim = embedding_dim
        self.numeric_embeddings = as_config(numeric_embeddings)

    @property
    def members(self) -> int:  # type: ignore[override]  # a constant of the class elsewhere
        """How many there are: `k`."""
        return self.k

    def make(self, input_shape: Any) -> None:
        """Make kernels and adapters."""
        policy = self.dtype_policy
        self.inputs_layer = inputs_of(self, input_shape)
        pieces = self.inputs_layer.widths(input_shape)
        width = sum(pieces)
        self.before, self.dense, self.after, self.biases = [], [], [], []
        for index, units in enumerate(self.units):
            full = self.variant == "full"
            if full or not index:
                initial = "ones" if index else pieces
                normal = self.numeric_embeddings is not None
                self.before.append(_Scale(self.k, initial, normal, dtype=policy, name=f"before_{index}"))
                self.before[-1].build((None, self.k, width))
            dense = keras.layers.Dense(units, use_bias=not full, dtype=policy, name=f"dense_{index}")
            dense.build((None, self.k, width))
            self.dense.append(dense)
            width = units
            if full:
                self.after.append(_Scale(self.k, dtype=policy, name=f"after_{index}"))
                self.biases.append(_MemberBias(self.k, dtype=policy, name=f"bias_{index}"))
                self.after[-1].build((None, self.k, width))
                self.biases[-1].build((None, self.k, width))
        self.drop = keras.layers.Dropout(self.dropout, dtype=policy) if self.dropout else None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The members' representations."""
        values = self.inputs_layer(inputs)[:, None]
        for index, dense in enumerate(self.dense):
            if index < len(self.before):
                values = self.before[index](values)
            values = dense(values)
            if self.after:
                values = self.biases[index](self.after[index](values))
            values = self.activation(values)
            if self.drop is not None:
                values = self.drop(values, training=training)
        return values

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int, int]:
        """(batch, k, units[-1])."""
        return (None, self.k, self.units[-1])

    @classmethod
    def space(cls) -> dict[str, tuple[Any, ...]]:
        """What `blocks.tune` tries; see `FeatureExtractor.space`."""
        return {
            "units": ("choice", [[128, 128], [256, 256], [512, 512], [256, 256, 256]]),
            "k": ("int", 4, 32, True),
            "dropout": ("float", 0.0, 0.5, False),
            "numeric_embeddings": ("choice", [None, "piecewise_linear", "periodic"]),
        }

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "units": self.units,
            "k": self.k,
            "variant": self.variant,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "embedding_dim": self.embedding_dim,
            "numeric_embeddings": self.numeric_embeddings,
        }
