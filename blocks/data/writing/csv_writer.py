"""Values as text: every text stands in quotes, so that "" is told from what is missing, which is nothing at all."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.types as pt

from blocks.data.writing.rows_writer import refuse, require_held, said_types
from blocks.data.writing.text_file import TextFile

_INFERRED: Final = (pa.int64(), pa.float64(), pa.bool_(), pa.string(), pa.date32())
_LIKE: Final = (
    r"^\s*([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|\d{4}-\d\d-\d\d.*|(?i:true|false|inf|nan|na|null)|)\s*$"
)
"""What is read as a number, a time, a truth value or nothing."""


class CsvWriter:
    """A CSV file with a header; tabs between values where its name ends with .tsv.

    Args:
        path: The file.
        schema: Of the rows.
        extension: That of the format.
        compression: .gz, .bz2, .zst, .lz4, .xz or "".
        begun: What `checkpoint` gave, to go on from there.

    Raises:
        SchemaMismatch: No text of a column's values is read as that type.
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
        for field in schema:
            if pt.is_nested(field.type) or pt.is_null(field.type):
                refuse(field, "CSV")
        require_held(schema, "CSV", _through_csv)
        delimiter = "\t" if extension == ".tsv" else ","
        types = dict(zip(schema.names, schema.types, strict=True))
        self.options: dict[str, Any] = {
            "column_types": types,
            "null_values": [""],
            "quoted_strings_can_be_null": False,
            "delimiter": delimiter,
            "quote_char": '"',
            "skip_rows": 0,
            "autogenerate_column_names": False,
        }
        if len(types) == 1:  # a row of nothing is an empty line
            self.options["ignore_empty_lines"] = False
        self.note = ""
        self._schema = schema
        self._unlike = {name for name, kind in types.items() if not _inferred(kind)}
        texts = [name for name, kind in types.items() if pt.is_string(kind) or pt.is_large_string(kind)]
        state = begun or {"other": dict.fromkeys(texts, False), "word": False, "nothing": False}
        self._texts, self._other = texts, dict(state["other"])
        self._words = pa.array(pacsv.ConvertOptions().null_values)
        self._word, self._nothing = state["word"], state["nothing"]
        self._file = TextFile(path, compression, append=begun is not None)
        self._begin(header=begun is None)

    def _begin(self, *, header: bool) -> None:
        style = pacsv.WriteOptions(delimiter=self.options["delimiter"], quoting_style="needed", include_header=header)
        self._writer = self._file.stack.enter_context(
            pacsv.CSVWriter(self._file.sink, self._schema, write_options=style)
        )

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        self._nothing = self._nothing or (len(self._schema) == 1 and batch.column(0).null_count > 0)
        for name in self._texts:
            values = batch.column(name)
            if not self._word:
                self._word = pc.any(pc.is_in(values, self._words.cast(values.type)), min_count=0).as_py()
            if not self._other[name]:
                like = pc.match_substring_regex(values.slice(0, 1000), _LIKE)
                self._other[name] = not pc.all(like, min_count=0).as_py()
        try:
            self._writer.write_batch(batch)
        except pa.ArrowInvalid as error:
            held = [field for field in batch.schema if pt.is_binary(field.type) or pt.is_large_binary(field.type)]
            if not held or "UTF8" not in str(error):
                raise
            refuse(held[0], "CSV", "some of its bytes are no text")

    def checkpoint(self) -> dict[str, Any]:
        """See `ResumableWriter`."""
        size = self._file.cut()
        self._begin(header=False)
        return {"bytes": size, "other": self._other, "word": self._word, "nothing": self._nothing}

    def close(self) -> None:
        """Ends the file."""
        self._file.close()
        # texts that all look like numbers are none to a reader who is not told
        kinds = {
            name: kind
            for name, kind in zip(self._schema.names, self._schema.types, strict=True)
            if name in self._unlike or self._other.get(name) is False
        }
        told = [f"column_types={said_types(kinds)}"] if kinds else []
        if self._word:
            told += ["null_values=['']", "quoted_strings_can_be_null=False"]
        if self._nothing:
            told.append("ignore_empty_lines=False")
        if told:
            self.note = (
                "CSV holds text alone. The source that is returned reads it as what was written; elsewhere pass "
                f"blocks.read(..., {', '.join(told)})."
            )


def _inferred(kind: pa.DataType) -> bool:
    """Whether a reader that is not told the type finds it, or another unit of it."""
    return kind in _INFERRED or (pt.is_timestamp(kind) and kind.tz is None)


def _through_csv(schema: pa.Schema) -> pa.DataType:
    if pt.is_binary(schema.field(0).type) or pt.is_large_binary(schema.field(0).type):
        return schema.field(0).type
    row = pa.RecordBatch.from_arrays([pa.nulls(1, schema.field(0).type), pa.array([1])], names=["x", "y"])
    buffer = io.BytesIO()
    pacsv.write_csv(row, buffer)
    types = pacsv.ConvertOptions(column_types={"x": schema.field(0).type})
    return pacsv.read_csv(io.BytesIO(buffer.getvalue()), convert_options=types).schema.field(0).type
