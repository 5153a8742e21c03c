"""Parquet files, one after the other."""

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from blocks.data.files import File, naming
from blocks.data.files_reader import FilesReader
from blocks.data.schema import conform, natural_schema, require_exact, unify

_BUFFER: Final = 1 << 18
"""Bytes read at once of a column: a row group of any size is never read whole."""

_FIX: Final = "It may be truncated: write or copy it again."


class ParquetReader(FilesReader):
    """Parquet files as one table, in order; row groups are decoded piece by piece.

    What is held is a chunk, a page and a read buffer for each column, and the dictionaries of one row group: a writer's
    row-group size matters only through the latter.

    Args:
        files: at least one.
    """

    def __init__(self, files: Sequence[File]) -> None:
        super().__init__(files, "parquet")
        self._expression: pc.Expression | None = None
        self._metadata: list[tuple[pa.Schema, pq.FileMetaData]] = []
        for file in self._files:
            with naming(file, _FIX), file.open() as handle, pq.ParquetFile(handle) as opened:
                self._metadata.append((natural_schema(opened.schema_arrow, file.name), opened.metadata))
        schemas = [(f.name, schema) for f, (schema, _) in zip(files, self._metadata, strict=True)]
        self._schema = unify(schemas)
        require_exact(self._schema, schemas, self._ends)

    @property
    def schema(self) -> pa.Schema:
        """The columns of all files, by name."""
        return self._schema

    def count(self) -> int | None:
        """Rows, from the footers."""
        return None if self._expression is not None else sum(metadata.num_rows for _, metadata in self._metadata)

    def filtered(self, expression: pc.Expression) -> "ParquetReader":
        """The reader without the row groups in which no row can satisfy `expression`."""
        found = copy.copy(self)
        found._expression = expression if self._expression is None else self._expression & expression
        return found

    def _rows_of(self, index: int, target: pa.Schema, rows: int, encoded: bool) -> Iterator[pa.RecordBatch]:
        file, (schema, metadata) = self._files[index], self._metadata[index]
        groups = self._groups(file, metadata)
        if not groups:
            return
        in_file = set(schema.names)
        present = [name for name in target.names if name in in_file]
        # decoding text into a dictionary costs less than decoding it and encoding it after, however it is stored
        dictionaries = [name for name in present if encoded and _is_text(schema.field(name).type)]
        with contextlib.ExitStack() as stack:
            with naming(file, _FIX):
                handle = stack.enter_context(file.open())
                opened = stack.enter_context(
                    pq.ParquetFile(
                        handle,
                        read_dictionary=dictionaries,
                        buffer_size=_BUFFER,
                        pre_buffer=False,
                        page_checksum_verification=True,
                    )
                )
            for group in groups:
                # one row group after the other, lest two groups' pages and dictionaries are held at once
                with naming(file, _FIX):
                    batches = opened.iter_batches(rows, columns=present or schema.names[:1], row_groups=[group])
                while True:
                    with naming(file, _FIX):
                        batch = next(batches, None)
                        if batch is None:
                            break
                        batch.validate(full=True)  # text that is no UTF-8
                        batch = conform(batch, target, encoded=encoded)
                    yield batch
                del batches

    def _ends(self, file: int, column: str) -> tuple[int, int] | None:
        """The least and the largest integer of a column, from a file's footer, where it says so."""
        metadata = self._metadata[file][1]
        ends: list[int] = []
        for group in range(metadata.num_row_groups):
            chunks = (metadata.row_group(group).column(index) for index in range(metadata.num_columns))
            statistics = next((chunk.statistics for chunk in chunks if chunk.path_in_schema == column), None)
            if statistics is None or not statistics.has_min_max:
                if metadata.row_group(group).num_rows and not _all_null(statistics, metadata.row_group(group).num_rows):
                    return None
                continue
            ends += [int(statistics.min), int(statistics.max)]
        return (min(ends), max(ends)) if ends else (0, 0)

    def _groups(self, file: File, metadata: pq.FileMetaData) -> list[int]:
        if self._expression is None:
            return list(range(metadata.num_row_groups))
        with naming(file, _FIX):
            fragment = ds.ParquetFileFormat().make_fragment(file.path, filesystem=file.filesystem)
            try:
                return [group.id for group in fragment.subset(self._expression, schema=self._schema).row_groups]
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                # An expression that statistics cannot answer: every row group may hold such a row.
                return list(range(metadata.num_row_groups))


def _all_null(statistics: pq.Statistics | None, rows: int) -> bool:
    return statistics is not None and statistics.has_null_count and statistics.null_count == rows


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
