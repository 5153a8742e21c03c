"""HDF5 shards: a dense dataset for each part of an entry, written and read by its offset, not through the library.

h5py allows one call at a time in a process; `pwrite` and `pread` at a dataset's offset have no such lock, and need not
trust the headers of a damaged file. Compressed datasets have no such offset and go through h5py.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from blocks.files import durable
from blocks.files.place import Place
from blocks.store.checksum import chunk_sum
from blocks.store.formats.shard import Access, Shard, ShardFormat, ShardSettings
from blocks.store.stored_array import StoredArray

_PAGE = 4096
_MAX_ATTRIBUTE = 32_000
_MAX_NAME = 4096


def dataset_name(entry: str) -> str:
    """Say where an entry is in the file: its own name, with "%", "/" and "." of a column's name as %XX, "" as "%".

    Of one that is longer than HDF5 takes, the beginning and a digest.

    Example:
        >>> dataset_name("features/numeric"), dataset_name("keys/a/b"), dataset_name("keys/")
        ('features/numeric', 'keys/a%2Fb', 'keys/%')
    """
    role, slash, own = entry.partition("/")
    quoted = own.replace("%", "%25").replace("/", "%2F").replace(".", "%2E")
    if len(quoted) > _MAX_NAME:
        quoted = f"{quoted[:_MAX_NAME]}%~{hashlib.blake2b(own.encode(), digest_size=16).hexdigest()}"
    return role + slash + (quoted or "%" * len(slash))


def _open(path: Path, mode: str) -> h5py.File:
    # what lies aside is locked already, by the one kind of lock that HDF5 uses itself
    return h5py.File(path, mode, libver="earliest", locking=False, alignment_threshold=_PAGE, alignment_interval=_PAGE)


@contextmanager
def _writing(path: Path, mode: str) -> Iterator[h5py.File]:
    """Open a file to write, and close it whatever happens."""
    file = _open(path, mode)
    try:
        yield file
        file.flush()
    except BaseException:
        _give_up(file)
        raise
    file.close()


def _give_up(file: h5py.File) -> None:
    """Close a file whose disk may be full: HDF5 writes what it holds before, and crashes later if it cannot."""
    with open(os.devnull, "r+b") as nowhere:
        os.dup2(nowhere.fileno(), file.id.get_vfd_handle())
    with suppress(OSError, RuntimeError):
        file.close()


def _create(
    file: h5py.File, entry: StoredArray, rows: int, chunk: int, compression: str | None, width: int = 0
) -> h5py.Dataset:
    dtype = np.dtype(f"S{max(width, 1)}") if entry.is_string else np.dtype(entry.dtype)
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_obj_track_times(False)
    plist.set_attr_creation_order(0)
    shape = (rows, *entry.shape)
    limits = None
    if compression is None or 0 in entry.shape:
        plist.set_layout(h5py.h5d.CONTIGUOUS)
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    else:
        limits = (h5py.h5s.UNLIMITED, *entry.shape)
        plist.set_chunk((chunk, *entry.shape))
        if compression == "gzip":
            plist.set_deflate(4)
        else:
            plist.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL)
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    space = h5py.h5s.create_simple(shape, limits)
    name = dataset_name(entry.name).encode()
    dataset = h5py.Dataset(h5py.h5d.create(file.id, name, h5py.h5t.py_create(dtype), space, plist, links))
    if entry.columns is not None:
        _name_columns(file, dataset, entry.columns)
    return dataset


def _name_columns(file: h5py.File, dataset: h5py.Dataset, columns: tuple[str, ...]) -> None:
    raw = [name.encode() for name in columns]
    names = np.array(raw, dtype=h5py.string_dtype("utf-8", max(map(len, raw), default=0) or 1))
    if names.nbytes <= _MAX_ATTRIBUTE:
        dataset.attrs["columns"] = names
    else:
        # HDF5 keeps an attribute within the 64 KiB of an object header; wider ones name a dataset.
        where = "columns" + dataset.name
        file.create_dataset(where, data=names, track_times=False)
        dataset.attrs["columns"] = np.bytes_(f"/{where}".encode())


class Hdf5Writer:
    """Write one shard.

    Args:
        path: the file to make.
        settings: of the store; fewer rows than a full shard has may come.
    """

    def __init__(self, path: Path, settings: ShardSettings):
        rows, rows_per_chunk, compression = settings.rows_per_shard, settings.rows_per_chunk, settings.compression
        entries = tuple(settings.parts.values())
        self.path, self.entries, self.capacity = path, entries, rows
        self.rows_per_chunk, self.compression = rows_per_chunk, compression
        self.rows = 0
        # Their place in the file is known at the end: of strings the width, of a running part how many there are.
        self._late: dict[str, list[np.ndarray]] = {e.name: [] for e in entries if e.is_string or e.running}
        self._fixed = [entry for entry in entries if entry.name not in self._late]
        self._one_a_row = next(entry.name for entry in entries if not entry.running)
        self._handle = -1
        self._file: h5py.File | None = None
        if compression is None:
            self._offsets = self._lay_out(path, rows)
            self._handle = os.open(path, os.O_RDWR)
        else:
            self._offsets = {}
            self._file = _open(path, "w")
            # What has no columns cannot be chunked, and so not grow: it is made at the end.
            self._made = {
                e.name: _create(self._file, e, 0, rows_per_chunk, compression) for e in self._fixed if e.row_bytes()
            }

    def _lay_out(self, path: Path, rows: int) -> dict[str, int]:
        with _writing(path, "w") as file:
            made = {e.name: _create(file, e, rows, self.rows_per_chunk, None) for e in self._fixed}
            # An empty dataset has no place in the file.
            return {name: dataset.id.get_offset() or 0 for name, dataset in made.items()}

    def append(self, block: Mapping[str, np.ndarray]) -> None:
        """Add the next chunk of rows."""
        for name, parts in self._late.items():
            parts.append(block[name])
        for entry in self._fixed:
            array = block[entry.name]
            if self._file is not None:
                if array.nbytes:
                    self._made[entry.name].resize(self.rows + len(array), axis=0)
                    self._made[entry.name][self.rows :] = array
            elif array.nbytes:
                offset = self._offsets[entry.name] + self.rows * entry.row_bytes()
                durable.write_at(self._handle, array.reshape(-1).view(np.uint8).data, offset)
        self.rows += len(block[self._one_a_row])

    def finish(self) -> dict[str, Any]:
        """Complete the file; say the offsets of the datasets, and the widths and checksums of strings."""
        if self._file is not None:
            told = self._complete(self._file)
            self._file.flush()
            self._file.close()
            self._file = None
            return told
        if self.rows < self.capacity:
            self._shorten()
        os.close(self._handle)
        self._handle = -1
        with _writing(self.path, "r+") as file:
            return self._complete(file)

    def _complete(self, file: h5py.File) -> dict[str, Any]:
        """Add what was not known before the last row."""
        widths: dict[str, list[int]] = {}
        sums: dict[str, str] = {}
        for entry in self.entries:
            if entry.name not in self._late:
                if self.compression is not None and entry.name not in self._made:
                    _create(file, entry, self.rows, self.rows_per_chunk, self.compression)
                continue
            parts, width = self._late.pop(entry.name), 0
            if entry.running:
                widths[entry.name] = [len(part) for part in parts]
            else:
                width = max((part.dtype.itemsize for part in parts), default=1)
                widths[entry.name] = [width]
                parts = [part.astype(f"S{width}") for part in parts]
                sums[entry.name] = "".join(map(chunk_sum, parts))
            count = sum(map(len, parts))
            # What is empty cannot be chunked.
            compression = self.compression if count else None
            dataset = _create(file, entry, count, self.rows_per_chunk, compression, width)
            start = 0
            for part in parts:
                dataset[start : start + len(part)] = part
                start += len(part)
            self._offsets[entry.name] = dataset.id.get_offset() or 0
        offsets = {} if self.compression else {name: [offset] for name, offset in self._offsets.items()}
        return {"offsets": offsets, "widths": widths, "sums": sums}

    def _shorten(self) -> None:
        """Copy into a file of as many rows as came: a contiguous dataset cannot shrink."""
        full, offsets = self._handle, self._offsets
        short = self.path.with_name(self.path.name + "-short")
        try:
            self._offsets = self._lay_out(short, self.rows)
            self._handle = os.open(short, os.O_RDWR)
            for entry in self._fixed:
                done, size = 0, self.rows * entry.row_bytes()
                while done < size:
                    piece = os.pread(full, min(1 << 22, size - done), offsets[entry.name] + done)
                    durable.write_at(self._handle, memoryview(piece), self._offsets[entry.name] + done)
                    done += len(piece)
            os.replace(short, self.path)
        finally:
            os.close(full)

    def abort(self) -> None:
        """Release the file of a shard that is given up."""
        if self._handle >= 0:
            os.close(self._handle)
        if self._file is not None:
            _give_up(self._file)
            self._file = None


def _reading(path: Place) -> h5py.File:
    return h5py.File(path if isinstance(path, Path) else path.open(), "r")


def _dataset(file: h5py.File, entry: str, chunk: tuple[int, ...] | None) -> h5py.Dataset:
    """Find the dataset of an entry in the file itself: what leads out of it, or is made of other files, is refused.

    Raises:
        ValueError: it is not there, or not stored as this module writes it.
    """
    found: Any = file
    for part in dataset_name(entry).split("/"):
        link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"dataset '{entry}' is {'not there' if link is None else 'a link'}")
        found = found[part]
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external:
        raise ValueError(f"dataset '{entry}' is not in the file itself")
    if found.chunks not in (None, chunk):
        raise ValueError(f"dataset '{entry}' has chunks of {found.chunks}")
    return found


class Hdf5(ShardFormat):
    """Dense datasets, one for each part of an entry: contiguous ones, or compressed ones."""

    name = "hdf5"
    suffix = ".h5"
    # deflate ends at 1,032
    compressions = {None: 1, "lzf": 128, "gzip": 1032}  # noqa: RUF012

    def access(self, compression: str | None) -> Access:
        """Say how chunks are found: compressed datasets have no place of their own."""
        return "arrays" if compression is None else "library"

    def writer(self, path: Path, settings: ShardSettings) -> Hdf5Writer:
        """Open a file for one shard."""
        return Hdf5Writer(path, settings)

    def read_rows(
        self, path: Place, shard: Shard, chunk: int, settings: ShardSettings, out: Mapping[str, np.ndarray]
    ) -> None:
        """Read a chunk of compressed datasets."""
        with _reading(path) as file:
            for name, array in out.items():
                part = settings.parts[name]
                dataset = _dataset(file, name, (settings.rows_per_chunk, *part.shape))
                if dataset.shape != (shard.total(part), *part.shape) or dataset.dtype != array.dtype:
                    raise ValueError(f"dataset '{dataset_name(name)}' is {dataset.dtype} {dataset.shape}")
                if array.size:
                    start = shard.count_before(part, chunk, settings.rows_per_chunk)
                    dataset.read_direct(array, np.s_[start : start + len(array)])

    def problems(self, path: Place, shard: Shard, settings: ShardSettings) -> list[str]:
        """Say which datasets are not what and where the manifest lists."""
        found = []
        with _reading(path) as file:
            for part in settings.parts.values():
                chunks = None if settings.compression is None else (settings.rows_per_chunk, *part.shape)
                dataset = _dataset(file, part.name, chunks)
                dtype = np.dtype(f"S{shard.width(part, 0)}" if part.is_string else part.dtype)
                shape = (shard.total(part), *part.shape)
                if dataset.shape != shape or dataset.dtype != dtype:
                    found.append(f"{path.name}: dataset '{part.name}' should be {dtype} of shape {shape}")
                elif chunks is None and (dataset.id.get_offset() or 0) != shard.offsets[part.name][0]:
                    found.append(f"{path.name}: dataset '{part.name}' is not where the manifest says")
        return found
