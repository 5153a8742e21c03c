"""Grouping: the group of each row, by columns or buckets of time, under a name such as "city=Rome, when=2024-05"."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data.arrow_types import is_instant
from blocks.data.schema import require_columns
from blocks.errors import InvalidArgument, SchemaMismatch

BUCKETS = {
    "year": "%Y",
    "quarter": "%Y-%m",
    "month": "%Y-%m",
    "week": "%G-W%V",
    "day": "%Y-%m-%d",
    "hour": "%Y-%m-%d %H:00",
}

ALL = "all"

By = str | Sequence[str] | Mapping[str, str | None] | None


@dataclass(frozen=True)
class Grouping:
    """Columns that make groups.

    Attributes:
        buckets: Column to bucket of time, or None for its values.
        most: Groups that there may be.
    """

    buckets: Mapping[str, str | None]
    most: int

    @classmethod
    def of(cls, by: By, schema: pa.Schema, most: int) -> "Grouping":
        """What a user means by `by`: a column, several, "when:month", or {"when": "month", "city": None}.

        Raises:
            InvalidArgument: A bucket of time is unknown.
            SchemaMismatch: A column is unknown, or holds no times.
        """
        if by is None:
            by = ()
        if isinstance(by, Mapping):
            wanted: dict[str, str | None] = dict(by)
        else:
            wanted = {}
            for name in [by] if isinstance(by, str) else by:
                column, _, bucket = name.rpartition(":")
                if name not in schema.names and column in schema.names:
                    wanted[column] = bucket
                else:
                    wanted[name] = None
        require_columns(wanted, schema.names, "by (of columns that predict_table(keys=[...]) kept)")
        for name, unit in wanted.items():
            if unit is not None and unit not in BUCKETS:
                raise InvalidArgument(f"Times are grouped by {', '.join(BUCKETS)}. Received: {name}:{unit}.")
            if unit is not None and not is_instant(schema.field(name).type):
                raise SchemaMismatch(f"{name!r} holds no times to group by {unit}: {schema.field(name).type}.")
            if pt.is_nested(schema.field(name).type):
                raise SchemaMismatch(f"Groups are of single values. Received: {name!r}, {schema.field(name).type}.")
        return cls(wanted, most)

    @property
    def columns(self) -> list[str]:
        """The columns to read."""
        return list(self.buckets)

    def groups(self, chunk: pa.RecordBatch) -> tuple[list[str], np.ndarray]:
        """The names of the groups in a chunk, and (rows,) the place of each row's name among them."""
        codes, names = np.zeros(len(chunk), np.int64), [""]
        for column, bucket in self.buckets.items():
            values = _bucketed(chunk.column(column), bucket)
            encoded = values if pt.is_dictionary(values.type) else values.dictionary_encode()
            texts = [_text(value) for value in encoded.dictionary.to_pylist()] + ["null"]
            places = pc.fill_null(encoded.indices.cast(pa.int64()), len(texts) - 1).to_numpy(zero_copy_only=False)
            seen, codes = np.unique(codes * len(texts) + places, return_inverse=True)
            self.check(len(seen))
            names = [
                ", ".join(part for part in (names[code // len(texts)], f"{column}={texts[code % len(texts)]}") if part)
                for code in seen.tolist()
            ]
        return names, codes

    def check(self, count: int) -> None:
        """Refuse more groups than there may be.

        Raises:
            InvalidArgument: There are more.
        """
        if count > self.most:
            raise InvalidArgument(
                f"by={self.columns} makes at most {self.most:,} groups. Received: {count:,} or more. Group times by "
                "month, cut numbers into bins, or raise max_groups."
            )


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _bucketed(values: pa.Array, bucket: str | None) -> pa.Array:
    if bucket is None:
        return values
    if pt.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pt.is_date(values.type):
        values = values.cast(pa.timestamp("ms"))
    # few distinct starts: only these are written out as text
    starts = pc.floor_temporal(values, unit=bucket).dictionary_encode()
    return pa.DictionaryArray.from_arrays(starts.indices, pc.strftime(starts.dictionary, format=BUCKETS[bucket]))
