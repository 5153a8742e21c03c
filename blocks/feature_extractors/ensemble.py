"""Ensemble: independent copies of an extractor, trained at once, whose predictions are averaged."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.features.spec import FeatureSpec


@keras.saving.register_keras_serializable(package="blocks")
class Ensemble(FeatureExtractor):
    """k copies of an extractor, each with initial weights, head and loss of its own; the average of their predictions.

    Args:
        extractor: What to copy; it stays as it is.
        k: Number of copies.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        Float tensor of shape (batch, k, width); (batch, k * members, width) of an extractor that has members itself.

    Parameters: k times the extractor's.

    Example:
        >>> import numpy as np
        >>> from blocks.feature_extractors import MLP
        >>> Ensemble(MLP([4]), k=3)(np.zeros((2, 5), "float32")).shape
        TensorShape([2, 3, 4])

    Source: Lakshminarayanan, Pritzel, Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep
        Ensembles" (2017), arXiv 1612.01474, without its adversarial training; all copies see the same batches.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        k: int = 4,
        *,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if not isinstance(extractor, FeatureExtractor) or k < 1:
            raise InvalidArgument(
                f"Ensemble copies a feature extractor k >= 1 times. Received: {extractor!r}, k={k!r}."
            )
        self.k = k
        self.copies = [extractor.copy() for _ in range(k)]
        for index, copy in enumerate(self.copies):
            copy.name = f"copy_{index}"  # names below the extractor's own are alike in all ensembles: warm_start

    @property
    def members(self) -> int:  # type: ignore[override]  # a constant of the class elsewhere
        """Of all copies."""
        return self.k * (self.copies[0].members or 1)

    def reversible_norm(self) -> Any:
        """That of the copies, which are alike."""
        return self.copies[0].reversible_norm()

    def bind(self, spec: FeatureSpec) -> None:
        """Take the specification, for every copy."""
        super().bind(spec)
        for copy in self.copies:
            copy.bind(spec)

    def make(self, input_shape: Any) -> None:
        """Build the copies."""
        for copy in self.copies:
            if self.spec is not None:
                copy.bind(self.spec)
            copy.build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The copies' representations."""
        found = [copy(inputs, training=training) for copy in self.copies]
        return ops.stack(found, axis=1) if self.copies[0].members is None else ops.concatenate(found, axis=1)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        extractor = keras.saving.serialize_keras_object(self.copies[0])
        extractor.pop("build_config", None)  # a copy is built by its ensemble
        return {**super().get_config(), "extractor": extractor, "k": self.k}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Ensemble":
        """The block that `get_config` described."""
        return cls(**{**config, "extractor": keras.saving.deserialize_keras_object(config["extractor"])})
