"""NumPy's .npy and .npz files: one array, or arrays with a row for each row of the others. Nothing is unpickled."""

import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.data.files import File, naming
from blocks.data.files_reader import FilesReader
from blocks.data.schema import conform, natural_schema, unify
from blocks.errors import MalformedData, SchemaMismatch

MOST_HEADER = 10_000
PIECE_BYTES = 1 << 22


class NumpyReader(FilesReader):
    """Files of arrays as one table, in order; read piece by piece, compressed ones too.

    Args:
        files: At least one. A .npy of named fields has their columns, another one the column "array"; a .npz has a
            column for each array.

    Raises:
        SchemaMismatch: An array holds Python objects, or what is no column.
        MalformedData: A file is none of NumPy's, or its arrays have other lengths.
    """

    def __init__(self, files: Sequence[File]) -> None:
        super().__init__(files, "numpy")
        schemas = []
        self._counts: list[int] = []
        for file in self._files:
            found = _arrays(file)
            fields = pa.schema([field for array in found for field in array.fields()])
            schemas.append((file.name, natural_schema(fields, file.name)))
            self._counts.append(found[0].shape[0])
        self._schema = unify(schemas)

    @property
    def schema(self) -> pa.Schema:
        """The columns of all files, by name."""
        return self._schema

    def count(self) -> int | None:
        """Rows, as the files tell."""
        return sum(self._counts)

    def _rows_of(self, index: int, target: pa.Schema, rows: int, encoded: bool) -> Iterator[pa.RecordBatch]:
        file = self._files[index]
        arrays = _arrays(file)
        wanted = [array for array in arrays if set(array.names()) & set(target.names)] or arrays[:1]
        streams = [array.pieces(rows) for array in wanted]
        for _ in range(0, wanted[0].shape[0], rows):
            with naming(file):
                columns = {name: array for stream in streams for name, array in next(stream).items()}
                batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
                piece = conform(batch, target, encoded=encoded)
            yield piece


_DAMAGE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError)
"""What damaged archives and headers raise."""


class NumpyArray:
    """One array in a file.

    Args:
        file: Where it is.
        member: Its name in a .npz; None for a .npy.
    """

    def __init__(self, file: File, member: str | None) -> None:
        self._file, self.name = file, "array" if member is None else member.removesuffix(".npy")
        self._member = member
        self._what = f"{self.name!r} of {file.name}"
        try:
            with naming(file), self._stream() as stream:
                self._header(stream)
        except (*_DAMAGE, KeyError) as error:
            if isinstance(error, (MalformedData, SchemaMismatch)):
                raise
            raise MalformedData(f"{self._what} cannot be read: {error}. Write or copy it again.") from error

    def _stream(self) -> Any:
        if self._member is None:
            return self._file.open()
        return zipfile.ZipFile(self._file.open()).open(self._member)

    def _header(self, stream: Any) -> None:
        try:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            self.shape, fortran, dtype = read(stream, max_header_size=MOST_HEADER)
        except (*_DAMAGE, SyntaxError, TypeError, OverflowError, tokenize.TokenError) as error:
            raise MalformedData(
                f"{self._what} cannot be read: {str(error)[:200]}. Write it with numpy.save."
            ) from error
        if dtype.hasobject:
            raise SchemaMismatch(
                f"Nothing is unpickled. Received: {self._what}, an array of Python objects. Save numbers or texts."
            )
        if not self.shape or (fortran and len(self.shape) > 1):
            raise SchemaMismatch(
                f"Arrays are rows after rows. Received: {self._what} of shape {self.shape}"
                f"{' in Fortran order' if fortran else ''}. Save numpy.ascontiguousarray of it, with at least one axis."
            )
        self.dtype = dtype

    def names(self) -> list[str]:
        """The columns."""
        return list(self.dtype.names or [self.name])

    def fields(self) -> list[pa.Field]:
        """The columns with their types."""
        empty = np.zeros((0, *self.shape[1:]), self.dtype)
        return [pa.field(name, array.type) for name, array in self._columns(empty).items()]

    def _columns(self, values: np.ndarray) -> dict[str, pa.Array]:
        names = self.dtype.names
        return {self.name: self._arrow(values)} if names is None else {n: self._arrow(values[n]) for n in names}

    def _arrow(self, values: np.ndarray) -> pa.Array:
        flat = np.ascontiguousarray(values).reshape(-1)
        if flat.dtype.kind in "cV" or (flat.dtype.itemsize > 8 and flat.dtype.kind == "f"):
            raise SchemaMismatch(
                f"A column holds numbers, times or texts. Received: {self._what} of {flat.dtype}. Save another type."
            )
        if flat.dtype.kind == "S":
            made: pa.Array = pa.array(flat, pa.binary()).cast(pa.string())
        else:
            made = pa.array(flat.astype(flat.dtype.newbyteorder("=")))
        for length in reversed(values.shape[1:]):
            made = pa.FixedSizeListArray.from_arrays(made, length)
        return made

    def pieces(self, rows: int) -> Iterator[dict[str, pa.Array]]:
        """The columns, so many rows at a time."""
        each = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        with self._stream() as stream:
            self._header(stream)
            for begin in range(0, self.shape[0], rows):
                count = min(rows, self.shape[0] - begin)
                raw = _exactly(stream, count * each, self._what)
                yield self._columns(np.frombuffer(raw, self.dtype).reshape(count, *self.shape[1:]))


def _exactly(stream: Any, size: int, what: str) -> bytes:
    """So many bytes, read as they come, so that a header that lies allocates nothing."""
    parts, missing = [], size
    while missing:
        try:
            part = stream.read(min(missing, PIECE_BYTES))
        except _DAMAGE as error:
            raise MalformedData(f"{what} cannot be read: {error}. Write or copy it again.") from error
        if not part:
            raise MalformedData(f"{what} ends before its last row. It may be truncated: write or copy it again.")
        parts.append(bytes(part))
        missing -= len(part)
    return b"".join(parts)


def _arrays(file: File) -> list[NumpyArray]:
    with naming(file, "Write it with numpy.save or numpy.savez."):
        if not file.magic().startswith(b"PK"):
            return [NumpyArray(file, None)]
        try:
            members = [name for name in zipfile.ZipFile(file.open()).namelist() if name.endswith(".npy")]
        except (*_DAMAGE, KeyError) as error:
            raise MalformedData(f"{file.name} cannot be read: {error}. Write it with numpy.savez.") from error
    found = [NumpyArray(file, name) for name in members]
    lengths = {array.name: array.shape[0] for array in found}
    if len(set(lengths.values())) != 1:
        told = ", ".join(f"{name} ({length:,})" for name, length in lengths.items()) or "no array"
        raise MalformedData(
            f"Arrays of one file have as many rows. Received: {file.name} with {told}. Save those "
            "that belong together into a file of their own."
        )
    return found
