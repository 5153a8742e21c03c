"""A stream as a `tf.data.Dataset`. On the reading path TensorFlow is imported here, and for `example` shards."""

from typing import Any

import numpy as np
import tensorflow as tf

from blocks.store.batches import Settings, as_batch
from blocks.store.windows import WindowLoader


def build(loader: WindowLoader, settings: Settings, *, threads: int, epoch: int, first: int, skip: int) -> tf.data.Dataset:
    """Load whole windows in Python, several at a time, and cut them into batches by TensorFlow's own `rebatch`.

    Windows are handed over without a copy, as their memory is aligned as TensorFlow wants it. The map is parallel but
    deterministic, so rows keep the stream's order.

    Args:
        loader: gives the windows.
        settings: of the stream.
        threads: windows that are loaded at the same time.
        epoch: the first one.
        first: window of that epoch to begin with.
        skip: rows of that window to leave out.
    """
    entries = loader.entries
    dtypes = [tf.as_dtype(np.dtype(entry.dtype)) for entry in entries]
    windows = len(loader.windows(epoch))

    def load(of_epoch: np.ndarray, number: np.ndarray) -> list[np.ndarray]:
        start = skip if (int(of_epoch), int(number)) == (epoch, first) else 0
        block = loader.load(int(of_epoch), int(number))
        return [block[entry.name][start:] for entry in entries]

    @tf.autograph.experimental.do_not_convert
    def load_window(of_epoch: tf.Tensor, number: tf.Tensor) -> Any:
        tensors = tf.numpy_function(load, [of_epoch, number], dtypes)
        for tensor, entry in zip(tensors, entries, strict=True):
            tensor.set_shape([None, *entry.shape])
        return as_batch({entry.name: tensor for entry, tensor in zip(entries, tensors, strict=True)})

    @tf.autograph.experimental.do_not_convert
    def epoch_batches(of_epoch: tf.Tensor) -> tf.data.Dataset:
        start = tf.where(tf.equal(of_epoch, epoch), tf.constant(first, tf.int64), tf.constant(0, tf.int64))
        loaded = tf.data.Dataset.range(start, windows).map(
            lambda number: load_window(of_epoch, number), num_parallel_calls=threads, deterministic=True
        )
        return loaded.rebatch(settings.batch_size, drop_remainder=settings.drop_remainder)

    options = tf.data.Options()
    # Measured: with autotuning, 4 of 12 fits stalled after their last batch, for up to a second.
    options.autotune.enabled = False
    options.deterministic = True
    if settings.repeat:
        return tf.data.Dataset.counter(epoch).flat_map(epoch_batches).with_options(options)
    return epoch_batches(tf.constant(epoch, tf.int64)).with_options(options)
