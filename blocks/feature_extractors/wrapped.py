"""Keras: anybody's layer or model as a feature extractor."""

from collections.abc import Mapping
from typing import Any

import keras

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.inputs import inputs_of
from blocks.feature_extractors.numeric import as_config
from blocks.features.spec import FeatureSpec


@keras.saving.register_keras_serializable(package="blocks")
class Keras(FeatureExtractor):
    """Wrap any Keras layer or model.

    Args:
        layer: A `keras.layers.Layer` or `keras.Model` whose output is of shape (batch, width).
        inputs: What the layer is given: "flat" (numbers and embedded ids as one vector a row), "packed" (the dict of
            entries as it is), or the name of one entry (an image, say) or of the column that it is made of.
        pretrained: Whether a copy of the block, as `model.replace` makes it, carries the layer's weights along; unless
            given, whether the layer had weights when it came.
        embedding_dim: Width of the ids' embeddings with "flat"; None for a rule by cardinality.
        numeric_embeddings: With "flat": None, "piecewise_linear", "periodic", or one of
            `blocks.feature_extractors.numeric`.
        spec: The features' specification; `blocks.Model` binds it.

    Returns:
        What the layer returns, of shape (batch, width).

    Parameters: the layer's, and with "flat" those of the inputs.

    Example:
        >>> import keras, numpy as np
        >>> Keras(keras.layers.Dense(4))(np.zeros((2, 3), "float32")).shape
        TensorShape([2, 4])
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        *,
        inputs: str = "flat",
        pretrained: bool | None = None,
        embedding_dim: int | None = None,
        numeric_embeddings: Any = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if not isinstance(layer, keras.layers.Layer):
            raise InvalidArgument(f"Keras wraps a keras.layers.Layer or keras.Model. Received: {type(layer).__name__}.")
        self.layer = layer
        self.inputs_name = inputs
        self.pretrained = bool(layer.built and layer.weights) if pretrained is None else pretrained
        self.embedding_dim = embedding_dim
        self.numeric_embeddings = as_config(numeric_embeddings)

    def bind(self, spec: FeatureSpec) -> None:
        """Take the specification, and refuse an entry that it does not have.

        Raises:
            InvalidArgument: `inputs` names no entry.
        """
        if self.inputs_name not in ("flat", "packed") and spec.entry_of(self.inputs_name) is None:
            raise InvalidArgument(
                f"inputs is 'flat', 'packed' or an entry of the features: {', '.join(spec)}. "
                f"Received: {self.inputs_name!r}."
            )
        super().bind(spec)

    def make(self, input_shape: Any) -> None:
        """Build the wrapped layer on what it will be given."""
        self.flat = None
        if self.inputs_name == "flat":
            self.flat = inputs_of(self, input_shape)
            shape = self.flat.compute_output_shape(input_shape)
        else:
            shape = input_shape if self.inputs_name == "packed" else input_shape[self._entry()]
        if not self.layer.built:
            self.layer.build(shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """What the layer makes of the features."""
        if self.flat is not None:
            inputs = self.flat(inputs)
        elif self.inputs_name != "packed":
            inputs = inputs[self._entry()]
        kwargs = {"training": training} if self.layer._call_has_training_arg else {}
        return self.layer(inputs, **kwargs)

    def _entry(self) -> str:
        """The entry that `inputs` names."""
        return (self.spec and self.spec.entry_of(self.inputs_name)) or self.inputs_name

    def take_pretrained(self, other: FeatureExtractor) -> None:
        """With `pretrained`, the weights of the other's layer."""
        assert isinstance(other, Keras)
        if other.pretrained and other.layer.built:
            if not self.layer.built:
                self.layer.build_from_config(other.layer.get_build_config())
            self.layer.set_weights(other.layer.get_weights())

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "inputs": self.inputs_name,
            "pretrained": self.pretrained,
            "embedding_dim": self.embedding_dim,
            "numeric_embeddings": self.numeric_embeddings,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Keras":
        """The block that `get_config` described."""
        return cls(**{**config, "layer": keras.saving.deserialize_keras_object(config["layer"])})
