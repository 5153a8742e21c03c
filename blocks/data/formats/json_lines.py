"""JSON lines files: one object a line. A scan settles the schema; the passes then read every block with it."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.json as pajson

from blocks.data.files import File, naming
from blocks.data.files_reader import FilesReader
from blocks.data.formats.csv.dialect import LINES
from blocks.data.formats.csv.options import to_type
from blocks.data.formats.csv.row_spans import RowSpan, row_spans
from blocks.data.formats.json_integers import EXACT, largest, rounded, with_texts
from blocks.data.formats.json_types import as_declared, parsed_as
from blocks.data.schema import conform, natural_schema, require_columns, unify
from blocks.errors import MalformedData, SchemaMismatch, warn

_BLOCK: Final = 8 << 20


class JsonLinesReader(FilesReader):
    """JSON lines files as one table, in order; keys that a line does not have are null in it.

    The first use scans the files once: a column's type holds all its values: float64 where integers stand beside
    fractions, and text, digit for digit, where that would round an integer.

    Args:
        files: at least one.
        column_types: types of columns, which are then not inferred.
    """

    def __init__(self, files: Sequence[File], column_types: Mapping[str, Any] | None = None) -> None:
        super().__init__(files, "json")
        self._declared = {name: to_type(name, kind) for name, kind in (column_types or {}).items()}
        self._lock = threading.Lock()
        self._scanned: tuple[pa.Schema, int] | None = None
        self._texts: set[str] = set()  # columns whose numbers are read as text
        self._warned: set[str] = set()

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
        return {**super().fingerprint(), "column_types": types}

    def _rows_of(self, index: int, target: pa.Schema, rows: int, encoded: bool) -> Iterator[pa.RecordBatch]:
        file = self._files[index]
        for block in self._blocks(file):
            for batch in self._parsed(file, block, target, "ignore").to_batches():
                yield conform(batch, target)

    def _scan(self) -> tuple[pa.Schema, int]:
        with self._lock:
            if self._scanned is None:
                found: tuple[str, pa.Schema] | None = None
                names: dict[str, None] = {}
                sizes: dict[str, int] = {}
                rows = 0
                for file in self._files:
                    for block in self._blocks(file):
                        table = self._settled(file, block, sizes)
                        rows += table.num_rows
                        names |= dict.fromkeys(table.schema.names)
                        here = natural_schema(table.schema, file.name)
                        try:
                            where = f"{file.name} (from line {block.line})"
                            found = (where, here if found is None else self._joined(found, (where, here), sizes))
                        except SchemaMismatch as error:
                            raise MalformedData(f"{error} Or declare it: column_types={{...}}.") from None
                if found is None and not self._declared:
                    raise MalformedData(f"{self.description()} holds no JSON object. Leave it out.")
                if found is None:
                    names, found = dict.fromkeys(self._declared), ("", pa.schema(list(self._declared.items())))
                require_columns(self._declared, found[1].names, "column_types")
                self._scanned = pa.schema([found[1].field(name) for name in names]), rows
        return self._scanned

    def _settled(self, file: File, block: RowSpan, sizes: dict[str, int]) -> pa.Table:
        """Parses a block; columns whose integers would be rounded become text, from here on."""
        while True:
            explicit = pa.schema([*self._declared.items(), *((name, pa.string()) for name in self._undeclared())])
            try:
                table = self._parsed(file, block, explicit, "infer")
            except MalformedData:
                texts = {name for name, kind in self._declared.items() if pa.types.is_string(kind)}
                if texts <= self._texts:
                    raise
                self._texts |= texts  # Arrow makes no text of numbers
                continue
            for name in table.schema.names:
                sizes[name] = max(sizes.get(name, 0), largest(table[name]))
            lost = rounded(block, table, self._declared)
            flat = [name for name in lost if not pa.types.is_nested(table.schema.field(name).type)]
            for name, value in lost.items():
                if name in flat:
                    self._keep_text(name, f"{file.name}: column {name!r} holds {value}, which float64 rounds")
                elif name not in self._warned:
                    self._warned.add(name)
                    warn(
                        f"{file.name}: column {name!r} holds {value}, which is rounded to float64. Declare it to "
                        f"choose: column_types={{{name!r}: ...}}, of uint64 for instance."
                    )
            if not flat:
                return table

    def _joined(self, one: tuple[str, pa.Schema], other: tuple[str, pa.Schema], sizes: dict[str, int]) -> pa.Schema:
        """One schema for what came before and a block; integers beyond float64's beside fractions become text."""
        kinds: dict[str, set[pa.DataType]] = {}
        for _, schema in (one, other):
            for field in schema:
                kinds.setdefault(field.name, set()).add(field.type)
        for name, both in kinds.items():
            if both == {pa.int64(), pa.float64()} and name not in self._declared and sizes[name] > EXACT:
                self._keep_text(name, f"Column {name!r} holds fractions, and integers that float64 rounds")
        texts = self._undeclared()
        parts = [
            (where, pa.schema([pa.field(f.name, pa.string()) if f.name in texts else f for f in schema]))
            for where, schema in (one, other)
        ]
        return unify(parts)

    def _keep_text(self, name: str, why: str) -> None:
        if name not in self._texts:
            self._texts.add(name)
            warn(
                f"{why}; it is kept as text, digit for digit. Declare it to choose: "
                f"column_types={{{name!r}: 'string'}}, or 'float64'."
            )

    def _undeclared(self) -> list[str]:
        return sorted(self._texts - self._declared.keys())

    def _parsed(self, file: File, block: RowSpan, schema: pa.Schema, unexpected: str) -> pa.Table:
        texts = self._texts if unexpected == "infer" else self._texts & set(schema.names)
        return _parsed(file, with_texts(block, texts) if texts else block, schema, unexpected)

    def _blocks(self, file: File) -> Iterator[RowSpan]:
        with file.stream() as stream:
            cut = row_spans(stream, _BLOCK, LINES, name=file.name)
            while True:
                with naming(file):
                    block = next(cut, None)
                if block is None:
                    return
                if block.data.strip():
                    yield block


def _parsed(file: File, block: RowSpan, schema: pa.Schema, unexpected: str) -> pa.Table:
    inner, dates = 1 << 20, False
    while True:
        fields = [field.with_type(parsed_as(field.type, dates=dates)) for field in schema]
        parse = pajson.ParseOptions(explicit_schema=pa.schema(fields), unexpected_field_behavior=unexpected)
        try:
            read = pajson.ReadOptions(block_size=inner)
            table = pajson.read_json(pa.BufferReader(block.arrow()), read_options=read, parse_options=parse)
            table.validate(full=True)  # text that is no UTF-8
            return as_declared(table, schema)
        except pa.ArrowException as error:
            if not dates and "from number to string" in str(error) and "date32" in str(schema.types):
                dates = True
                continue
            if "straddl" in str(error) and inner <= len(block.data):
                inner = len(block.data) + 1
                continue
            raise MalformedData(
                f"{file.name}, from line {block.line}: {str(error)[:300]}. A line is one JSON object, and a key has "
                "one type in all of them; correct the lines, or declare column_types={...}."
            ) from None
