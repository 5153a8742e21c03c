"""DLinear: a window as its trend and what remains, for a linear head."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.window_inputs import beside, window_inputs_of
from blocks.features.spec import FeatureSpec

BASES = ("steps", "cosines")


@keras.saving.register_keras_serializable(package="blocks")
class DLinear(FeatureExtractor):
    """The moving average of each window, and the window less that, side by side: the head's dense layer does the rest.

    So the whole is linear, one weight for each step of trend and remainder and each step ahead, as in the paper. There
    is nothing to train here. The baseline that networks over time must beat.

    Args:
        kernel_size: Steps of the moving average, odd; the ends are repeated beyond the window. None for the window as
            it is: within `ReversibleNorm(..., centre="last", scale=False)` the paper's NLinear.
        basis: "steps"; or "cosines", by which the window is told by its cosines (DCT-II): the same linear models, which
            gradients find sooner, as frequencies resemble each other less than steps do.
        embedding_dim: Width of the ids' embeddings; None for a rule by cardinality.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, 2 * steps * channels + rest), without kernel (batch, steps * channels + rest). The
        rest is what is no window of the longest length: the entity's embedding, what is known ahead of time.

    Parameters: those of the inputs' embeddings.

    Example:
        >>> import numpy as np
        >>> DLinear(3)(np.array([[1.0, 2.0, 6.0]], "float32")).numpy().round(2)
        array([[ 1.33,  3.  ,  4.67, -0.33, -1.  ,  1.33]], dtype=float32)

    Source: Zeng et al., "Are Transformers Effective for Time Series Forecasting?" (2022), arXiv 2205.13504.
    """

    def __init__(
        self,
        kernel_size: int | None = 25,
        *,
        basis: str = "steps",
        embedding_dim: int | None = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if kernel_size is not None and (kernel_size < 1 or kernel_size % 2 == 0):
            raise InvalidArgument(f"DLinear's kernel is an odd number of steps, or None. Received: {kernel_size!r}.")
        if basis not in BASES:
            raise InvalidArgument(f"DLinear's basis is one of {', '.join(BASES)}. Received: {basis!r}.")
        self.kernel_size = kernel_size
        self.basis = basis
        self.embedding_dim = embedding_dim

    def make(self, input_shape: Any) -> None:
        """Make the inputs."""
        self.inputs_layer, self.steps_shape, self.rest_width = window_inputs_of(self, input_shape)

    def call(self, inputs: Any) -> Any:
        """Trend and remainder, (batch, width)."""
        steps, rest = self.inputs_layer(inputs)
        if self.basis == "cosines":
            cosines = ops.cast(ops.convert_to_tensor(cosine_basis(self.steps_shape[1])), steps.dtype)
            steps = ops.einsum("bsc,sf->bfc", steps, cosines)
        parts = [steps]
        if self.kernel_size is not None:
            half = self.kernel_size // 2
            ends = [ops.repeat(steps[:, :1], half, axis=1), steps, ops.repeat(steps[:, -1:], half, axis=1)]
            trend = ops.average_pool(
                ops.concatenate(ends, axis=1), self.kernel_size, strides=1, padding="valid", data_format="channels_last"
            )
            parts = [trend, steps - trend]
        flat = [ops.reshape(part, (-1, self.steps_shape[1] * self.steps_shape[2])) for part in parts]
        return beside(flat[0] if len(flat) == 1 else ops.concatenate(flat, axis=1), rest)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """(batch, width)."""
        parts = 1 if self.kernel_size is None else 2
        return (None, parts * self.steps_shape[1] * self.steps_shape[2] + self.rest_width)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "basis": self.basis,
            "embedding_dim": self.embedding_dim,
        }


def cosine_basis(steps: int) -> np.ndarray:
    """The orthonormal cosines of so many steps (DCT-II), float32 (steps, frequencies), slowest first.

    Example:
        >>> basis = cosine_basis(8)
        >>> bool(np.allclose(basis.T @ basis, np.eye(8), atol=1e-6))
        True
    """
    place, frequency = np.arange(steps)[:, None], np.arange(steps)
    basis = np.sqrt(2 / steps) * np.cos(np.pi * (place + 0.5) * frequency / steps)
    basis[:, 0] /= np.sqrt(2)
    return basis.astype(np.float32)
