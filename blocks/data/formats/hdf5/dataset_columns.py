"""Columns of HDF5's own: the datasets of a group, or the fields of one compound dataset, and their Arrow types."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Final

import h5py
import numpy as np
import pyarrow as pa

from blocks.data.formats.hdf5.hdf5_links import datasets, with_rows
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch

_MOST_CHUNK_BYTES: Final = 1 << 30
_MOST_UNWRITTEN: Final = 1 << 27
"""Values of a dataset that may be its fill value because none were written."""


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


def arrow_type(dtype: np.dtype, shape: Sequence[int], what: str) -> pa.DataType:
    """The type of a value.

    Args:
        dtype: HDF5's.
        shape: Of a row, where it is more than one value.
        what: The column, for messages.

    Raises:
        SchemaMismatch: It is none of a column.
    """
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


def columns_of_dataset(node: h5py.Dataset, name: str) -> list[DatasetColumn]:
    """The fields of a compound dataset.

    Raises:
        InvalidArgument: It is none.
        SchemaMismatch: A field holds what is no column.
    """
    if node.dtype.names is None:
        raise InvalidArgument(
            f"group= names a group of datasets, or a dataset of named fields. Received: {node.name!r} of {name}, a "
            f"dataset of {node.dtype}. Name the group that it lies in: group={node.parent.name!r}."
        )
    require_rows(node, name)
    return [
        DatasetColumn(
            field, node, field, arrow_type(node.dtype[field], node.shape[1:], f"{node.name}.{field} of {name}")
        )
        for field in node.dtype.names
    ]


def columns_of_group(node: h5py.Group, name: str) -> list[DatasetColumn]:
    """The datasets of a group.

    Raises:
        InvalidArgument: There are none, or they are not of one length.
        SchemaMismatch: One holds what is no column.
    """
    inside = datasets(node, name)
    if not inside:
        raise InvalidArgument(
            f"A group to be read holds datasets of rows. Received: {node.name!r} of {name}, which holds none. "
            f"Those that do: {', '.join(with_rows(node.file)) or 'none'}."
        )
    for found in inside.values():
        require_rows(found, name)
    lengths = {column: found.shape[0] for column, found in inside.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{column} ({length:,})" for column, length in lengths.items())
        raise InvalidArgument(
            f"Datasets of one group have as many rows. Received: {node.name!r} of {name} with "
            f"{told}. Put those that belong together into a group of their own."
        )
    return [
        DatasetColumn(column, found, None, arrow_type(found.dtype, found.shape[1:], f"{found.name} of {name}"))
        for column, found in inside.items()
    ]


def require_rows(found: h5py.Dataset, name: str) -> None:
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

    filters = found.id.get_create_plist()
    for at in range(filters.get_nfilters()):
        code, *_, said = filters.get_filter(at)
        if not h5py.h5z.filter_avail(code):
            by = said.decode(errors="replace") or code
            raise MalformedData(
                f"{found.name!r} of {name} is compressed by {by}, which h5py has not. Import hdf5plugin first, or "
                "write it anew with gzip (pandas: complib='zlib')."
            )


def _impossible(found: h5py.Dataset) -> bool:
    """Whether its rows cannot all have been written; one of no values on disk could be read for ever."""
    if not found.chunks:
        return found.id.get_storage_size() > found.file.id.get_filesize() or (
            found.size > _MOST_UNWRITTEN and not found.id.get_storage_size()
        )
    needed = math.prod(-(-rows // chunk) for rows, chunk in zip(found.shape, found.chunks, strict=True))
    unwritten = (needed - found.id.get_num_chunks()) * math.prod(found.chunks)
    return math.prod(found.chunks) * found.dtype.itemsize > _MOST_CHUNK_BYTES or unwritten > _MOST_UNWRITTEN
