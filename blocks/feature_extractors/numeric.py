"""Embeddings of numbers: each number of a row as a vector. Not blocks: an option of every extractor that takes numbers.

Source: Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning" (2022),
arXiv 2203.05556.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import keras
import numpy as np
from keras import ops

from blocks.errors import InvalidArgument
from blocks.feature_learner import FeatureLearner
from blocks.statistics import Statistic
from blocks.statistics.distinct_values import DistinctValues

HELD = 1 << 14
"""Different numbers held of each feature; beyond, quantiles are of a sample, 1% off in rank."""


class _PerFeature:
    """A linear layer of its own for each feature, (batch, n, width) to (batch, n, dim), or one that all share."""

    def __init__(self, layer: keras.layers.Layer, n: int, width: int, dim: int, *, shared: bool = False) -> None:
        of_each = () if shared else (n,)
        initializer = keras.initializers.RandomUniform(-1 / math.sqrt(width), 1 / math.sqrt(width))
        self.kernel = layer.add_weight((*of_each, width, dim), initializer=initializer, name="kernel")
        self.bias = layer.add_weight((*of_each, dim), initializer=initializer, name="bias")
        self.equation = "bnw,wd->bnd" if shared else "bnw,nwd->bnd"

    def __call__(self, values: Any, dtype: str) -> Any:
        kernel, bias = ops.cast(self.kernel, dtype), ops.cast(self.bias, dtype)
        return ops.einsum(self.equation, ops.cast(values, dtype), kernel) + bias


@keras.saving.register_keras_serializable(package="blocks")
class LinearEmbeddings(keras.layers.Layer):
    """x * w + b, with w and b of each feature: the FT-Transformer's tokens of numbers.

    Args:
        dim: Width of a feature's vector.

    Returns:
        Float tensor of shape (batch, n, dim).

    Parameters: 2 * n * dim.
    """

    def __init__(self, dim: int, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.dim = dim

    def build(self, input_shape: Any) -> None:
        """Make w and b."""
        limit = 1 / math.sqrt(self.dim)
        initializer = keras.initializers.RandomUniform(-limit, limit)
        self.kernel = self.add_weight((input_shape[-1], self.dim), initializer=initializer, name="kernel")
        self.bias = self.add_weight((input_shape[-1], self.dim), initializer=initializer, name="bias")
        self.built = True

    def call(self, inputs: Any) -> Any:
        """A vector for each number."""
        dtype = self.compute_dtype
        return ops.cast(inputs, dtype)[..., None] * ops.cast(self.kernel, dtype) + ops.cast(self.bias, dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """(batch, n, dim)."""
        return (*input_shape, self.dim)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "dim": self.dim}


@keras.saving.register_keras_serializable(package="blocks")
class PiecewiseLinearEmbeddings(FeatureLearner):
    """A number as how far it fills each of several bins, learned from features before the first training step.

    A bin below the number is 1, its own the filled part, a bin above 0. Bins end at quantiles of a feature's *distinct*
    values: quantiles of rows collapse where most rows are 0. A feature with fewer distinct values has a bin between
    each two, and zeros for the bins left over. Numbers beyond the outer edges count as these; NaN fills no bin.
    Until bins are learned they are quantiles of the normal distribution.

    Args:
        n_bins: Bins of each feature.
        dim: Width of the linear map of each feature's encoding; None for the encoding itself.
        activation: What follows that map, as of `keras.layers.Dense`.
        names: Names of the features; the extractor says them.

    Returns:
        Float tensor of shape (batch, n, n_bins), or (batch, n, dim).

    Parameters: n * (n_bins + 1) + 1 that are not trained; n * (n_bins + 1) * dim that are.

    Source: equation 1 of the paper, with both outer bins clipped too.
    """

    def __init__(
        self,
        n_bins: int = 64,
        dim: int | None = None,
        *,
        activation: Any = None,
        names: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        if n_bins < 1:
            raise InvalidArgument(f"Piecewise-linear embeddings have 1 bin or more. Received: n_bins={n_bins!r}.")
        self.n_bins = n_bins
        self.dim = dim
        self.activation = keras.activations.get(activation)
        self.names = None if names is None else tuple(names)

    def build(self, input_shape: Any) -> None:
        """Make the edges and the map."""
        n = input_shape[-1]
        if self.names is None:
            self.names = tuple(map(str, range(n)))
        normal = [NormalDist().inv_cdf(q) for q in np.linspace(0.001, 0.999, self.n_bins + 1)]
        self.edges = self.add_learned("edges", np.tile(np.array(normal, np.float32), (n, 1)))
        self.map = None if self.dim is None else _PerFeature(self, n, self.n_bins, self.dim)
        self.built = True

    def statistics(self) -> dict[str, Statistic]:
        """Each feature's distinct values."""
        return {name: DistinctValues(HELD) for name in self.names or ()}

    def learn(self, results: Mapping[str, Statistic]) -> dict[str, np.ndarray]:
        """Edges, rising; the last is repeated where there are fewer than `n_bins + 1`."""
        edges = np.zeros((len(self.names or ()), self.n_bins + 1), np.float32)
        for row, name in zip(edges, self.names or (), strict=True):
            found = results[name].result()
            if found.count:
                few = len(found.values) <= self.n_bins + 1
                rising = found.values if few else found.quantile(np.linspace(0, 1, self.n_bins + 1))
                rising = np.unique(rising.astype(np.float32))
                row[: len(rising)], row[len(rising) :] = rising, rising[-1]
        return {"edges": edges}

    def call(self, inputs: Any) -> Any:
        """The encoding, computed in float32."""
        values = ops.cast(inputs, "float32")[..., None]
        left, right = self.edges[:, :-1], self.edges[:, 1:]
        width = right - left
        there = width > 0
        values = ops.where(ops.isnan(values), left[:, :1], values)
        filled = ops.clip((values - left) / ops.where(there, width, 1.0), 0.0, 1.0)
        filled = ops.where(there, filled, 0.0)
        if self.map is None:
            return ops.cast(filled, self.compute_dtype)
        return self.activation(self.map(filled, self.compute_dtype))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """(batch, n, n_bins) or (batch, n, dim)."""
        return (*input_shape, self.dim or self.n_bins)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "n_bins": self.n_bins,
            "dim": self.dim,
            "activation": keras.activations.serialize(self.activation),
            "names": self.names,
        }


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
        self.map = None if self.dim is None else _PerFeature(self, n, width, self.dim, shared=self.shared)
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


KINDS = {"piecewise_linear": PiecewiseLinearEmbeddings, "periodic": PeriodicEmbeddings}


def as_config(identifier: Any) -> Any:
    """What says which embeddings of numbers to use, as JSON-able data: None, a name, or a layer's configuration.

    Raises:
        InvalidArgument: It is none of these.

    Example:
        >>> as_config("periodic")
        'periodic'
    """
    if isinstance(identifier, tuple(KINDS.values())):
        return keras.saving.serialize_keras_object(identifier)
    if identifier is None or isinstance(identifier, Mapping) or identifier in KINDS:
        return identifier
    raise InvalidArgument(
        f"numeric_embeddings is None, {', '.join(map(repr, KINDS))}, PiecewiseLinearEmbeddings(...) or "
        f"PeriodicEmbeddings(...). Received: {identifier!r}."
    )


def from_config(config: Any, **options: Any) -> keras.layers.Layer:
    """A fresh layer of what `as_config` gave, with some options replaced; those that its class lacks do not matter."""
    if isinstance(config, str):
        kind, given = KINDS[config], {}
    else:
        kind = KINDS[{made.__name__: name for name, made in KINDS.items()}[config["class_name"]]]
        given = {key: value for key, value in config["config"].items() if key not in ("dtype", "trainable", "name")}
    if kind is not PiecewiseLinearEmbeddings:
        options.pop("names", None)
    return kind(**{**given, **options})
