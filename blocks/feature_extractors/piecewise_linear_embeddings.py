"""PiecewiseLinearEmbeddings: a number as how far it fills each of several learned bins.

Source: Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning" (2022),
arXiv 2203.05556.
"""

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import keras
import numpy as np
from keras import ops

from blocks.block.feature_learner import FeatureLearner
from blocks.errors import InvalidArgument
from blocks.feature_extractors.per_feature import PerFeature
from blocks.statistics import Statistic
from blocks.statistics.distinct_values import DistinctValues

HELD = 1 << 14
"""Different numbers held of each feature; beyond, quantiles are of a sample, 1% off in rank."""


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

    Example:
        >>> import numpy as np
        >>> PiecewiseLinearEmbeddings(n_bins=8, dim=3)(np.zeros((2, 5), "float32")).shape
        TensorShape([2, 5, 3])

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
        self.map = None if self.dim is None else PerFeature(self, n, self.n_bins, self.dim)
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
