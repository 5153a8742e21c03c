"""PictureRegions: an encoded picture as regions that can be left out one by one, for LIME."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from blocks.data.picture_bytes import is_animated_webp, picture_header

REGIONS = 40
"""About how many regions a picture is cut into."""

MOST_PIXELS = 1 << 26
"""Of the largest picture that is decoded, frames included, as its header says: that of `preprocessors.Image`."""

PIXELS = 1 << 28
"""Of all pictures that are drawn for one explanation, together."""


@dataclass(frozen=True)
class PictureRegions:
    """A decoded picture and the region of each of its pixels.

    Args:
        pixels: uint8 (height, width, channels).
        labels: int32 (height, width), the region of each pixel, from 0.
    """

    pixels: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, data: Any) -> Self | None:
        """The regions of encoded bytes: neighbouring pixels of like colour. None where TensorFlow decodes no picture.

        TensorFlow decodes, as in the model: another decoder gives other pixels. An animation is its first frame.

        Source: Achanta et al., "SLIC Superpixels Compared to State-of-the-art Superpixel Methods" (2012).
        """
        # TensorFlow's decoder ends the process on an animated WebP
        if not isinstance(data, bytes) or is_animated_webp(data):
            return None
        header = picture_header(data)
        if header is None or header.height * header.width * header.frames > MOST_PIXELS:
            return None
        import tensorflow as tf
        from lime.wrappers.scikit_image import SegmentationAlgorithm

        try:
            pixels = tf.io.decode_image(data, expand_animations=False).numpy()
        except tf.errors.InvalidArgumentError:
            return None
        if pixels.ndim != 3 or pixels.dtype != np.uint8 or min(pixels.shape[:2]) < 2:
            return None
        colours = pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
        cut = SegmentationAlgorithm("slic", n_segments=REGIONS, compactness=10.0, start_label=0, channel_axis=-1)
        labels = np.unique(cut(colours), return_inverse=True)[1].reshape(pixels.shape[:2])
        return cls(pixels, labels.astype(np.int32))

    @property
    def count(self) -> int:
        """How many regions there are."""
        return int(self.labels.max()) + 1

    @property
    def most(self) -> int:
        """How many pictures of this size are drawn at most."""
        return max(PIXELS // self.labels.size, 256)

    def encoded(self, kept: np.ndarray) -> pa.Array:
        """The picture without some regions, as PNG, which loses nothing: they have the mean of their own colours.

        Args:
            kept: bool (rows, regions).
        """
        import tensorflow as tf

        shape = (self.count, self.pixels.shape[2])
        sums = np.zeros(shape)
        np.add.at(sums, self.labels.reshape(-1), self.pixels.reshape(-1, shape[1]))
        sizes = np.bincount(self.labels.reshape(-1), minlength=self.count)[:, None]
        plain = np.round(sums / sizes).astype(np.uint8)[self.labels]
        drawn = (np.where(row[self.labels][..., None], self.pixels, plain) for row in kept)
        return pa.array([tf.io.encode_png(pixels).numpy() for pixels in drawn], pa.binary())


@dataclass(frozen=True)
class DrawnPictures:
    """A column of one picture with some of its regions, encoded when it is asked for.

    Args:
        first: The picture as it came, an array of one.
        regions: Its regions.
        kept: bool (rows, regions), of the rows after the first.
    """

    first: pa.Array
    regions: PictureRegions
    kept: np.ndarray

    def slice(self, start: int, length: int) -> pa.Array:
        """These rows; the first of all as it came."""
        drawn = self.regions.encoded(self.kept[max(start - 1, 0) : start + length - 1]).cast(self.first.type)
        return pa.concat_arrays([self.first, drawn]) if start == 0 else drawn

    @property
    def piece(self) -> int:
        """How many rows of pictures are held at once."""
        return max((1 << 24) // self.regions.labels.size, 16)
