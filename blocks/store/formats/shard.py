"""One shard, from blocks of rows to a published file: the steps that every format shares."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from blocks.files import durable
from blocks.files.place import Place
from blocks.store.checksum import chunk_sum, file_sum
from blocks.store.formats.hdf5 import Hdf5Writer
from blocks.store.formats.tf_examples import ExampleWriter
from blocks.store.formats.tfrecord import ChunkWriter
from blocks.store.manifest import Shard
from blocks.store.manifest_checks import shard_name
from blocks.store.rows import StoredArray, apart, narrow, parted


class ShardWriter(Protocol):
    """What a format implements."""

    def append(self, block: Mapping[str, np.ndarray]) -> None:
        """Add the next chunk of rows."""

    def finish(self) -> dict[str, Any]:
        """Complete the file; return `Shard`'s offsets and widths, and the sums that are not the given arrays'."""

    def abort(self) -> None:
        """Release the file of a shard that is given up."""


@dataclass(frozen=True)
class Format:
    """How the shards of one store are written."""

    format: str
    layout: str
    compression: str | None
    rows_per_shard: int
    rows_per_chunk: int
    entries: tuple[StoredArray, ...]

    def file_name(self, split: str, index: int) -> str:
        """Name the file of a shard.

        Example:
            >>> Format("hdf5", "chunk", None, 1, 1, ()).file_name("train", 3)
            'train-00003.h5'
        """
        return shard_name(split, index, self.format)

    def writer(self, path: Path) -> ShardWriter:
        """Open a file for one shard."""
        parts = parted(self.entries)
        if self.format == "hdf5":
            return Hdf5Writer(path, parts, self.rows_per_shard, self.rows_per_chunk, self.compression)
        return (ChunkWriter if self.layout == "chunk" else ExampleWriter)(path, parts)


def write_shard(path: Place, form: Format, blocks: Iterable[Mapping[str, np.ndarray]]) -> Shard:
    """Write and publish one shard.

    Args:
        path: where it will be, whole.
        form: how it is written.
        blocks: chunks of `form.rows_per_chunk` rows, the last one perhaps shorter.

    Returns:
        What the manifest lists.
    """
    rows = 0
    sums: dict[str, list[str]] = {entry.name: [] for entry in parted(form.entries)}
    with durable.whole_file(path) as file:
        writer = form.writer(file)
        try:
            for given in blocks:
                block = {name: narrow(array) for name, array in apart(given).items()}
                for name, array in block.items():
                    sums[name].append(chunk_sum(array))
                writer.append(block)
                rows += len(next(iter(given.values())))
            told = writer.finish()
        except BaseException:
            writer.abort()
            raise
        plain = {} if form.layout == "example" else {name: "".join(parts) for name, parts in sums.items()}
        told["sums"] = plain | told.get("sums", {})
        size, checksum = file.stat().st_size, file_sum(file)
    return Shard(file=path.name, rows=rows, bytes=size, checksum=checksum, **told)
