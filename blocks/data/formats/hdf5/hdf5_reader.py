"""HDF5 files: the datasets of a group as columns, the fields of one compound dataset, or a table that pandas wrote.

What would run code, or leave the file, is refused by name: pickled objects, external links, virtual and external data.
"""

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import h5py
import pyarrow as pa
import pyarrow.compute as pc

from blocks.data.files import File, naming
from blocks.data.files_reader import FilesReader
from blocks.data.formats.csv.options import to_type
from blocks.data.formats.hdf5.dataset_columns import DatasetColumn, columns_of_dataset, columns_of_group
from blocks.data.formats.hdf5.hdf5_links import follow, with_rows
from blocks.data.formats.hdf5.pandas_table import PandasColumn, is_of_pandas, pandas_columns
from blocks.data.schema import conform, natural_schema, require_columns, unify
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch, warn

CACHE_BYTES: Final = 1 << 26
"""Of decompressed chunks of each dataset, so that one is not decompressed for every piece of it."""

_PIECE_BYTES: Final = 1 << 26
"""Of rows that are read at once, as they are stored."""


class Found(NamedTuple):
    """What holds the rows.

    Args:
        columns: At least one.
        index_names: Of those that are the index of a pandas frame.
        notes: Sentences to warn with.
    """

    columns: Sequence[DatasetColumn | PandasColumn]
    index_names: list[str]
    notes: list[str]


class Hdf5Reader(FilesReader):
    """HDF5 files as one table, in order.

    Args:
        files: At least one.
        group: The path in the file of a group, or of a compound dataset; None for the only one that holds rows.
        column_types: Types that HDF5 has not: dates and times of texts, of which an empty one is null, or of
            whole numbers since 1970.

    Raises:
        InvalidArgument: There is no such group, or several hold rows and none is named.
        SchemaMismatch: A dataset holds what is no column.
        MalformedData: A file is no HDF5, or holds what may not be followed.
    """

    def __init__(
        self, files: Sequence[File], *, group: str | None = None, column_types: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(files, "hdf5")
        self._group = group
        self._declared = {name: to_type(name, kind) for name, kind in (column_types or {}).items()}
        schemas = []
        self._counts: list[int] = []
        for file in self._files:
            with _opened(file) as content:
                found = _columns(content, group, file.name)
                about = {b"pandas": json.dumps({"index_columns": found.index_names})}
                types = [(column.name, self._declared.get(column.name, column.type)) for column in found.columns]
                fields = pa.schema(types, metadata=about)
                schemas.append((file.name, natural_schema(fields, file.name)))
                self._counts.append(found.columns[0].rows)
            for note in found.notes:
                warn(note)
        self._schema = unify(schemas)
        require_columns(self._declared, self._schema.names, "column_types")

    @property
    def schema(self) -> pa.Schema:
        """The columns of all files, by name."""
        return self._schema

    def count(self) -> int | None:
        """Rows, as the files tell."""
        return sum(self._counts)

    def fingerprint(self) -> dict[str, Any]:
        """Names, sizes and times of change, and the group."""
        types = {name: str(kind) for name, kind in self._declared.items()}
        return {**super().fingerprint(), "group": self._group, **({"column_types": types} if types else {})}

    def _rows_of(self, index: int, target: pa.Schema, rows: int, encoded: bool) -> Iterator[pa.RecordBatch]:
        file = self._files[index]
        with _opened(file) as content:
            found = {column.name: column for column in _columns(content, self._group, file.name).columns}
            present = [found[name] for name in target.names if name in found]
            total, names = next(iter(found.values())).rows, [column.name for column in present]
            step = min(rows, max(1, _PIECE_BYTES // _row_bytes(present or list(found.values()))))
            for begin in range(0, total, step):
                with naming(file):
                    end = min(begin + step, total)
                    arrays = [self._castable(column.name, column.read(begin, end)) for column in present]
                    read = pa.StructArray.from_arrays(arrays, names) if arrays else pa.array([{}] * (end - begin))
                    piece = conform(pa.RecordBatch.from_struct_array(read), target, encoded=encoded)
                yield piece

    def _castable(self, name: str, values: pa.Array) -> pa.Array:
        """Values as Arrow casts them to the type that is declared: days have 32 bits, and no text is an empty one."""
        kind = self._declared.get(name, values.type)
        if pa.types.is_date32(kind) and pa.types.is_integer(values.type):
            return values.cast(pa.int32())
        if pa.types.is_string(values.type) and not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            return pc.if_else(pc.equal(values, ""), None, values)
        return values


def _row_bytes(columns: Sequence[DatasetColumn | PandasColumn]) -> int:
    """What a row takes as it is stored, texts and lists of any length apart."""
    stored = {column.data.name: column.data for column in columns}.values()
    return max(1, sum(data.dtype.itemsize * math.prod(data.shape[1:]) for data in stored))


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


def _columns(content: h5py.File, group: str | None, name: str) -> Found:
    """The columns of a group, a compound dataset or a table of pandas'.

    Raises:
        InvalidArgument: There is none, or it is not said which.
    """
    try:
        node = _only(content, name) if group is None else follow(content, group, name)
        above = node.parent if isinstance(node, h5py.Dataset) else node
        if is_of_pandas(above):
            return Found(*pandas_columns(above, name))
        of = columns_of_dataset if isinstance(node, h5py.Dataset) else columns_of_group
        return Found(of(node, name), [], [])
    except (RuntimeError, KeyError, OSError, ValueError, TypeError) as error:
        if isinstance(error, (InvalidArgument, SchemaMismatch, MalformedData)):
            raise
        raise MalformedData(f"{name} cannot be read: {error}. Copy it again.") from error


def _only(content: h5py.File, name: str) -> Any:
    found = with_rows(content)
    if len(found) != 1:
        raise InvalidArgument(
            f"A file of HDF5 is read by its only group of rows, or the one that is named. Received: {name} with "
            f"{', '.join(found) or 'none'}."
            + (f" Say which: group={found[0]!r}." if found else " Is it the right file?")
        )
    return content[found[0]]
