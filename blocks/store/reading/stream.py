"""The stream: shuffled minibatches of one split, with a position that can be said and restored."""

import json
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from blocks.errors import BlocksError, InvalidArgument, StoreMismatch
from blocks.store.reading.batches import Batch, Settings, as_batch, place_of, rebatch
from blocks.store.reading.shuffle_windows import WindowLoader

if TYPE_CHECKING:
    import tensorflow as tf


def _stream_again(split: Any, options: dict[str, Any]) -> "Stream":
    return split.stream(**options)


class Stream:
    """Batches of `(features, target[, weight])`, as NumPy arrays.

    `features` is a dict of arrays by entry, `target` an array (a dict of them with several heads); a split without
    targets gives `(features,)`. Of a sparse entry a batch has pairs, float32 (batch, most, 2): of each value that is
    not 0 the number of its column, and itself; rows end in (0, 0) up to the longest one's length. A batch is a view of
    a window that no one else uses: it may be kept, which keeps its window in memory, and written to.

    Iterating gives the rest of the epoch; iterating again gives the next epoch, shuffled anew. With `repeat` the
    epochs follow each other without end. A batch never holds rows of two epochs. Starting to iterate again ends the
    iterator before.

    Memory: `memory_bytes` (by the mean of sparse rows), whatever the length of the split. Made by `StoreSplit.stream`.
    """

    def __init__(self, loader: WindowLoader, settings: Settings, threads: int, epoch: int, batch: int, *, split: Any):
        self._loader, self._settings, self._threads, self._split = loader, settings, threads, split
        self._epoch, self._batch = epoch, batch
        self._running: Callable[[], Generator[Batch, None, None] | None] = lambda: None

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self._settings._asdict().items() if name != "store")
        return f"Stream({told}, epoch={self._epoch}, batch={self._batch})"

    def __reduce__(self) -> Any:
        """Pickle the split's path, the arguments and the position; what is read ahead is read again."""
        options = {
            name: value for name, value in self._settings._asdict().items() if name not in ("store", "split", "shard")
        }
        return _stream_again, (self._split, {**options, **self._at(), "threads": self._threads})

    def _at(self) -> dict[str, int]:
        return {"epoch": self._epoch, "batch": self._batch}

    @property
    def rows(self) -> int:
        """Rows of an epoch, those of an incomplete last batch included."""
        return self._loader.order.total

    def __len__(self) -> int:
        """Count the batches of a whole epoch."""
        size = self._settings.batch_size
        return self.rows // size if self._settings.drop_remainder else -(-self.rows // size)

    @property
    def memory_bytes(self) -> int:
        """Bytes of rows that the stream holds at most, besides what the user keeps."""
        sizes = sorted(np.asarray(self._loader.order.rows).tolist(), reverse=True)
        window = sum(sizes[: self._settings.window]) * self._loader.row_bytes
        # Each thread reads one window and permutes it into another; one more is in use.
        return (2 * self._threads + 1) * window

    @property
    def error(self) -> BlocksError | None:
        """What ended a `dataset` of this stream, where TensorFlow keeps but the text of it."""
        return self._loader.error

    def position(self) -> dict[str, Any]:
        """Say, as JSON, which batches were given: `StoreSplit.stream(..., position=...)` goes on with the next one."""
        return {
            **self._settings._asdict(),
            "shard": list(self._settings.shard),
            **self._at(),
        }

    def __iter__(self) -> Iterator[Batch]:
        running = self._running()
        if running is not None:
            running.close()
        batches = self._batches()
        # Weak, so that an iterator that nobody holds ends its threads at once.
        self._running = weakref.ref(batches)
        return batches

    def _batches(self) -> Generator[Batch, None, None]:
        while True:
            windows = self._loader.ahead(self._epoch, *self._start(), threads=self._threads)
            for block in rebatch(windows, self._settings.batch_size, self._settings.drop_remainder):
                self._batch += 1
                yield as_batch(block)
            self._epoch, self._batch = self._epoch + 1, 0
            if not self._settings.repeat or not len(self):
                return

    def _start(self) -> tuple[int, int]:
        """Find the window in which the next batch begins, and how many rows of it come before."""
        return place_of(self._loader.rows(self._epoch), self._batch * self._settings.batch_size)

    def dataset(self) -> "tf.data.Dataset":
        """Give the same batches, from the same position, as a `tf.data.Dataset`.

        Its elements have static shapes but for the rows of a batch, which are static with `drop_remainder`. Python runs
        once a window. Iterating it does not move `position`: the first iteration begins where the stream is now, and
        each later one gives the next epoch; with `repeat` each begins where the stream is now. Windows and files are
        given back once nothing refers to the dataset, or to one made of it.
        """
        from blocks.store.reading.dataset import build

        first, skip = self._start()
        return build(
            self._loader,
            self._settings,
            threads=self._threads,
            epoch=self._epoch,
            first=first,
            skip=skip,
            batch=self._batch,
            batches_of_epoch=len(self),
        )


def restore(position: Any, settings: Settings) -> tuple[int, int]:
    """Check that a position belongs to a stream of these settings; return its epoch and batch.

    Raises:
        InvalidArgument: it is not a position, or was said by a stream of other arguments.
        StoreMismatch: it belongs to another store.
    """
    ours = {**settings._asdict(), "shard": list(settings.shard)}
    try:
        position = json.loads(json.dumps(position))
        theirs = {name: position[name] for name in ours}
        epoch, batch = position["epoch"], position["batch"]
        valid = all(type(value) is int and value >= 0 for value in (epoch, batch))
    except (TypeError, KeyError, ValueError):
        valid = False
    if not valid:
        raise InvalidArgument(f"position must be what Stream.position() returned. Received: {position!r}.")
    if theirs["store"] != ours["store"]:
        raise StoreMismatch(
            "A position fits only the store that it was said by. Received one of a store with another manifest; "
            "open that store, or start without a position."
        )
    parts = [name for name in ours if ours[name] != theirs[name]]
    if parts:
        told = ", ".join(f"{name}={theirs[name]!r} (here {ours[name]!r})" for name in parts)
        raise InvalidArgument(f"A position fits only a stream of the same arguments. Received one with {told}.")
    return epoch, batch
