"""Batches as Keras takes them: of a store's stream, or of rows that are transformed while others are trained on."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.errors import BlocksError, InvalidArgument
from blocks.features.sparse import as_batch_form
from blocks.offline.encoded_rows import EncodedRows
from blocks.store import Rows, Stream
from blocks.store.reading.batches import rebatch
from blocks.tensorflow_callbacks import HeldFor, items_for_tensorflow

PREFETCH = 8

WINDOW_CHUNKS = 4
"""Chunks of rows on the fly (65,536 rows each) that are shuffled among each other, and held in memory twice."""


@dataclass
class Batches:
    """Batches of (features, target[, weight]) to iterate over, once an epoch.

    Args:
        dataset: The batches.
        made_of: Where they come from; its `error` is what ended them.
        steps: How many an epoch has, or None where that is learned by its end.
    """

    dataset: tf.data.Dataset
    made_of: EncodedRows | Stream
    steps: int | None = None


def of_stream(stream: Stream) -> Batches:
    """Batches of a store's stream, from its position on."""
    steps = len(stream) - stream.position()["batch"]
    made = stream.dataset().apply(tf.data.experimental.assert_cardinality(steps)).prefetch(PREFETCH)
    return Batches(_on_device(made), stream, steps)


def of_rows(rows: EncodedRows, batch_size: int, *, shuffle: bool = False, seed: int = 0, epoch: int = 0) -> Batches:
    """Batches of rows that are transformed in a background thread; they can be iterated again, shuffled anew.

    Rows are shuffled within windows of consecutive chunks, by the seed and the number of the epoch. Sources whose rows
    are sorted want a store, which shuffles chunks too.

    Args:
        rows: With a head, which encodes the targets.
        batch_size: Rows a batch; the last may be smaller.
        shuffle: Whether to shuffle.
        seed: Decides every order.
        epoch: Number of the first epoch.
    """
    head, spec = rows.head, rows.transform.spec
    if head is None:
        raise InvalidArgument("Training needs a target. Received: rows without a head.")
    epochs = count(epoch)
    sparse = any(entry.sparse for entry in spec.values())
    held = HeldFor(rows)

    def windows() -> Generator[dict[str, Any]]:
        rows = held.value
        random = np.random.default_rng([seed, next(epochs)]) if shuffle else None
        gathered: list[Rows] = []
        try:
            for chunk in rows.chunks():
                gathered.append(chunk)
                if len(gathered) == (WINDOW_CHUNKS if shuffle else 1):
                    yield _window(gathered, random)
                    gathered = []
        except BlocksError as error:
            rows.error = error
            raise
        if gathered:
            yield _window(gathered, random)

    def pieces() -> Generator[tuple[Any, ...]]:
        # TensorFlow cannot cut batches from sparse rows by itself
        for block in rebatch(windows(), batch_size, False) if sparse else windows():
            piece = Rows.from_flat(block)
            features = {name: as_batch_form(values) for name, values in piece.features.items()}
            yield (features, piece.target) + (() if piece.weight is None else (piece.weight,))

    signature: tuple[Any, ...] = (
        {name: tf.TensorSpec((None, *entry.shape), entry.dtype) for name, entry in spec.items()},
        keras.tree.map_structure(
            lambda part: tf.TensorSpec((None, *part.shape[1:]), part.dtype), head.encode(pa.array([], pa.null()))[0]
        ),
    )
    if head.sample_weight is not None:
        signature += (tf.TensorSpec((None,), tf.float32),)
    options = tf.data.Options()
    options.autotune.enabled = False  # it stalls some epochs by up to a second after their last batch
    data = tf.data.Dataset.from_generator(items_for_tensorflow(pieces), output_signature=signature).prefetch(1)
    made = (data if sparse else data.rebatch(batch_size)).prefetch(PREFETCH).with_options(options)
    held.ends_with(made)
    return Batches(_on_device(made), rows)


def _window(chunks: list[Rows], random: np.random.Generator | None) -> dict[str, Any]:
    """The arrays of some chunks, joined and in a random order."""
    flat = [rows.flat() for rows in chunks]
    joined = {name: np.concatenate([part[name] for part in flat]) for name in flat[0]}
    if random is not None:
        order = random.permutation(sum(map(len, chunks)))
        joined = {name: values[order] for name, values in joined.items()}
    return joined


def _on_device(made: tf.data.Dataset) -> tf.data.Dataset:
    """Batches that wait on the accelerator, where there is one."""
    if not tf.config.list_logical_devices("GPU"):
        return made
    return made.apply(tf.data.experimental.copy_to_device("/GPU:0")).prefetch(2)


@contextmanager
def errors_of(*batches: Batches | None) -> Iterator[None]:
    """Raise what ended the batches, in place of TensorFlow's account of it; say how many rows were left out."""
    made_of = [made.made_of for made in batches if made is not None]
    try:
        yield
    except tf.errors.OpError as error:
        for rows in made_of:
            if rows.error is not None:
                raise rows.error from error
        raise
    for rows in made_of:
        if isinstance(rows, EncodedRows):
            rows.warn()
