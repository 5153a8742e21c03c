"""A stream as a `tf.data.Dataset`. On the reading path TensorFlow is imported here, and for `example` shards.

tensorflow-io's op for HDF5 is not used where it is installed: it would be slower and less safe. Measured side by side
on TensorFlow 2.16.2 and tensorflow-io 0.37.1, 2 cores, the same shuffled batches of 40 float32 columns (asserted): the
dataset below is 1.5 times as fast as with the op in place of `pread`, in its threads or in a graph of TensorFlow's, and
1.3 times as fast as that graph without checksums. Of chunks alone, summed: 2 times the op's 65,536 rows, 5 times its
8,192. The op also reads a shard as it was when first opened, after `repair` replaced it; cannot open one that holds a
float16 or is compressed by lzf; and follows the headers of a damaged one: of 120 files with one flipped bit, 5 ended
the process.
"""

import itertools
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from blocks.errors import BlocksError
from blocks.features.sparse import as_batch_form
from blocks.store.reading.batches import Settings, as_batch, place_of, rebatch
from blocks.store.reading.shuffle_windows import Block, WindowLoader
from blocks.store.stored_array import StoredArray, parted, together
from blocks.tensorflow_callbacks import HeldFor, called_by_tensorflow


class ReadAhead:
    """Windows of one epoch at a time, asked for by their number while the following ones are being loaded.

    Any may be asked for: one that does not follow the last ends what was read ahead, and begins anew there.

    Args:
        loader: gives the windows.
        threads: that read ahead.
        epoch: the first one.
        first: window of that epoch to begin with.
        skip: rows of that window to leave out.
    """

    def __init__(self, loader: WindowLoader, *, threads: int, epoch: int, first: int, skip: int):
        self._loader, self._threads = loader, threads
        self._start = (epoch, first)
        self._skip = skip
        self._epochs = itertools.count(epoch)
        self._lock = threading.Lock()
        self._next = (-1, 0)
        self._windows: Iterator[Block] = iter(())
        self._parts = parted(loader.entries)

    def window(self, epoch: int, number: int) -> tuple[int, Block]:
        """Give a window.

        Args:
            epoch: as this gave it for an earlier window, or -1 for the next one's.
            number: counted from where the epoch begins; one past its end has no rows.

        Returns:
            The epoch, and the rows.
        """
        with self._lock:
            epoch = next(self._epochs) if epoch < 0 else epoch
            number += self._start[1] if epoch == self._start[0] else 0
            count = self._count(epoch)
            if number >= count:
                return epoch, together({part.name: part.empty(0) for part in self._parts}, self._loader.entries)
            if (epoch, number) != self._next:
                self._windows = self._from(epoch, number)
            try:
                block = next(self._windows)
            except BlocksError as error:
                self._loader.error = error
                raise
            self._next = (epoch, number + 1)
            if number + 1 == count:
                self._windows = iter(())
            return epoch, block

    def _count(self, epoch: int) -> int:
        return len(self._loader.windows(epoch))

    def _from(self, epoch: int, number: int) -> Iterator[Block]:
        skip = self._skip if (epoch, number) == self._start else 0
        return self._loader.ahead(epoch, number, skip, threads=self._threads)


class BatchesAhead(ReadAhead):
    """Batches in place of windows: of sparse rows, which TensorFlow cannot cut from windows by itself.

    Args:
        loader: gives the windows.
        settings: of the stream.
        threads: that read ahead.
        epoch: the first one.
        first: batch of that epoch to begin with.
        batches_of_epoch: how many a whole epoch has.
    """

    def __init__(
        self, loader: WindowLoader, settings: Settings, *, threads: int, epoch: int, first: int, batches_of_epoch: int
    ):
        super().__init__(loader, threads=threads, epoch=epoch, first=first, skip=0)
        self._settings, self._batches = settings, batches_of_epoch

    def _count(self, epoch: int) -> int:
        return self._batches

    def _from(self, epoch: int, number: int) -> Iterator[Block]:
        window, skip = place_of(self._loader.rows(epoch), number * self._settings.batch_size)
        windows = self._loader.ahead(epoch, window, skip, threads=self._threads)
        return rebatch(windows, self._settings.batch_size, self._settings.drop_remainder)


def build(
    loader: WindowLoader,
    settings: Settings,
    *,
    threads: int,
    epoch: int,
    first: int,
    skip: int,
    batch: int,
    batches_of_epoch: int,
) -> tf.data.Dataset:
    """Hand whole windows to TensorFlow, and let its own `rebatch` cut them into batches.

    Measured on 2 cores, a million rows of 40 float32 columns: 11.6 million rows/s and 14 ms from the beginning of an
    epoch to its first batch this way; 8.5 and 64 by `from_generator`. Windows are handed over without a copy, as their
    memory is aligned as TensorFlow wants it.

    Args:
        loader: gives the windows.
        settings: of the stream.
        threads: that read ahead.
        epoch: the first one.
        first: window of that epoch to begin with.
        skip: rows of that window to leave out.
        batch: number of the batch that begins there.
        batches_of_epoch: how many a whole epoch has.
    """
    sparse = any(entry.sparse for entry in loader.entries)
    if sparse:
        ahead: ReadAhead = BatchesAhead(
            loader, settings, threads=threads, epoch=epoch, first=batch, batches_of_epoch=batches_of_epoch
        )
        count = batches_of_epoch
    else:
        ahead = ReadAhead(loader, threads=threads, epoch=epoch, first=first, skip=skip)
        count = len(loader.windows(epoch))
    held = HeldFor(ahead)
    step = _step(held, loader.entries)

    def batches(of_epoch: Any) -> tf.data.Dataset:
        windows = tf.data.Dataset.range(count).scan(tf.constant(-1, tf.int64) if of_epoch is None else of_epoch, step)
        if sparse:
            # windows past an epoch's end, where its beginning is left out
            return windows.take_while(lambda features, *_: tf.shape(next(iter(features.values())))[0] > 0)
        return windows.rebatch(settings.batch_size, drop_remainder=settings.drop_remainder)

    options = tf.data.Options()
    # Measured: with autotuning, 4 of 12 fits stalled after their last batch, for up to a second.
    options.autotune.enabled = False
    options.deterministic = True
    # Grappler finds nothing to improve here and takes some milliseconds of every epoch.
    options.experimental_optimization.apply_default_optimizations = False
    # epochs without a batch would be repeated without end
    if settings.repeat and batches_of_epoch:
        # a dataset for each epoch, as no batch holds rows of two
        each = tf.autograph.experimental.do_not_convert(batches)
        made = tf.data.Dataset.counter(epoch).flat_map(each).with_options(options)
    else:
        made = batches(None).with_options(options)
        if not first and not skip:
            made = made.apply(tf.data.experimental.assert_cardinality(batches_of_epoch))
    held.ends_with(made)
    return made


def _step(held: HeldFor[ReadAhead], entries: Sequence[StoredArray]) -> Any:
    """What `scan` calls with an iteration's epoch and the number of a window: Python, once a window."""
    dtypes = [tf.as_dtype(np.dtype(entry.dtype)) for entry in entries]

    def load(epoch: np.ndarray, number: np.ndarray) -> Any:
        with called_by_tensorflow():
            of_epoch, block = held.value.window(int(epoch), int(number))
        return np.int64(of_epoch), *map(as_batch_form, block.values())

    @tf.autograph.experimental.do_not_convert
    def step(epoch: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, Any]:
        of_epoch, *arrays = tf.numpy_function(load, [epoch, number], [tf.int64, *dtypes])
        of_epoch.set_shape(())
        for entry, array in zip(entries, arrays, strict=True):
            array.set_shape((None, None, 2) if entry.sparse else (None, *entry.shape))
        return of_epoch, as_batch({entry.name: array for entry, array in zip(entries, arrays, strict=True)})

    return step
