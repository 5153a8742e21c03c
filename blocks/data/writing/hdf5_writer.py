"""HDF5: a dataset for each column, in the root group; numbers, truth values, texts, and lists of numbers.

HDF5 has no null: a missing number is NaN and a missing text "", which is said; what cannot be missing is refused.
"""

import contextlib
import os
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.writing.rows_writer import refuse, refuse_missing
from blocks.errors import SchemaMismatch

_CHUNK_BYTES: Final = 1 << 18


class Hdf5Writer:
    """An HDF5 file of gzipped datasets.

    Args:
        path: The file.
        schema: Of the rows.
        extension: That of the format.
        compression: HDF5 compresses by itself.

    Raises:
        SchemaMismatch: HDF5 does not hold a column, or has another use for its name.
    """

    def __init__(self, path: Path, schema: pa.Schema, extension: str, compression: str) -> None:
        self.options: dict[str, Any] = {}
        self.note = ""
        self._missing = dict.fromkeys(schema.names, 0)
        layouts = [_layout(field) for field in schema]
        # the order of the columns is that of their making
        self._file = h5py.File(path, "w", locking=False, track_order=True)
        self._data = {}
        for field, (dtype, shape) in zip(schema, layouts, strict=True):
            size = max(1, _CHUNK_BYTES // max(1, int(np.prod(shape)) * max(dtype.itemsize, 1)))
            self._data[field.name] = self._file.create_dataset(
                field.name,
                (0, *shape),
                dtype,
                maxshape=(None, *shape),
                chunks=(size, *shape),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
            )

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        for field, values in zip(batch.schema, batch.columns, strict=True):
            data = self._data[field.name]
            begin = len(data)
            data.resize(begin + len(values), axis=0)
            data[begin:] = self._plain(field, values)

    def _plain(self, field: pa.Field, values: pa.Array) -> np.ndarray:
        kind = field.type
        if pt.is_fixed_size_list(kind) and not values.null_count:
            items = values.flatten()
            return self._plain(pa.field(field.name, kind.value_type), items).reshape(-1, *_layout(field)[1])
        if values.null_count:
            self._missing[field.name] += values.null_count
            if pt.is_floating(kind):
                values = values.fill_null(np.array(np.nan, kind.to_pandas_dtype())[()])
            elif pt.is_string(kind) or pt.is_large_string(kind):
                values = values.fill_null("")
            else:
                refuse_missing(field, "HDF5", "a float or a text")
        if pt.is_list(kind) or pt.is_large_list(kind):
            parts = np.empty(len(values), object)
            inner = values.flatten()
            if inner.null_count:
                refuse(field, "HDF5", "a list has nulls")
            ends = np.cumsum(pc.list_value_length(values).to_numpy())
            for at, part in enumerate(np.split(inner.to_numpy(zero_copy_only=False), ends[:-1])):
                parts[at] = part
            return parts
        if pt.is_string(kind) and pc.any(pc.match_substring(values, "\0")).as_py():
            raise SchemaMismatch(
                f"A text of HDF5 ends at NUL. Received: column {field.name!r} with one. Write a .parquet or .arrow "
                "file, or mend it."
            )
        found: np.ndarray = values.to_numpy(zero_copy_only=False)
        return found

    def close(self) -> None:
        """Ends the file."""
        try:
            self._file.flush()
        except Exception:
            # HDF5 would write what it holds at some later time, and crash where it cannot
            with open(os.devnull, "r+b") as nowhere:
                os.dup2(nowhere.fileno(), self._file.id.get_vfd_handle())
            with contextlib.suppress(OSError, RuntimeError):
                self._file.close()
            raise
        self._file.close()
        found = {name: count for name, count in self._missing.items() if count}
        if found:
            told = ", ".join(f"{count:,} of {name!r}" for name, count in found.items())
            self.note = f"HDF5 has no nulls; they are NaN or '' now: {told}. A .parquet file keeps them."


def _layout(field: pa.Field) -> tuple[np.dtype, tuple[int, ...]]:
    """The type of a dataset, and the shape of a row of it."""
    name, kind = field.name, field.type
    if not name or "/" in name or "\0" in name or name == ".":
        raise SchemaMismatch(
            f"A dataset of HDF5 has a name without '/' and NUL. Received: column {name!r}. Rename it, or write a "
            ".parquet or .arrow file."
        )
    shape: list[int] = []
    while pt.is_fixed_size_list(kind) and kind.list_size:
        shape.append(kind.list_size)
        kind = kind.value_type
    if pt.is_string(kind) or pt.is_large_string(kind):
        if shape or pt.is_large_string(kind):
            refuse(field, "HDF5")
        return h5py.string_dtype(), tuple(shape)
    if pt.is_integer(kind) or pt.is_floating(kind) or pt.is_boolean(kind):
        return np.dtype(kind.to_pandas_dtype()), tuple(shape)
    if pt.is_large_list(kind) and not shape and (pt.is_integer(kind.value_type) or pt.is_floating(kind.value_type)):
        return h5py.vlen_dtype(np.dtype(kind.value_type.to_pandas_dtype())), ()
    refuse(field, "HDF5", "as a large list of numbers it would" if pt.is_list(kind) else "")
