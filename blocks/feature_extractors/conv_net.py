"""ConvNet: a small residual network over images."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from blocks.block import FeatureExtractor
from blocks.errors import InvalidArgument
from blocks.feature_extractors.image_augmentation import ImageAugmentation, as_augmentations
from blocks.features.spec import FeatureSpec


@keras.saving.register_keras_serializable(package="blocks")
class ConvNet(FeatureExtractor):
    """Residual blocks of two 3x3 convolutions over an image, and the mean over what is left of its places.

    Images come as pixels of 0 to 255 (`preprocessors.Image` emits them) and are scaled here. Each width but the first
    is a stage, which halves height and width. Augmentation is part of training alone: neither predictions nor an export
    know of it.

    Args:
        widths: Channels of the stem, and of each stage.
        depth: Residual blocks of a stage.
        augment: What training changes about images at random: names among "flip" (not where left and right matter:
            digits, texts), "crop", "color" and "cutout", and Keras layers that take values of 0 to 255, as
            `keras.layers.RandAugment()`; None for nothing.
        dropout: Share of the representation that is dropped in training, in [0, 1).
        stem_stride: By how much the stem shrinks the image; None for 1 up to 64 pixels a side, 2 up to 128, 4 beyond.
        spec: The features' specification, of one image; `blocks.Model` binds it. Beside other features an extractor of
            one image stands in a `Joined`: `Joined({"photo": ConvNet()}, rest=MLP([32]))`.

    Returns:
        Float tensor of shape (batch, widths[-1]).

    Parameters: with c channels of the image, a stem of (9 * c + 4) * widths[0]; for each stage from u to w channels
        9 * u * w + 9 * w * w + u * w + 12 * w, and for each further block of it 18 * w * w + 8 * w; of normalization's
        4 a channel half are not trained.

    Raises:
        InvalidArgument: An argument is outside what is said above, or the features are not one image.

    Example:
        >>> import numpy as np
        >>> ConvNet([4, 8])(np.zeros((2, 16, 16, 3), "uint8")).shape
        TensorShape([2, 8])

    Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (2015), arXiv 1512.03385; shortcuts
        shrink by means, as He et al., "Bag of Tricks" (2018), arXiv 1812.01187, section 4.
    """

    def __init__(
        self,
        widths: Sequence[int] = (24, 48, 96, 192),
        depth: int = 1,
        *,
        augment: Any = ("flip", "crop", "color"),
        dropout: float = 0.0,
        stem_stride: int | None = None,
        spec: FeatureSpec | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        if len(widths) < 2 or min(*widths, depth) < 1:
            raise InvalidArgument(
                f"ConvNet takes two widths or more, and a depth, all positive. Received: {widths!r}, depth={depth!r}."
            )
        if not 0 <= dropout < 1:
            raise InvalidArgument(f"ConvNet's dropout is in [0, 1). Received: {dropout!r}.")
        if stem_stride not in (None, 1, 2, 4, 8):
            raise InvalidArgument(f"ConvNet's stem_stride is 1, 2, 4, 8 or None. Received: {stem_stride!r}.")
        self.widths = list(map(int, widths))
        self.depth = depth
        self.augment = as_augmentations(augment)
        self.dropout = dropout
        self.stem_stride = stem_stride
        if self.spec is not None:
            _require_image(self.spec)

    def bind(self, spec: FeatureSpec) -> None:
        """Take the specification.

        Raises:
            InvalidArgument: It is not of one image alone.
        """
        _require_image(spec)
        super().bind(spec)

    def make(self, input_shape: Any) -> None:
        """Make the layers."""
        shape = next(iter(input_shape.values())) if isinstance(input_shape, Mapping) else input_shape
        if len(shape) != 4:
            raise InvalidArgument(f"ConvNet takes images (batch, height, width, channels). Received: shape {shape}.")
        policy = self.dtype_policy
        self.augmentation = ImageAugmentation(self.augment, dtype="float32", name="augmentation")
        side = max(shape[1:3])
        stride = self.stem_stride or (1 if side <= 64 else 2 if side <= 128 else 4)
        self.stem = ConvolutionNorm(self.widths[0], 3, stride, dtype=policy, name="stem")
        self.stem.build(shape)
        shape = self.stem.compute_output_shape(shape)
        self.blocks: list[ResidualBlock] = []
        for stage, width in enumerate(self.widths[1:]):
            for number in range(self.depth):
                # what has no places left is not shrunk further
                shrink = 2 if number == 0 and min(shape[1:3]) > 1 else 1
                block = ResidualBlock(width, shrink, dtype=policy, name=f"stage_{stage}_block_{number}")
                block.build(shape)
                shape = block.compute_output_shape(shape)
                self.blocks.append(block)
        self.drop = keras.layers.Dropout(self.dropout, dtype=policy)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The representation."""
        images = next(iter(inputs.values())) if isinstance(inputs, Mapping) else inputs
        images = ops.cast(images, "float32")
        if training:
            return self._represented(self.augmentation(images, training=True), True)
        rows = ops.shape(images)[0]
        # of no row TensorFlow's convolutions give as many channels as they got, on a CPU
        nothing = ops.zeros((0, self.widths[-1]), self.compute_dtype)
        return ops.cond(rows > 0, lambda: self._represented(images, False), lambda: nothing)

    def _represented(self, images: Any, training: bool) -> Any:
        values = ops.cast((images - 127.5) / 64.0, self.compute_dtype)
        values = ops.relu(self.stem(values, training=training))
        for block in self.blocks:
            values = block(values, training=training)
        return self.drop(ops.mean(values, axis=(1, 2)), training=training)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """(batch, widths[-1])."""
        return (None, self.widths[-1])

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {
            **super().get_config(),
            "widths": self.widths,
            "depth": self.depth,
            "augment": self.augment,
            "dropout": self.dropout,
            "stem_stride": self.stem_stride,
        }


class ConvolutionNorm(keras.layers.Layer):
    """A convolution without a bias, and batch normalization, which has one.

    Args:
        width: Channels that come out.
        size: Side of the kernel.
        stride: By how much it shrinks.
        gamma: What the normalization's scale starts from.
    """

    def __init__(self, width: int, size: int, stride: int = 1, gamma: str = "ones", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        options = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal", "dtype": policy}
        self.convolution = keras.layers.Conv2D(width, size, stride, name="convolution", **options)
        self.norm = keras.layers.BatchNormalization(momentum=0.9, gamma_initializer=gamma, dtype=policy, name="norm")

    def build(self, input_shape: Any) -> None:
        """Build both."""
        self.convolution.build(input_shape)
        self.norm.build(self.convolution.compute_output_shape(input_shape))
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Both in order."""
        return self.norm(self.convolution(inputs), training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The convolution's."""
        return self.convolution.compute_output_shape(input_shape)


class ResidualBlock(keras.layers.Layer):
    """relu(shortcut(x) + norm(conv(relu(norm(conv(x)))))); the shortcut is x, shrunk and widened where it must be.

    Args:
        width: Channels that come out.
        stride: By how much it shrinks: 1 or 2.
    """

    def __init__(self, width: int, stride: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width, self.stride = width, stride
        policy = self.dtype_policy
        self.first = ConvolutionNorm(width, 3, stride, dtype=policy, name="first")
        # a block does nothing at first, so that a deep network begins as a shallow one
        self.second = ConvolutionNorm(width, 3, gamma="zeros", dtype=policy, name="second")
        self.pool = keras.layers.AveragePooling2D(stride, padding="same", dtype=policy) if stride > 1 else None
        self.widen: ConvolutionNorm | None = None

    def build(self, input_shape: Any) -> None:
        """Build the layers."""
        self.first.build(input_shape)
        self.second.build(self.first.compute_output_shape(input_shape))
        if self.stride > 1 or input_shape[-1] != self.width:
            self.widen = ConvolutionNorm(self.width, 1, dtype=self.dtype_policy, name="widen")
            self.widen.build(input_shape)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The block's output."""
        values = self.second(ops.relu(self.first(inputs, training=training)), training=training)
        shortcut = inputs if self.pool is None else self.pool(inputs)
        if self.widen is not None:
            shortcut = self.widen(shortcut, training=training)
        return ops.relu(shortcut + values)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of its convolutions."""
        return self.first.compute_output_shape(input_shape)


def _require_image(spec: FeatureSpec) -> None:
    if len(spec) != 1 or not all(entry.is_image for entry in spec.values()):
        raise InvalidArgument(
            f"ConvNet takes one image and nothing else. Received: {spec}. Beside other features it stands in a Joined: "
            "Joined({'photo': ConvNet()}, rest=MLP([32]))."
        )
