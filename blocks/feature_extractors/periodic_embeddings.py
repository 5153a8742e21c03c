"""PeriodicEmbeddings: a number as cosines and sines of learned frequencies.

Source: Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning" (2022),
arXiv 2203.05556.
"""

import math
from typing import Any

import keras
from keras import ops

from blocks.errors import InvalidArgument
from blocks.feature_extractors.per_feature import PerFeature


@keras.saving.register_keras_serializable(package="blocks")
class PeriodicEmbeddings(keras.layers.Layer):
    """A number as cosines and sines of learned frequencies, then a linear map and ReLU: the paper's "PLR".

    Args:
        n_frequencies: Frequencies of each feature.
        dim: Width of the map's output; None for the cosines and sines themselves.
        frequency_scale: Standard deviation of the frequencies before training, in periods per unit of the feature.
        shared: Whether all features share one map ("PLR lite").
        activation: What follows the map.

    Returns:
        Float tensor of shape (batch, n, dim), or (batch, n, 2 * n_frequencies).

    Parameters: n * n_frequencies, and m * (2 * n_frequencies + 1) * dim, with m = 1 when shared, else n.

    Example:
        >>> import numpy as np
        >>> PeriodicEmbeddings(4, dim=3)(np.zeros((2, 5), "float32")).shape
        TensorShape([2, 5, 3])
    """

    def __init__(
        self,
        n_frequencies: int = 48,
        dim: int | None = 24,
        *,
        frequency_scale: float = 0.1,
        shared: bool = False,
        activation: Any = "relu",
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        if n_frequencies < 1 or frequency_scale <= 0:
            raise InvalidArgument(
                "Periodic embeddings have 1 frequency or more, of a positive scale. "
                f"Received: n_frequencies={n_frequencies!r}, frequency_scale={frequency_scale!r}."
            )
        self.n_frequencies = n_frequencies
        self.dim = dim
        self.frequency_scale = frequency_scale
        self.shared = shared
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        """Make frequencies and the map."""
        n = input_shape[-1]
        self.frequencies = self.add_weight(
            (n, self.n_frequencies),
            initializer=keras.initializers.RandomNormal(stddev=self.frequency_scale),
            autocast=False,
            name="frequencies",
        )
        width = 2 * self.n_frequencies
        self.map = None if self.dim is None else PerFeature(self, n, width, self.dim, shared=self.shared)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The embedding; its angles are computed in float32, and NaN counts as 0."""
        values = ops.cast(inputs, "float32")[..., None]
        values = ops.where(ops.isfinite(values), values, 0.0)
        angles = 2 * math.pi * values * self.frequencies
        waves = ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)
        if self.map is None:
            return ops.cast(waves, self.compute_dtype)
        return self.activation(self.map(waves, self.compute_dtype))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """(batch, n, dim) or (batch, n, 2 * n_frequencies)."""
        return (*input_shape, self.dim or 2 * self.n_frequencies)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "n_frequencies": self.n_frequencies,
            "dim": self.dim,
            "frequency_scale": self.frequency_scale,
            "shared": self.shared,
            "activation": keras.activations.serialize(self.activation),
        }
