"""HDF5 files: the datasets of a group as columns, row by row, or the fields of one compound dataset.

What would run code, or leave the file, is refused by name: pickled objects, external links, virtual and external data.
"""

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np
import pyarrow as pa

from blocks.data.files import File, naming
from blocks.data.files_reader import FilesReader
from blocks.data.schema import conform, natural_schema, unify
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch

CACHE_BYTES = 1 << 26
"""Of decompressed chunks of each dataset, so that one is not decompressed for every piece of it."""

MOST_CHUNK_BYTES = 1 << 30
MOST_LINKS = 8
MOST_UNWRITTEN = 1 << 27
"""Values of a dataset that may be its fill value because none were written."""


class Hdf5Reader(FilesReader):
    """HDF5 files as one table, in order.

    Args:
        files: At least one.
        group: The path in the file of a group, or of a compound dataset; None for the only one that holds rows.

    Raises:
        InvalidArgument: There is no such group, or several hold rows and none is named.
        SchemaMismatch: A dataset holds what is no column.
        MalformedData: A file is no HDF5, or holds what may not be followed.
    """

    def __init__(self, files: Sequence[File], *, group: str | None = None) -> None:
        super().__init__(files, "hdf5")
        self._group = group
        schemas = []
        self._counts: list[int] = []
        for file in self._files:
            with _opened(file) as content:
                found = _columns(content, group, file.name)
                schemas.append((file.name, natural_schema(pa.schema([(c.name, c.type) for c in found]), file.name)))
                self._counts.append(found[0].rows)
        self._schema = unify(schemas)

    @property
    def schema(self) -> pa.Schema:
        """The columns of all files, by name."""
        return self._schema

    def count(self) -> int | None:
        """Rows, as the files tell."""
        return sum(self._counts)

    def fingerprint(self) -> dict[str, Any]:
        """Names, sizes and times of change, and the group."""
        return {**super().fingerprint(), "group": self._group}

    def _rows_of(self, index: int, target: pa.Schema, rows: int, encoded: bool) -> Iterator[pa.RecordBatch]:
        file = self._files[index]
        with _opened(file) as content:
            found = {column.name: column for column in _columns(content, self._group, file.name)}
            present = [found[name] for name in target.names if name in found]
            total, names = next(iter(found.values())).rows, [column.name for column in present]
            for begin in range(0, total, rows):
                with naming(file):
                    end = min(begin + rows, total)
                    arrays = [column.read(begin, end) for column in present]
                    read = pa.StructArray.from_arrays(arrays, names) if arrays else pa.array([{}] * (end - begin))
                    piece = conform(pa.RecordBatch.from_struct_array(read), target, encoded=encoded)
                yield piece


@dataclasses.dataclass(frozen=True)
class DatasetColumn:
    """A column: a dataset, or a field of a compound one.

    Args:
        name: The column's.
        data: The dataset.
        field: The field's name in a compound dataset, None elsewhere.
        type: The Arrow type.
    """

    name: str
    data: h5py.Dataset
    field: str | None
    type: pa.DataType

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.data.shape[0])

    def read(self, begin: int, end: int) -> pa.Array:
        """Some rows."""
        dtype = self.data.dtype if self.field is None else self.data.dtype[self.field]
        source = self.data if self.field is None else self.data.fields(self.field)
        return _arrow(source[begin:end], dtype, self.type)


def _arrow(values: np.ndarray, dtype: np.dtype, kind: pa.DataType) -> pa.Array:
    dtype, _ = _element(dtype)
    shape = values.shape[1:]
    flat = values.reshape(-1)
    if h5py.check_vlen_dtype(dtype) is not None and h5py.check_string_dtype(dtype) is None:
        inner = pa.array(np.concatenate([np.zeros(0, h5py.check_vlen_dtype(dtype)), *flat]))
        offsets = np.cumsum([0, *map(len, flat)])
        made: pa.Array = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), inner)
    elif (names := h5py.check_enum_dtype(dtype)) is not None and flat.dtype != np.bool_:
        by_code = {code: name for name, code in names.items()}
        codes, which = np.unique(flat, return_inverse=True)
        made = pa.array([by_code.get(code) for code in codes.tolist()], pa.string()).take(pa.array(which))
    elif h5py.check_string_dtype(dtype) is not None:
        raw = flat if flat.dtype.kind == "S" else [None if value is None else bytes(value) for value in flat]
        made = pa.array(raw, pa.binary()).cast(pa.string())
    else:
        made = pa.array(np.ascontiguousarray(flat.astype(flat.dtype.newbyteorder("="))))
    for length in reversed(shape):
        made = pa.FixedSizeListArray.from_arrays(made, length)
    return made


def _element(dtype: np.dtype) -> tuple[np.dtype, tuple[int, ...]]:
    """What one value of a field is, and its shape."""
    return dtype.subdtype if dtype.subdtype is not None else (dtype, ())


def _arrow_type(dtype: np.dtype, shape: Sequence[int], what: str) -> pa.DataType:
    dtype, inner = _element(dtype)
    if h5py.check_ref_dtype(dtype) is not None or dtype.kind in "Vc" or (dtype.itemsize > 8 and dtype.kind == "f"):
        kind = "references to objects" if h5py.check_ref_dtype(dtype) is not None else f"values of type {dtype}"
        raise SchemaMismatch(
            f"A column of HDF5 holds numbers, texts or lists of numbers. Received: {what}, which holds {kind}. Name "
            "another group, or write it as numbers."
        )
    vlen = h5py.check_vlen_dtype(dtype)
    if vlen is not None and h5py.check_string_dtype(dtype) is None:
        if vlen.kind not in "iufb":
            raise SchemaMismatch(
                f"Lists of HDF5 hold numbers. Received: {what}, which holds lists of {vlen}. Name another group."
            )
        made = pa.large_list(pa.from_numpy_dtype(vlen))
    elif h5py.check_string_dtype(dtype) is not None or (h5py.check_enum_dtype(dtype) is not None and dtype.kind != "b"):
        made = pa.string()
    else:
        made = pa.from_numpy_dtype(dtype.newbyteorder("="))
    for length in reversed((*shape, *inner)):
        if not length:
            raise SchemaMismatch(f"A column has values. Received: {what} of shape {(*shape, *inner)}. Leave it out.")
        made = pa.list_(made, length)
    return made


@contextlib.contextmanager
def _opened(file: File) -> Iterator[h5py.File]:
    with contextlib.ExitStack() as stack:
        with naming(file, "Is it an HDF5 file, and whole?"):
            raw = file.path if file.local else stack.enter_context(file.open())
            locked: Any = {"locking": False} if file.local else {}
            try:
                content = h5py.File(raw, "r", rdcc_nbytes=CACHE_BYTES, **locked)
            except (RuntimeError, ValueError, KeyError) as error:  # of damaged headers
                raise MalformedData(f"{file.name} cannot be read: {error}. Is it an HDF5 file, and whole?") from error
        with content:
            yield content


def _columns(content: h5py.File, group: str | None, name: str) -> list[DatasetColumn]:
    """The columns of a group or compound dataset.

    Raises:
        InvalidArgument: There is none, or it is not said which.
    """
    try:
        node = _only(content, name) if group is None else _follow(content, group, name)
        made = _of_dataset(node, name) if isinstance(node, h5py.Dataset) else _of_group(node, name)
    except (RuntimeError, KeyError, OSError, ValueError, TypeError) as error:
        if isinstance(error, (InvalidArgument, SchemaMismatch, MalformedData)):
            raise
        raise MalformedData(f"{name} cannot be read: {error}. Copy it again.") from error
    return made


def _of_dataset(node: h5py.Dataset, name: str) -> list[DatasetColumn]:
    if node.dtype.names is None:
        raise InvalidArgument(
            f"group= names a group of datasets, or a dataset of named fields. Received: {node.name!r} of {name}, a "
            f"dataset of {node.dtype}. Name the group that it lies in: group={node.parent.name!r}."
        )
    _require_rows(node, name)
    return [
        DatasetColumn(
            field, node, field, _arrow_type(node.dtype[field], node.shape[1:], f"{node.name}.{field} of {name}")
        )
        for field in node.dtype.names
    ]


def _of_group(node: h5py.Group, name: str) -> list[DatasetColumn]:
    datasets = _datasets(node, name)
    pandas = node.attrs.get("pandas_type")
    if pandas is not None:
        raise MalformedData(
            f"Of pandas' HDF5 nothing is unpickled. Received: {node.name!r} of {name}, written by DataFrame.to_hdf. "
            "Write it anew: DataFrame.to_parquet."
        )
    if not datasets:
        raise InvalidArgument(
            f"A group to be read holds datasets of rows. Received: {node.name!r} of {name}, which holds none. "
            f"Those that do: {', '.join(_with_rows(node.file)) or 'none'}."
        )
    for found in datasets.values():
        _require_rows(found, name)
    lengths = {column: found.shape[0] for column, found in datasets.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{column} ({length:,})" for column, length in lengths.items())
        raise InvalidArgument(
            f"Datasets of one group have as many rows. Received: {node.name!r} of {name} with "
            f"{told}. Put those that belong together into a group of their own."
        )
    return [
        DatasetColumn(column, found, None, _arrow_type(found.dtype, found.shape[1:], f"{found.name} of {name}"))
        for column, found in datasets.items()
    ]


def _require_rows(found: h5py.Dataset, name: str) -> None:
    """Refuse a dataset that has no rows of its own, or leaves the file, or says sizes that make no sense."""
    if found.is_virtual or found.external:
        raise MalformedData(
            f"A dataset's values lie in its file. Received: {found.name!r} of {name}, whose values lie in others. Copy "
            "it with h5repack, or read those."
        )
    if not found.shape:
        raise InvalidArgument(
            f"A dataset of rows has at least one axis. Received: {found.name!r} of {name}, one value. Move it, or make "
            "it an attribute."
        )
    if _impossible(found):
        raise MalformedData(f"{found.name!r} of {name} says sizes that no such file has. Copy it again.")


def _impossible(found: h5py.Dataset) -> bool:
    """Whether its rows cannot all have been written; one of no values on disk could be read for ever."""
    if not found.chunks:
        return found.id.get_storage_size() > found.file.id.get_filesize() or (
            found.size > MOST_UNWRITTEN and not found.id.get_storage_size()
        )
    needed = math.prod(-(-rows // chunk) for rows, chunk in zip(found.shape, found.chunks, strict=True))
    unwritten = (needed - found.id.get_num_chunks()) * math.prod(found.chunks)
    return math.prod(found.chunks) * found.dtype.itemsize > MOST_CHUNK_BYTES or unwritten > MOST_UNWRITTEN


def _datasets(node: h5py.Group, name: str) -> dict[str, h5py.Dataset]:
    """The datasets right in a group."""
    found = {key: _child(node, key, name) for key in node}
    return {key: child for key, child in found.items() if isinstance(child, h5py.Dataset)}


def _child(node: h5py.Group, key: str, name: str, depth: int = 0) -> Any:
    """What a name in a group stands for, if it stays in the file; None where it stands for nothing."""
    link = node.get(key, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise MalformedData(
            f"A link stays in its file. Received: {key!r} of {node.name!r} in {name}, one to {link.filename!r}. "
            "Copy the data into one file, or read that one."
        )
    if not isinstance(link, h5py.SoftLink):
        return None if link is None else node[key]
    if depth >= MOST_LINKS:
        return None
    return _at(node.file if link.path.startswith("/") else node, link.path, name, depth + 1)


def _at(node: Any, path: str, name: str, depth: int = 0) -> Any:
    """What lies at a path; None where nothing does."""
    for key in filter(None, path.split("/")):
        if not isinstance(node, h5py.Group):
            return None
        node = _child(node, key, name, depth)
    return node


def _follow(content: h5py.File, path: str, name: str) -> Any:
    found = _at(content, path, name)
    if found is None:
        known = ", ".join(_with_rows(content)) or "none"
        raise InvalidArgument(f"{name} has no group {path!r}. Those that hold rows: {known}.")
    return found


def _with_rows(content: h5py.File) -> list[str]:
    """Paths of the groups that hold datasets of rows, and of compound datasets; links have no place of their own."""
    found: list[str] = []
    waiting: list[h5py.Group] = [content]
    while waiting and len(found) < 20:
        node = waiting.pop(0)
        inside = [node[key] for key in node if isinstance(node.get(key, getlink=True), h5py.HardLink)]
        datasets = [child for child in inside if isinstance(child, h5py.Dataset) and child.shape]
        if any(data.dtype.names is None for data in datasets):
            found.append(node.name)
        found += [data.name for data in datasets if data.dtype.names is not None]
        waiting += [child for child in inside if isinstance(child, h5py.Group)][:1000]
    return found


def _only(content: h5py.File, name: str) -> Any:
    found = _with_rows(content)
    if len(found) != 1:
        raise InvalidArgument(
            f"A file of HDF5 is read by its only group of rows, or the one that is named. Received: {name} with "
            f"{', '.join(found) or 'none'}."
            + (f" Say which: group={found[0]!r}." if found else " Is it the right file?")
        )
    return content[found[0]]
