"""Reading chunks of shards, verified, into memory that the caller owns. NumPy and h5py alone, but for `example` shards.

Positions, shapes and dtypes come from the manifest, whose checksum holds; what a damaged file says of itself is not
asked.
"""

import errno
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import groupby

import numpy as np

from blocks.errors import CorruptShard, StoreError
from blocks.files.place import Place, Remote, is_damage, unreachable
from blocks.files.regular_files import file_size
from blocks.store.checksum import chunk_sum, chunk_sums, file_sum
from blocks.store.formats.shard import RECORDS, Shard
from blocks.store.manifest import Manifest
from blocks.store.reading.byte_ranges import Piece, RangeFile
from blocks.store.stored_array import StoredArray, disordered, parted

_OPEN_FILES = 64
# What a file that is not what its manifest says makes h5py, NumPy and TensorFlow raise
DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    EOFError,
    OverflowError,
    MemoryError,
    UnicodeError,
)


class ChunkReader:
    """Read chunks of a store. Safe to call from several threads.

    Args:
        folder: the store's.
        content: its manifest.
    """

    def __init__(self, folder: Place, content: Manifest):
        self._folder, self._settings = folder, content.settings
        self._parts, self._access = self._settings.parts, self._settings.access
        self._verified: set[str] = set()
        self._lock = threading.Lock()
        # A file behind a URL has one position, which threads cannot share.
        keep = lru_cache(maxsize=0 if isinstance(folder, Remote) else _OPEN_FILES)
        self._open = keep(lambda file: RangeFile(folder / file))

    def read(self, shard: Shard, chunk: int, out: Mapping[str, np.ndarray]) -> None:
        """Fill arrays with the rows of a chunk.

        Args:
            shard: of the store.
            chunk: its index in the shard.
            out: by name of an entry's part, contiguous arrays of just the chunk's rows, or values of running parts
                (`count_of`). Strings: of dtype `S{shard.width(...)}`.

        Raises:
            CorruptShard: the file is gone, short, or its bytes are not those that were written.
        """
        self.read_many([(shard, chunk)], out)

    def read_many(self, chunks: Sequence[tuple[Shard, int]], out: Mapping[str, np.ndarray]) -> None:
        """Fill arrays with the rows of several chunks, one after the other; otherwise as `read`."""
        if self._access != "arrays":
            self._read_each(chunks, out)
        else:
            try:
                self._read_arrays(chunks, out)
            except CorruptShard:
                # What was opened before may have been repaired since, by another file of the same name.
                self._open.cache_clear()
                self._read_arrays(chunks, out)
        for name in disordered(out, self._settings.entries):
            raise self._corrupt(chunks[0][0], f"the values of '{name}' are not as many, or in such columns, as it says")

    def _read_arrays(self, chunks: Sequence[tuple[Shard, int]], out: Mapping[str, np.ndarray]) -> None:
        at = dict.fromkeys(out, 0)
        for shard, run in groupby(chunks, key=lambda pair: pair[0]):
            pieces: list[Piece] = []
            for _, chunk in run:
                for name, array in out.items():
                    stop = at[name] + self.count_of(shard, chunk, name)
                    pieces.append((self._offset(shard, chunk, name), bytes_of(array[at[name] : stop])))
                    at[name] = stop
            with self._explained(shard):
                self._opened(shard.file).fill(pieces)
        running = [name for name in out if self._parts[name].running]
        for name in running:
            start = 0
            for shard, chunk in chunks:
                stop = start + self.count_of(shard, chunk, name)
                self._verify(shard, chunk, name, out[name][start:stop])
                start = stop
        start = 0
        # Whole chunks that follow each other are summed at once, those at the end of a shard by themselves.
        for rows, alike in groupby(chunks, key=lambda pair: self._rows(*pair)):
            same = list(alike)
            stop = start + rows * len(same)
            for name, array in out.items():
                if name in running:
                    continue
                expected = "".join(shard.sum_of(name, chunk) for shard, chunk in same)
                if chunk_sums(array[start:stop], len(same)) != expected:
                    for (shard, chunk), part in zip(same, np.split(array[start:stop], len(same)), strict=True):
                        self._verify(shard, chunk, name, part)
            start = stop

    def _opened(self, file: str) -> RangeFile:
        try:
            return self._open(file)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._open.cache_clear()
            return self._open(file)

    def _read_each(self, chunks: Sequence[tuple[Shard, int]], out: Mapping[str, np.ndarray]) -> None:
        at = dict.fromkeys(out, 0)
        for shard, chunk in chunks:
            ends = {name: start + self.count_of(shard, chunk, name) for name, start in at.items()}
            part = {name: array[at[name] : ends[name]] for name, array in out.items()}
            at = ends
            with self._explained(shard):
                if self._access == "records":
                    self._read_records(shard, chunk, part)
                else:
                    self._read_by_library(shard, chunk, part)

    def _rows(self, shard: Shard, chunk: int) -> int:
        return shard.rows_of(chunk, self._settings.rows_per_chunk)

    def count_of(self, shard: Shard, chunk: int, part: str) -> int:
        """Say how many rows a chunk has, or values of a running part."""
        return shard.count(self._parts[part], chunk, self._settings.rows_per_chunk)

    @contextmanager
    def _explained(self, shard: Shard) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except DAMAGE as error:
            if isinstance(error, OSError) and not is_damage(error, self._folder):
                raise unreachable(self._folder / shard.file, error) from error
            raise self._corrupt(shard, f"it cannot be read ({error})") from error

    def _corrupt(self, shard: Shard, what: str) -> CorruptShard:
        return CorruptShard(
            f"Shard {shard.file} of the store '{self._folder}' is damaged: {what}. Call store.repair with its "
            "source and planner=model.plan, or restore it."
        )

    def _verify(self, shard: Shard, chunk: int, name: str, array: np.ndarray) -> None:
        if chunk_sum(array) != shard.sum_of(name, chunk):
            raise self._corrupt(shard, f"the checksum of '{name}' in chunk {chunk} does not hold")

    def _offset(self, shard: Shard, chunk: int, name: str) -> int:
        offsets = shard.offsets[name]
        if self._settings.form.by_chunk:
            return offsets[chunk]
        part = self._parts[name]
        before = shard.count_before(part, chunk, self._settings.rows_per_chunk)
        return offsets[0] + before * part.row_bytes(shard.width(part, chunk))

    def _read_by_library(self, shard: Shard, chunk: int, out: Mapping[str, np.ndarray]) -> None:
        with self._lock:
            # The library follows the file's own headers: they are trusted only once the whole file's checksum held.
            if shard.file not in self._verified:
                file_size(self._folder / shard.file)
                if file_sum(self._folder / shard.file) != shard.checksum:
                    raise self._corrupt(shard, "its checksum does not hold")
                self._verified.add(shard.file)
        self._settings.form.read_rows(self._folder / shard.file, shard, chunk, self._settings, out)
        for name, array in out.items():
            self._verify(shard, chunk, name, array)

    def _read_records(self, shard: Shard, chunk: int, out: Mapping[str, np.ndarray]) -> None:
        bounds = [*shard.offsets[RECORDS], shard.bytes]
        raw = np.empty(bounds[chunk + 1] - bounds[chunk], np.uint8)
        RangeFile(self._folder / shard.file).fill([(bounds[chunk], bytes_of(raw))])
        self._verify(shard, chunk, RECORDS, raw)
        arrays = self._settings.form.parse(raw.data, tuple(self._parts[name] for name in out), self._rows(shard, chunk))
        for name, array in out.items():
            array[...] = arrays[name]


def bytes_of(array: np.ndarray) -> memoryview:
    """See the memory of a C-contiguous array as bytes."""
    return array.reshape(-1).view(np.uint8).data


def allocate(reader: ChunkReader, shard: Shard, chunk: int, entries: Sequence[StoredArray]) -> dict[str, np.ndarray]:
    """Make the arrays that `ChunkReader.read` fills, by part."""
    return {
        part.name: part.empty(reader.count_of(shard, chunk, part.name), shard.width(part, chunk))
        for part in parted(entries)
    }
