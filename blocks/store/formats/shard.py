"""What a format of shards is, and what the manifest lists of one shard: all that the formats, one a file, share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from blocks.files.place import Place
from blocks.store.stored_array import StoredArray, parted

RECORDS = "records"
"""What the manifest lists sums and offsets by where these are of records, not of arrays."""

Access = Literal["arrays", "records", "library"]
"""How a chunk is found in a file: each array as it is at the manifest's offset, or records there which `parse` reads,
or by a library that follows the file's own headers (`read_rows`), once the checksum of the whole file holds."""


@dataclass(frozen=True)
class Shard:
    """One file of a split: see the manifest's schema for the fields."""

    file: str
    rows: int
    bytes: int
    checksum: str
    sums: dict[str, str]
    offsets: dict[str, list[int]]
    widths: dict[str, list[int]]

    def sum_of(self, entry: str, chunk: int) -> str:
        """Return the checksum of one entry of one chunk."""
        return self.sums[entry][8 * chunk : 8 * chunk + 8]

    def rows_of(self, chunk: int, rows_per_chunk: int) -> int:
        """Say how many rows a chunk has."""
        return min(rows_per_chunk, self.rows - chunk * rows_per_chunk)

    def count(self, part: StoredArray, chunk: int, rows_per_chunk: int) -> int:
        """Say how many rows a chunk has, or values of a running part."""
        return self.widths[part.name][chunk] if part.running else self.rows_of(chunk, rows_per_chunk)

    def count_before(self, part: StoredArray, chunk: int, rows_per_chunk: int) -> int:
        """Say how many rows, or values, come before those of a chunk."""
        return sum(self.widths[part.name][:chunk]) if part.running else chunk * rows_per_chunk

    def total(self, part: StoredArray) -> int:
        """Say how many rows, or values, there are."""
        return sum(self.widths[part.name]) if part.running else self.rows

    def width(self, part: StoredArray, chunk: int) -> int:
        """Say how many bytes a string of a chunk takes, 0 for numbers."""
        widths = [0] if part.running else self.widths.get(part.name, [0])
        return widths[chunk] if len(widths) > 1 else widths[0]


class ShardWriter(Protocol):
    """What writes one shard."""

    def append(self, block: Mapping[str, np.ndarray]) -> None:
        """Add the next chunk of rows."""

    def finish(self) -> dict[str, Any]:
        """Complete the file; return `Shard`'s offsets and widths, and the sums that are not the given arrays'."""

    def abort(self) -> None:
        """Release the file of a shard that is given up."""


class ShardFormat(ABC):
    """One way in which rows lie in files. A new one is a file with a class like this, and a line in `formats`.

    Attributes:
        name: what `format=` chooses.
        layout: what `layout=` chooses of it.
        suffix: of its files.
        compressions: by what `compression=` may be, how many bytes of rows a byte of the file may become at most.
        by_chunk: whether offsets, and widths of strings, are listed for each chunk, or once for the file.
        remote: whether its files can be written behind a URL.
    """

    name: ClassVar[str]
    layout: ClassVar[str] = "chunk"
    suffix: ClassVar[str]
    compressions: ClassVar[Mapping[str | None, int]] = {None: 1}
    by_chunk: ClassVar[bool] = False
    remote: ClassVar[bool] = False

    def file_name(self, split: str, index: int) -> str:
        """Name the file of a shard: "train-00003.h5"."""
        return f"{split}-{index:05d}{self.suffix}"

    def access(self, compression: str | None) -> Access:
        """Say how chunks are found in its files."""
        return "arrays"

    @abstractmethod
    def writer(self, path: Path, settings: "ShardSettings") -> ShardWriter:
        """Open a file for one shard.

        Args:
            path: the file to make.
            settings: of the store; fewer rows than a full shard has may come.
        """

    def parse(self, raw: memoryview, parts: tuple[StoredArray, ...], rows: int) -> dict[str, np.ndarray]:
        """Read a chunk's records, where `access` says so.

        Raises:
            ValueError: the records are not what the manifest says.
        """
        raise NotImplementedError

    def read_rows(
        self, path: Place, shard: Shard, chunk: int, settings: "ShardSettings", out: Mapping[str, np.ndarray]
    ) -> None:
        """Read a chunk into arrays by a library, where `access` says so.

        Raises:
            OSError, KeyError, TypeError, ValueError: the file is not what its manifest says.
        """
        raise NotImplementedError

    def problems(self, path: Place, shard: Shard, settings: "ShardSettings") -> list[str]:
        """Say where what a file says of itself is not what the manifest says; the file's checksum holds already."""
        return []


@dataclass(frozen=True)
class ShardSettings:
    """How the shards of one store are written.

    Args:
        form: the format.
        compression: of the format's.
        rows_per_shard: rows of every shard of a split but the last.
        rows_per_chunk: rows of every chunk of a shard but the last.
        entries: of the store.
    """

    form: ShardFormat
    compression: str | None
    rows_per_shard: int
    rows_per_chunk: int
    entries: tuple[StoredArray, ...]

    @cached_property
    def parts(self) -> dict[str, StoredArray]:
        """The dense arrays that files hold, by name."""
        return {part.name: part for part in parted(self.entries)}

    @property
    def access(self) -> Access:
        """How chunks are found."""
        return self.form.access(self.compression)
