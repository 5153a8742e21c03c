"""ImageAugmentation: what training changes about images at random, and inference leaves alone. Not a block."""

from collections.abc import Sequence
from typing import Any, Final

import keras
from keras import ops

from blocks.errors import InvalidArgument

AUGMENTATIONS: Final = ("flip", "crop", "color", "cutout")
GREY: Final = 127.5
_SHIFT, _COLOR, _HOLE = 8, 0.25, 4


def as_augmentations(given: Any) -> list[Any]:
    """What an extractor's `augment` says, as its configuration has it: names, and serialised Keras layers.

    Raises:
        InvalidArgument: It is no sequence of names and layers.

    Example:
        >>> as_augmentations("flip"), as_augmentations(None)
        (['flip'], [])
    """
    several = [given] if isinstance(given, str | keras.layers.Layer) else list(given or ())
    for one in several:
        layer = isinstance(one, keras.layers.Layer) or (isinstance(one, dict) and "class_name" in one)
        if one not in AUGMENTATIONS and not layer:
            raise InvalidArgument(
                f"augment names {', '.join(AUGMENTATIONS)}, or holds Keras layers of images. Received: {one!r}."
            )
    return [keras.saving.serialize_keras_object(one) if isinstance(one, keras.layers.Layer) else one for one in several]


class ImageAugmentation(keras.layers.Layer):
    """Images changed at random, each its own way, in training alone; seeded, backend-free.

    - "flip": half of them from left to right;
    - "crop": moved by up to an eighth of their sides; the border is mirrored;
    - "color": brightness, contrast and, of colours, saturation by up to a quarter;
    - "cutout": a square of a quarter of the sides made grey.

    Args:
        augmentations: Their names, and serialised Keras layers that take values of 0 to 255
            (`keras.layers.RandAugment()`, say), in order; "flip" and "crop" come first.

    Returns:
        The images, float of 0 to 255: (batch, height, width, channels).

    Source: DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout" (2017), arXiv
        1708.04552, for that; the others are as of He et al., "Deep Residual Learning" (2015), arXiv 1512.03385, 4.2.
    """

    def __init__(self, augmentations: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self._names = tuple(one for one in augmentations if isinstance(one, str))
        self.seeds = keras.random.SeedGenerator()
        self.others = [keras.saving.deserialize_keras_object(one) for one in augmentations if not isinstance(one, str)]

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The images, changed if `training`."""
        if not training:
            return inputs
        values = self._moved(inputs) if {"flip", "crop"} & set(self._names) else inputs
        if "color" in self._names:
            values = self._colored(values)
        if "cutout" in self._names:
            values = self._cut_out(values)
        for layer in self.others:
            values = layer(values, training=True)
        return values

    def _random(self, images: Any, low: float, high: float) -> Any:
        """A number for each image, (batch, 1, 1, 1)."""
        return keras.random.uniform((ops.shape(images)[0], 1, 1, 1), low, high, dtype="float32", seed=self.seeds)

    def _moved(self, images: Any) -> Any:
        """Flipped and moved: one gather of pixels for both."""
        count, (height, width, channels) = ops.shape(images)[0], images.shape[1:]
        rows, columns = (ops.arange(side, dtype="int32") for side in (height, width))
        rows, columns = ops.reshape(rows, (1, height, 1)), ops.reshape(columns, (1, 1, width))
        if "crop" in self._names:
            rows, columns = self._mirrored(images, rows, height), self._mirrored(images, columns, width)
        if "flip" in self._names:
            turned = ops.squeeze(self._random(images, 0.0, 1.0) < 0.5, -1)
            columns = ops.where(turned, width - 1 - columns, columns)
        first = ops.reshape(ops.arange(count, dtype="int32") * (height * width), (-1, 1, 1))
        places = first + rows * width + columns
        moved = ops.take(ops.reshape(images, (-1, channels)), ops.reshape(places, (-1,)), axis=0)
        return ops.reshape(moved, (-1, height, width, channels))

    def _mirrored(self, images: Any, places: Any, side: int) -> Any:
        """Places moved, those beyond the border mirrored at it."""
        most = min(max(side // _SHIFT, 1), side - 1)
        shift = ops.cast(ops.floor(ops.squeeze(self._random(images, -most, most + 1), -1)), "int32")
        moved = ops.abs(places + shift)
        return ops.minimum(moved, 2 * (side - 1) - moved)

    def _colored(self, images: Any) -> Any:
        if images.shape[-1] == 3:
            weights = ops.reshape(ops.convert_to_tensor([0.299, 0.587, 0.114], "float32"), (1, 1, 1, 3))
            grey = ops.sum(images * weights, axis=-1, keepdims=True)
            images = grey + (images - grey) * self._random(images, 1 - _COLOR, 1 + _COLOR)
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
        images = mean + (images - mean) * self._random(images, 1 - _COLOR, 1 + _COLOR)
        return ops.clip(images + 255 * self._random(images, -_COLOR, _COLOR), 0.0, 255.0)

    def _cut_out(self, images: Any) -> Any:
        inside = None
        for axis, side in ((1, images.shape[1]), (2, images.shape[2])):
            hole = max(side // _HOLE, 1)
            places = ops.reshape(ops.arange(side, dtype="float32"), [-1 if i == axis else 1 for i in range(4)])
            centre = self._random(images, 0.0, float(side))
            near = ops.abs(places + 0.5 - centre) < hole / 2
            inside = near if inside is None else ops.logical_and(inside, near)
        return ops.where(inside, GREY, images)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As it came."""
        return input_shape
