"""Untrained: whether a core still has the weights that it was drawn with."""

import hashlib

import keras
import numpy as np

NUMBERS = 1 << 20


def digest_of_last(core: keras.Model) -> str | None:
    """A digest of the last trainable weights, up to about a million numbers: training leaves none of them as it was.

    Returns:
        32 hexadecimal digits; None for a core that has nothing to train.

    Example:
        >>> core = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> before = digest_of_last(core)
        >>> core.set_weights([weight + 1 for weight in core.get_weights()])
        >>> digest_of_last(core) == before
        False
    """
    digest, numbers = hashlib.blake2b(digest_size=16), 0
    for variable in reversed(core.trainable_variables):
        values = np.asarray(variable)
        digest.update(values.tobytes())
        numbers += values.size
        if numbers >= NUMBERS:
            break
    return digest.hexdigest() if core.trainable_variables else None
