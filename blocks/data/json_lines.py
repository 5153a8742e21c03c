"""JSON lines files: one object a line. A scan settles the schema; the passes then read every block with it."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.json as pajson

from blocks.data.csv_options import to_type
from blocks.data.files import File, naming, unchanged
from blocks.data.parquet import describe
from blocks.data.schema import conform, natural_schema, require_columns, unify
from blocks.data.text_blocks import LINES, Block, blocks
from blocks.errors import MalformedData, SchemaMismatch

_BLOCK: Final = 8 << 20


class JsonLinesReader:
    """JSON lines files as one table, in order; keys that a line does not have are null in it.

    The first use scans the files once: a column's type holds all its values (int64 becomes float64 where it must).

    Args:
        files: at least one.
        column_types: types of columns, which are then not inferred.
    """

    ahead: bool = True

    def __init__(self, files: Sequence[File], column_types: Mapping[str, Any] | None = None) -> None:
        self._files = list(files)
        self._declared = {name: to_type(name, kind) for name, kind in (column_types or {}).items()}
        self._lock = threading.Lock()
        self._scanned: tuple[pa.Schema, int] | None = None

    @property
    def schema(self) -> pa.Schema:
        """The columns of all lines, by name."""
        return self._scan()[0]

    def count(self) -> int | None:
        """Rows, if the files were scanned already."""
        return None if self._scanned is None else self._scanned[1]

    def fingerprint(self) -> dict[str, Any]:
        """Names, sizes, times of change, and declared types."""
        types = {name: str(kind) for name, kind in self._declared.items()}
        return {"format": "json", "files": [file.fingerprint() for file in self._files], "column_types": types}

    def description(self) -> str:
        """The first path and the number of files."""
        return describe(self._files)

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Gives the rows, file by file; see `Reader`."""
        schema = self.schema
        target = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        for file in self._files:
            with unchanged(file):
                for block in self._blocks(file):
                    for batch in _parsed(file, block, target, "ignore").to_batches():
                        yield conform(batch, target)

    def _scan(self) -> tuple[pa.Schema, int]:
        with self._lock:
            if self._scanned is None:
                found: tuple[str, pa.Schema] | None = None
                rows = 0
                explicit = pa.schema(list(self._declared.items()))
                for file in self._files:
                    for block in self._blocks(file):
                        table = _parsed(file, block, explicit, "infer")
                        rows += table.num_rows
                        here = natural_schema(table.schema, file.name)
                        try:
                            where = f"{file.name} (from line {block.line})"
                            found = (where, here if found is None else unify([found, (where, here)]))
                        except SchemaMismatch as error:
                            raise MalformedData(f"{error} Or declare it: column_types={{...}}.") from None
                if found is None:
                    raise MalformedData(f"{self.description()} holds no JSON object. Leave it out.")
                require_columns(self._declared, found[1].names, "column_types")
                self._scanned = found[1], rows
        return self._scanned

    def _blocks(self, file: File) -> Iterator[Block]:
        with file.stream() as stream:
            cut = blocks(stream, _BLOCK, LINES, name=file.name)
            while True:
                with naming(file):
                    block = next(cut, None)
                if block is None:
                    return
                if block.data.strip():
                    yield block


def _parsed(file: File, block: Block, schema: pa.Schema, unexpected: str) -> pa.Table:
    parse = pajson.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unexpected)
    inner = 1 << 20
    while True:
        try:
            read = pajson.ReadOptions(block_size=inner)
            return pajson.read_json(pa.BufferReader(block.arrow()), read_options=read, parse_options=parse)
        except pa.ArrowException as error:
            if "straddl" in str(error) and inner <= len(block.data):
                inner = len(block.data) + 1
                continue
            raise MalformedData(
                f"{file.name}, from line {block.line}: {str(error)[:300]}. A line is one JSON object, and a key has "
                "one type in all of them; correct the lines, or declare column_types={...}."
            ) from None
