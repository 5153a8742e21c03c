"""NumPy's files: .npy of one array, of named fields where there are several columns, and .npz of an array a column."""

import shutil
import struct
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa

from blocks.data.writing.plain_numbers import Layout, numpy_layout, numpy_values
from blocks.errors import SchemaMismatch

_ARRAY: Final = "array"
"""What the only column is called that a plain array is read as."""

_MOST_HEADER: Final = 10_000
"""Bytes of a header that NumPy reads."""


class NpyWriter:
    """A .npy: a plain array of a column "array", else an array of named fields. NumPy maps it.

    Args:
        path: The file.
        schema: Of the rows.
        extension: That of the format.
        compression: None.
        begun: What `checkpoint` gave, to go on from there.

    Raises:
        SchemaMismatch: A column is none of numbers, truth values, dates or times, or has a name that headers lack.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        extension: str,
        compression: str,
        *,
        begun: Mapping[str, Any] | None = None,
    ) -> None:
        self.options: dict[str, Any] = {}
        self.note = ""
        self._layouts = {field.name: numpy_layout(field) for field in schema}
        for name in schema.names:
            if not name or name.encode("latin-1", "ignore").decode("latin-1") != name:
                raise SchemaMismatch(
                    f"Fields of a .npy have names of Latin letters. Received: column {name!r}. Write a .parquet or "
                    ".arrow file, or a .npz."
                )
        if schema.names == [_ARRAY]:
            self._dtype, self._shape = self._layouts[_ARRAY]
        else:
            self._dtype = np.dtype([(name, *layout) for name, layout in self._layouts.items()])
            self._shape = ()
        self._rows = 0 if begun is None else int(begun["rows"])
        self._missing = dict.fromkeys(schema.names, 0) | dict(begun["missing"] if begun else {})
        header = _header(self._dtype, self._shape, self._rows)
        if len(header) > _MOST_HEADER:
            raise SchemaMismatch(
                f"The header of a .npy has at most {_MOST_HEADER:,} bytes. Received: {len(schema)} columns, of "
                f"{len(header):,}. Write a .npz, .parquet or .arrow file."
            )
        self._file = path.open("wb" if begun is None else "r+b")
        self._file.seek(0, 2)
        if begun is None:
            self._file.write(header)

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        columns = _columns(batch, self._layouts, self._missing)
        if self._dtype.names is None:
            values = columns[_ARRAY]
        else:
            values = np.empty(batch.num_rows, self._dtype)
            for name, column in columns.items():
                values[name] = column
        self._file.write(_bytes(values))
        self._rows += batch.num_rows

    def checkpoint(self) -> dict[str, Any]:
        """See `ResumableWriter`."""
        self._file.flush()
        return {"bytes": self._file.tell(), "rows": self._rows, "missing": self._missing}

    def close(self) -> None:
        """Ends the file: the header says how many rows there are."""
        with self._file:
            self._file.seek(0)
            self._file.write(_header(self._dtype, self._shape, self._rows))
        self.note = _note(self._missing)


class NpzWriter:
    """A .npz: an array for each column, as `numpy.savez` stores it.

    Args:
        path: The file.
        schema: Of the rows.
        extension: That of the format.
        compression: None.

    Raises:
        SchemaMismatch: A column is none of numbers, truth values, dates or times.
    """

    def __init__(self, path: Path, schema: pa.Schema, extension: str, compression: str) -> None:
        self.options: dict[str, Any] = {}
        self.note = ""
        self._path = path
        self._layouts = {field.name: numpy_layout(field) for field in schema}
        for name in schema.names:
            if "\0" in name:
                raise SchemaMismatch(
                    f"An array of a .npz has a name without NUL. Received: column {name!r}. Rename it."
                )
        self._missing, self._rows = dict.fromkeys(schema.names, 0), 0
        # columns lie one behind the other in the end; these files have no name, and go with this process
        self._parts: dict[str, IO[bytes]] = {}
        for name in schema.names:
            self._parts[name] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - `close` closes it

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        for name, values in _columns(batch, self._layouts, self._missing).items():
            self._parts[name].write(_bytes(values))
        self._rows += batch.num_rows

    def close(self) -> None:
        """Ends the file."""
        try:
            with zipfile.ZipFile(self._path, "w", allowZip64=True) as archive:
                for name, part in self._parts.items():
                    part.seek(0)
                    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                        member.write(_header(*self._layouts[name], self._rows))
                        shutil.copyfileobj(part, member, 1 << 20)
        finally:
            for part in self._parts.values():
                part.close()
        self.note = _note(self._missing)


def _columns(batch: pa.RecordBatch, layouts: Mapping[str, Layout], missing: dict[str, int]) -> dict[str, np.ndarray]:
    fields = zip(batch.schema, batch.columns, strict=True)
    return {field.name: numpy_values(field, values, layouts[field.name], missing) for field, values in fields}


def _bytes(values: np.ndarray) -> memoryview:
    return np.ascontiguousarray(values).view(np.uint8).reshape(-1).data


def _header(dtype: np.dtype, shape: tuple[int, ...], rows: int) -> bytes:
    """A header, as long for any number of rows. Source: NEP 1, https://numpy.org/neps/nep-0001-npy-format.html."""
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (rows, *shape)}
    text = repr(described).encode("latin-1")
    room = len(text) - len(str(rows)) + 20
    room += -(room + 11) % 64 + 1  # with what goes before, and the line's end, a multiple of 64
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", min(room, 65_535)) + text.ljust(room - 1) + b"\n"


def _note(missing: Mapping[str, int]) -> str:
    told = ", ".join(f"{count:,} of {name!r}" for name, count in missing.items() if count)
    return told and f"NumPy has no nulls; they are NaN now: {told}. A .parquet file keeps them."
