"""TFRecord shards of one `tf.train.Example` per row, for programs that know TensorFlow's format alone.

One feature per entry, under the entry's name ("features/numeric", "target", "keys/id"): float16 and float32 as a
float_list, integers and booleans as an int64_list (uint64 by its bits), a key's string as a bytes_list; float64 as a
bytes_list of the row's raw little-endian bytes (`tf.io.decode_raw(value, tf.float64)`), since a float_list would round
it. A sparse entry is two lists: its values under its own name, their columns under "indices/NAME". `feature_spec` gives
what `tf.io.parse_example` needs.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from blocks.files.remote_files import os_errors
from blocks.store.checksum import chunk_sum
from blocks.store.formats.shard import RECORDS, Access, ShardFormat, ShardSettings
from blocks.store.formats.tfrecord import FRAME_HEAD, FRAME_TAIL, frames
from blocks.store.stored_array import INDICES, LENGTHS, StoredArray, parted


def _kind(entry: StoredArray) -> str:
    if entry.is_string or entry.dtype == "<f8":
        return "bytes"
    return "float" if np.dtype(entry.dtype).kind == "f" else "int64"


def feature_spec(entries: tuple[StoredArray, ...]) -> dict[str, Any]:
    """Say how `tf.io.parse_example` reads a row.

    Args:
        entries: of the store.

    Returns:
        `tf.io.FixedLenFeature` by entry name; of a sparse entry's values and indices `tf.io.RaggedFeature`.
    """
    import tensorflow as tf

    dtypes = {"bytes": tf.string, "float": tf.float32, "int64": tf.int64}
    return {
        entry.name: tf.io.RaggedFeature(dtypes[_kind(entry)], row_splits_dtype=tf.int64)
        if entry.running
        else tf.io.FixedLenFeature([] if _kind(entry) == "bytes" else entry.shape, dtypes[_kind(entry)])
        for entry in parted(entries)
        if not entry.name.startswith(LENGTHS)
    }


class ExampleWriter:
    """Write one shard of one `tf.train.Example` per row.

    Args:
        path: the file to make.
        entries: of the store.
    """

    def __init__(self, path: Path, entries: tuple[StoredArray, ...]):
        import tensorflow as tf

        self._path, self._entries = path, entries
        self._starts: list[int] = []
        self._widths: dict[str, list[int]] = {e.name: [] for e in entries if e.is_string or e.running}
        self._running = {entry.name for entry in entries if entry.running}
        self._size = 0
        with os_errors():
            self._file = tf.io.TFRecordWriter(str(path))

    def append(self, block: Mapping[str, np.ndarray]) -> None:
        """Add the next chunk of rows."""
        self._starts.append(self._size)
        for name, widths in self._widths.items():
            widths.append(len(block[name]) if name in self._running else block[name].dtype.itemsize)
        with os_errors():
            for record in serialize(block, self._entries):
                self._file.write(record)
                self._size += FRAME_HEAD + len(record) + FRAME_TAIL

    def finish(self) -> dict[str, Any]:
        """Complete the file; say where chunks start, their checksums as they are framed, and the widths of strings."""
        with os_errors():
            self._file.close()
        with self._path.open("rb") as file:
            ends = [*self._starts[1:], self._size]
            pieces = (file.read(end - start) for start, end in zip(self._starts, ends, strict=True))
            sums = "".join(chunk_sum(np.frombuffer(piece, np.uint8)) for piece in pieces)
        return {"offsets": {RECORDS: self._starts}, "widths": self._widths, "sums": {RECORDS: sums}}

    def abort(self) -> None:
        """Release the file of a shard that is given up."""
        self._file.close()


def serialize(block: Mapping[str, np.ndarray], entries: tuple[StoredArray, ...]) -> list[bytes]:
    """Serialize each row as a `tf.train.Example`."""
    import tensorflow as tf

    columns: list[tuple[str, str, Any]] = []
    rows = next(len(block[entry.name]) for entry in entries if not entry.running)
    for entry in entries:
        array = block[entry.name]
        if entry.name.startswith(LENGTHS):
            continue  # the list of values says it
        if entry.running:
            ends = np.cumsum(block[LENGTHS + entry.name.partition("/")[2]])
            values: Any = [part.tolist() for part in np.split(array, ends[:-1])]
        elif entry.is_string:
            values = [[value] for value in array.tolist()]
        elif _kind(entry) == "bytes":
            values = [[row.tobytes()] for row in array]
        elif array.dtype.kind == "f":
            values = array.reshape(len(array), -1).astype(np.float32).tolist()
        else:
            values = array.reshape(len(array), -1).astype(np.int64).tolist()
        columns.append((entry.name, _kind(entry), values))
    make = {
        "bytes": lambda value: tf.train.Feature(bytes_list=tf.train.BytesList(value=value)),
        "float": lambda value: tf.train.Feature(float_list=tf.train.FloatList(value=value)),
        "int64": lambda value: tf.train.Feature(int64_list=tf.train.Int64List(value=value)),
    }
    return [
        tf.train.Example(
            features=tf.train.Features(feature={name: make[kind](values[row]) for name, kind, values in columns})
        ).SerializeToString(deterministic=True)
        for row in range(rows)
    ]


class TFExamples(ShardFormat):
    """A record for each row, in TensorFlow's own format."""

    name = "tfrecord"
    layout = "example"
    suffix = ".tfrecord"
    # a packed integer takes one byte of 8
    compressions = {None: 8}  # noqa: RUF012
    by_chunk = True
    remote = True

    def access(self, compression: str | None) -> Access:
        """Say how chunks are found: by the place of their first record."""
        return "records"

    def writer(self, path: Path, settings: ShardSettings) -> ExampleWriter:
        """Open a file for one shard."""
        return ExampleWriter(path, tuple(settings.parts.values()))

    def parse(self, raw: memoryview, parts: tuple[StoredArray, ...], rows: int) -> dict[str, np.ndarray]:
        """Read the rows of consecutive records, of all entries."""
        import tensorflow as tf

        try:
            records = list(frames(raw))
            if len(records) != rows:
                raise ValueError(f"{len(records)} records instead of {rows}")
            parsed = tf.io.parse_example(records, feature_spec(parts))
        except (struct.error, tf.errors.InvalidArgumentError) as error:
            raise ValueError(str(error)) from None
        arrays = {}
        for part in parts:
            if part.name.startswith(LENGTHS):
                arrays[part.name] = (
                    parsed[INDICES + part.name.removeprefix(LENGTHS)].row_lengths().numpy().astype("<i4")
                )
                continue
            array = (parsed[part.name].flat_values if part.running else parsed[part.name]).numpy()
            if part.is_string:
                arrays[part.name] = array.astype("S")
            elif _kind(part) == "bytes":
                arrays[part.name] = np.frombuffer(b"".join(array.tolist()), part.dtype).reshape(rows, *part.shape)
            else:
                arrays[part.name] = array.astype(part.dtype)
        return arrays
