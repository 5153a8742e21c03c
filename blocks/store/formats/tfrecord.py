r"""TFRecord shards: `chunk` records of raw arrays, and the framing of records. `examples` holds the other layout.

A file is a sequence of records, each framed by TensorFlow as: length (uint64), masked crc32c of the length, the
payload, masked crc32c of the payload. The payload of a `chunk` record holds one chunk of rows, all little-endian:

    8 bytes     b"BLOCKS1\n"
    4 bytes     h, the length of the header (uint32)
    h bytes     JSON: {"rows": int, "entries": [{"name": str, "dtype": str, "shape": [rows, ...], "bytes": int}, ...]}
    the entries' bytes, one after the other in that order, C-contiguous

so that `tf.io.decode_raw` on a slice gives an entry. Writing takes TensorFlow, loaded at the first shard; reading does
not.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from blocks.files.remote_files import os_errors
from blocks.store.formats.shard import ShardFormat, ShardSettings
from blocks.store.stored_array import StoredArray

MAGIC = b"BLOCKS1\n"
FRAME_HEAD, FRAME_TAIL = 12, 4


def order(entries: tuple[StoredArray, ...]) -> list[StoredArray]:
    """Sort the entries as they lie in a record: strings last, as their bytes differ from chunk to chunk."""
    return sorted(entries, key=lambda entry: (entry.is_string, entry.name))


def payload(block: Mapping[str, np.ndarray], entries: list[StoredArray]) -> tuple[bytes, dict[str, int]]:
    """Build the payload of a `chunk` record, and say where in it each entry starts.

    Example:
        >>> block = {"target": np.arange(3, dtype="<i4")}
        >>> raw, offsets = payload(block, [StoredArray("target", "<i4")])
        >>> np.frombuffer(raw, "<i4", 3, offsets["target"])
        array([0, 1, 2], dtype=int32)
    """
    arrays = [np.ascontiguousarray(block[entry.name]) for entry in entries]
    listed = [
        {"name": entry.name, "dtype": array.dtype.str, "shape": list(array.shape), "bytes": array.nbytes}
        for entry, array in zip(entries, arrays, strict=True)
    ]
    one_a_row = next(array for entry, array in zip(entries, arrays, strict=True) if not entry.running)
    header = json.dumps({"rows": len(one_a_row), "entries": listed}, sort_keys=True).encode()
    start = len(MAGIC) + 4 + len(header)
    offsets = {}
    for entry, array in zip(entries, arrays, strict=True):
        offsets[entry.name] = start
        start += array.nbytes
    views = [array.reshape(-1).view(np.uint8).data for array in arrays]
    return b"".join((MAGIC, struct.pack("<I", len(header)), header, *views)), offsets


def read_payload(raw: bytes) -> dict[str, np.ndarray]:
    """Read the payload of a `chunk` record without a manifest, as any program may.

    Example:
        >>> raw, _ = payload({"target": np.arange(3, dtype="<i4")}, [StoredArray("target", "<i4")])
        >>> read_payload(raw)
        {'target': array([0, 1, 2], dtype=int32)}
    """
    if raw[: len(MAGIC)] != MAGIC:
        raise ValueError(f"A chunk record starts with {MAGIC!r}. Received: {raw[: len(MAGIC)]!r}.")
    (length,) = struct.unpack_from("<I", raw, len(MAGIC))
    start = len(MAGIC) + 4
    header = json.loads(raw[start : start + length])
    start += length
    arrays = {}
    for entry in header["entries"]:
        count = int(np.prod(entry["shape"], dtype=np.int64))
        arrays[entry["name"]] = np.frombuffer(raw, entry["dtype"], count, start).reshape(entry["shape"])
        start += entry["bytes"]
    return arrays


def frames(raw: memoryview) -> Iterator[bytes]:
    """Split consecutive records into their payloads; the caller has verified the bytes.

    Raises:
        ValueError: the lengths do not add up.
    """
    start = 0
    while start < len(raw):
        (length,) = struct.unpack_from("<Q", raw, start)
        start += FRAME_HEAD
        if start + length + FRAME_TAIL > len(raw):
            raise ValueError("a record is longer than its file")
        yield bytes(raw[start : start + length])
        start += length + FRAME_TAIL


class ChunkWriter:
    """Write one shard of `chunk` records.

    Args:
        path: the file to make.
        entries: of the store, in parts.
    """

    def __init__(self, path: Path, entries: tuple[StoredArray, ...]):
        import tensorflow as tf

        self._entries = order(entries)
        self._offsets: dict[str, list[int]] = {entry.name: [] for entry in entries}
        self._widths: dict[str, list[int]] = {e.name: [] for e in entries if e.is_string or e.running}
        self._running = {entry.name for entry in entries if entry.running}
        self._size = 0
        with os_errors():
            self._file = tf.io.TFRecordWriter(str(path))

    def append(self, block: Mapping[str, np.ndarray]) -> None:
        """Add the next chunk of rows."""
        raw, offsets = payload(block, self._entries)
        for name, offset in offsets.items():
            self._offsets[name].append(self._size + FRAME_HEAD + offset)
        for name, widths in self._widths.items():
            widths.append(len(block[name]) if name in self._running else block[name].dtype.itemsize)
        with os_errors():
            self._file.write(raw)
        self._size += FRAME_HEAD + len(raw) + FRAME_TAIL

    def finish(self) -> dict[str, Any]:
        """Complete the file; say the offsets of the entries and the widths of strings."""
        with os_errors():
            self._file.close()
        return {"offsets": self._offsets, "widths": self._widths}

    def abort(self) -> None:
        """Release the file of a shard that is given up."""
        self._file.close()


class TFRecord(ShardFormat):
    """A record for each chunk of rows, each part of an entry as raw bytes in it."""

    name = "tfrecord"
    suffix = ".tfrecord"
    by_chunk = True
    remote = True

    def writer(self, path: Path, settings: ShardSettings) -> ChunkWriter:
        """Open a file for one shard."""
        return ChunkWriter(path, tuple(settings.parts.values()))
