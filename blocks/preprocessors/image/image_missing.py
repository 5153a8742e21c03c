"""ImageMissing: whether there is an image. How images are decoded is in batch_decoding."""

from typing import Any

import keras
import tensorflow as tf

from blocks.arguments import check_whole_number
from blocks.block import Preprocessor
from blocks.preprocessors.image.batch_decoding import batch_decoder


@keras.saving.register_keras_serializable(package="blocks")
class ImageMissing(Preprocessor):
    """1 where there is no image, else 0: a missing value (null, no bytes), or one that cannot be decoded.

    It stands beside an `Image` that makes zeros of these, as `{"photo": (Image(32), ImageMissing())}`, and decodes all
    images once more. (`MissingIndicator` sees missing values alone, and decodes nothing.) Learns nothing.

    Args:
        max_pixels: As of `Image`.

    Returns:
        float32 of shape (batch,).

    Example:
        >>> png = tf.io.encode_png(tf.zeros((4, 6, 3), tf.uint8))
        >>> ImageMissing()(tf.stack([png, "", "no image"])).numpy()
        array([0., 1., 1.], dtype=float32)
    """

    accepts = ("text",)
    row_by_row = True

    def __init__(self, *, max_pixels: int = 1 << 26, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_pixels = check_whole_number("max_pixels", max_pixels, 1, most=1 << 30)
        self._decoder = batch_decoder((1, 1), 3, max_pixels, "stretch", "nearest", False)

    def compute(self, values: Any) -> Any:
        """The indicator in float64."""
        values = tf.convert_to_tensor(values)
        _, readable = self._decoder(values)
        return tf.cast(tf.equal(values, "") | ~readable, tf.float64)

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {**super().get_config(), "max_pixels": self.max_pixels}
