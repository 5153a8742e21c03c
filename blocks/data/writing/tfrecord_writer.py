"""TFRecords of `tf.train.Example`: integers, float32, texts, bytes and lists of these; what is missing has no value.

Examples are put together by TensorFlow's kernels, a column at a time.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.formats.tfrecord_types import KINDS, is_list, kind_of, stored_as
from blocks.data.writing.rows_writer import refuse, said_types
from blocks.errors import SchemaMismatch
from blocks.files.durable import own_folder, sweep_asides
from blocks.files.remote_files import os_errors

_PART_BYTES: Final = 1 << 26
_MOST_ITEMS: Final = 1 << 20
"""Of a column of lists that are put together at once, where each takes as much as the longest."""

_LISTS: Final = {"int64_list": "Int64List", "float_list": "FloatList", "bytes_list": "BytesList"}


class TfRecordWriter:
    """A file of TFRecords, uncompressed.

    Args:
        path: The file.
        schema: Of the rows.
        extension: That of the format.
        compression: None.
        begun: What `checkpoint` gave, to go on from there.

    Raises:
        SchemaMismatch: An Example has no such values.
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
            if kind_of(field.type) is None:
                refuse(field, "TFRecord")
        self.options: dict[str, Any] = {"column_types": dict(zip(schema.names, schema.types, strict=True))}
        self.note = ""
        self._unlike = {field.name: field.type for field in schema if stored_as(field.type) != field.type}
        self._rows = 0 if begun is None else int(begun["rows"])
        self._file = path.open("wb" if begun is None else "r+b")
        self._file.seek(0, 2)
        self._part: Any = None

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        if batch.num_rows > 1 and batch.num_rows * _longest(batch) > _MOST_ITEMS:
            half = batch.num_rows // 2
            self.write_batch(batch.slice(0, half))
            self.write_batch(batch.slice(half))
            return
        records = _records(batch, self._rows)
        if self._part is None:
            self._begin_part()
        with os_errors():
            for record in records:
                self._part.write(record)
        self._rows += batch.num_rows
        self._held += batch.nbytes
        if self._held >= _PART_BYTES:
            self._end_part()

    def _begin_part(self) -> None:
        import tensorflow as tf

        # TensorFlow begins files anew: what it writes is put behind what is there
        sweep_asides()
        self._aside = own_folder()
        with os_errors():
            self._part = tf.io.TFRecordWriter(self._part_path)
        self._held = 0

    @property
    def _part_path(self) -> str:
        return os.path.join(self._aside.name, "part")

    def _end_part(self) -> None:
        if self._part is None:
            return
        part, self._part = self._part, None
        with self._aside:
            with os_errors():
                part.close()
            with open(self._part_path, "rb") as written:
                shutil.copyfileobj(written, self._file, 1 << 20)

    def checkpoint(self) -> dict[str, Any]:
        """See `ResumableWriter`."""
        self._end_part()
        self._file.flush()
        return {"bytes": self._file.tell(), "rows": self._rows}

    def close(self) -> None:
        """Ends the file."""
        with self._file:
            self._end_part()
        if self._unlike:
            self.note = (
                "An Example has lists of int64, float32 and bytes. The source that is returned reads it as what was "
                f"written; elsewhere pass blocks.read(..., column_types={said_types(self._unlike)})."
            )


def _longest(batch: pa.RecordBatch) -> int:
    """Values of the longest list."""
    lengths = [pc.max(pc.list_value_length(column)).as_py() or 0 for column in batch.columns if is_list(column.type)]
    return max(lengths, default=0)


def _records(batch: pa.RecordBatch, begun: int) -> list[bytes]:
    """An Example for each row, serialized."""
    import tensorflow as tf

    rows, entries = batch.num_rows, []
    one = np.ones((rows, 1), np.int32)
    with tf.device("cpu"):
        for field, values in zip(batch.schema, batch.columns, strict=True):
            kind = kind_of(field.type) or ""
            counts, padded = _padded(field, values, begun)
            listed = tf.io.encode_proto(counts[:, None], [padded], ["value"], f"tensorflow.{_LISTS[kind]}")
            feature = tf.io.encode_proto(one, [listed[:, None]], [kind], "tensorflow.Feature")
            key = tf.fill([rows, 1], field.name)
            both = [key, feature[:, None]]
            entry = tf.io.encode_proto(np.repeat(one, 2, 1), both, ["key", "value"], "tensorflow.Features.FeatureEntry")
            entries.append(entry)
        sizes = np.full((rows, 1), len(entries), np.int32)
        features = tf.io.encode_proto(sizes, [tf.stack(entries, 1)], ["feature"], "tensorflow.Features")
        found = tf.io.encode_proto(one, [features[:, None]], ["features"], "tensorflow.Example")
    records: list[bytes] = found.numpy().tolist()
    return records


def _padded(field: pa.Field, values: pa.Array, begun: int) -> tuple[np.ndarray, Any]:
    """How many values each row has, and all of them, with as many in each row as the longest has."""
    rows = len(values)
    if is_list(values.type):
        if values.null_count or values.flatten().null_count:
            raise SchemaMismatch(
                f"An Example tells no missing list from an empty one. Received: column {field.name!r}, {field.type}, "
                "with nulls. Write a .parquet or .arrow file, or leave such rows out: "
                f"source.filter(pc.field({field.name!r}).is_valid())."
            )
        counts = pc.list_value_length(values).to_numpy(zero_copy_only=False).astype(np.int32)
        flat = values.flatten()
    else:
        counts = values.is_valid().to_numpy(zero_copy_only=False).astype(np.int32)
        flat = values.drop_null()
    plain = _plain(field, flat, begun)
    most = max(1, int(counts.max(initial=0)))
    padded = np.zeros((rows, most), plain.dtype) if plain.dtype != object else np.full((rows, most), b"", object)
    padded[np.arange(most) < counts[:, None]] = plain
    return counts, padded


def _plain(field: pa.Field, flat: pa.Array, begun: int) -> np.ndarray:
    """Values as an Example has them."""
    if pt.is_float64(flat.type):
        wide = flat.to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            narrow = wide.astype(np.float32)
        lost = (narrow != wide) & ~np.isnan(wide)
        if lost.any():
            raise SchemaMismatch(
                f"An Example has float32 alone. Received: column {field.name!r}, {field.type}, with "
                f"{float(wide[int(np.flatnonzero(lost)[0])])!r} after row {begun:,}, which float32 rounds. Write a "
                ".parquet or .arrow file, or leave the column out: source.select([...]).write(...)."
            )
        return narrow
    try:
        if pt.is_date32(flat.type):
            flat = flat.cast(pa.int32())
        found: np.ndarray = flat.cast(KINDS[kind_of(flat.type) or ""]).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid as error:
        refuse(field, "TFRecord", str(error)[:80])
    return found
