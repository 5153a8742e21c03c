"""JSON lines: an object a row, with every column in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.writing.json_text import held, json_objects
from blocks.data.writing.rows_writer import refuse, said_types
from blocks.data.writing.text_file import TextFile

_MOST_BYTES: Final = 1 << 26
"""Of rows that are made to text at once."""

_LIKE_TIME: Final = r"^\d{4}-\d\d-\d\d.*$"


class JsonWriter:
    """A file of JSON lines, in UTF-8.

    Args:
        path: The file.
        schema: Of the rows.
        extension: That of the format.
        compression: .gz, .bz2, .zst, .lz4, .xz or "".
        begun: What `checkpoint` gave, to go on from there.

    Raises:
        SchemaMismatch: JSON has no such values.
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
            if not held(field.type):
                refuse(field, "JSON")
        types = dict(zip(schema.names, schema.types, strict=True))
        self.options: dict[str, Any] = {"column_types": types}
        self.note = ""
        self._unlike = {name: kind for name, kind in types.items() if not _inferred(kind)}
        state = begun or {"texts": [name for name, kind in types.items() if pt.is_string(kind)], "odd": []}
        # texts that all look like times so far, and floats that are not all finite
        self._texts, self._odd = list(state["texts"]), set(state["odd"])
        self._types = types
        self._file = TextFile(path, compression, append=begun is not None)

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        if batch.nbytes > _MOST_BYTES and batch.num_rows > 1:
            half = batch.num_rows // 2
            self.write_batch(batch.slice(0, half))
            self.write_batch(batch.slice(half))
            return
        self._notice(batch)
        lines = pc.binary_join_element_wise(json_objects(batch.schema.names, batch.columns), "\n", "")
        begin, end = (lines.buffers()[1][4 * at : 4 * at + 4].to_pybytes() for at in (0, len(lines)))
        first, last = int.from_bytes(begin, "little"), int.from_bytes(end, "little")
        self._file.sink.write(lines.buffers()[2].slice(first, last - first))

    def _notice(self, batch: pa.RecordBatch) -> None:
        for name in self._texts.copy():
            like = pc.match_substring_regex(batch.column(name).slice(0, 1000), _LIKE_TIME)
            if pc.any(pc.invert(like), min_count=0).as_py():
                self._texts.remove(name)
        for name, kind in self._types.items():
            if pt.is_floating(kind) and name not in self._odd:
                values = batch.column(name)
                values = values.cast(pa.float32()) if pt.is_float16(kind) else values
                if not pc.all(pc.is_finite(values), min_count=0).as_py():
                    self._odd.add(name)

    def checkpoint(self) -> dict[str, Any]:
        """See `ResumableWriter`."""
        return {"bytes": self._file.cut(), "texts": self._texts, "odd": sorted(self._odd)}

    def close(self) -> None:
        """Ends the file."""
        self._file.close()
        kinds = {name: kind for name, kind in self._types.items() if name in self._unlike or name in self._texts}
        told = []
        if kinds:
            told.append(
                "JSON has texts, numbers and truth values. The source that is returned reads it as what was written; "
                f"elsewhere pass blocks.read(..., column_types={said_types(kinds)})."
            )
        if self._odd:
            names = ", ".join(map(repr, sorted(self._odd)))
            told.append(f"What is not finite in {names} stands as Python writes it: NaN, Infinity, -Infinity.")
        self.note = " ".join(told)


def _inferred(kind: pa.DataType) -> bool:
    """Whether a reader that is not told the type finds it, or another unit of it."""
    if pt.is_struct(kind):
        return all(_inferred(kind.field(index).type) for index in range(kind.num_fields))
    if pt.is_list(kind):
        return _inferred(kind.value_type)
    plain = (pa.int64(), pa.float64(), pa.bool_(), pa.string(), pa.null())
    return kind in plain or (pt.is_timestamp(kind) and kind.tz is None)
