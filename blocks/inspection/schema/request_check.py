"""Requests against a schema: the rows of one request, in memory, in microseconds a column; counted by column.

For servers: a schema that a model's export carries is enough, no part of the model is loaded. Whole tables are checked
by `Schema.validate`, whose words for what is wrong these are.
"""

import dataclasses
import math
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from blocks.data.raw_columns import LIST_SEPARATOR, MISSING_INT
from blocks.errors import InvalidArgument
from blocks.inspection.column_kinds import fits, kind_of
from blocks.inspection.schema.column_schema import ColumnSchema
from blocks.inspection.schema.table_schema import Schema

SCHEMA_FILE = "schema.json"
EXPORTED = f"assets.extra/blocks/{SCHEMA_FILE}"
"""Where an export carries its schema."""

MISSING = "MISSING_VALUE"
_WRONG = "UNEXPECTED_DATA_TYPE"
_STRANGE = "ENUM_TYPE_UNEXPECTED_STRING_VALUES"
_OF_DTYPES = {
    "f": ("number", "integer", "boolean", "timestamp", "date", "timestamp with zone", "time of day", "duration"),
    "b": ("boolean", "number", "integer"),
    "M": ("date", "timestamp", "timestamp with zone"),
    "m": ("duration", "time of day"),
    "S": ("text", "bytes"),
    "U": ("text", "bytes"),
    "O": ("text", "bytes"),
}
"""Kinds of values that an array may hold, by its dtype; times come as whole numbers too."""


@dataclasses.dataclass(frozen=True)
class RequestAnomaly:
    """Values of a request that are not as expected.

    Attributes:
        column: Its name.
        kind: TensorFlow Data Validation's name: "UNEXPECTED_DATA_TYPE", "ENUM_TYPE_UNEXPECTED_STRING_VALUES",
            "INT_TYPE_SMALL_INT", "INT_TYPE_BIG_INT", "FLOAT_TYPE_SMALL_FLOAT", "FLOAT_TYPE_BIG_FLOAT",
            "FLOAT_TYPE_HAS_INF", "SCHEMA_MISSING_COLUMN"; "MISSING_VALUE" where there is always one.
        rows: How many of the request's rows.
    """

    column: str
    kind: str
    rows: int


class RequestCheck:
    """Holds requests against a schema, and counts what is found.

    What a schema allows now and then, in columns of missing values or of strange texts, is counted and is no finding.
    Safe to be called by several threads.

    Args:
        schema: What is expected.
        columns: Those that a request has; all of the schema that may not be absent unless given.

    Example:
        >>> schema = Schema.infer({"age": [31, 45, 23, 60, 18], "city": ["rome"] * 5})
        >>> check = RequestCheck(schema)
        >>> check({"age": np.array([30.0]), "city": np.array(["rome"])})
        []
        >>> check({"age": np.array([4500.0]), "city": np.array(["oslo"], object)})  # doctest: +NORMALIZE_WHITESPACE
        [RequestAnomaly(column='age', kind='INT_TYPE_BIG_INT', rows=1),
         RequestAnomaly(column='city', kind='ENUM_TYPE_UNEXPECTED_STRING_VALUES', rows=1)]
        >>> check.rows, check.counters["age"]
        (2, {'INT_TYPE_BIG_INT': 1})
    """

    def __init__(self, schema: Schema, columns: Sequence[str] | None = None) -> None:
        wanted = [name for name, column in schema.items() if column.min_fraction] if columns is None else columns
        for name in schema:
            schema[name].require_sense(name)
        self._schema = {name: dataclasses.replace(column) for name, column in schema.items()}
        self._wanted, self._places = frozenset(wanted), {name: place for place, name in enumerate(schema)}
        self._ends: dict[tuple[str, ...], _Ends] = {}
        self._domains = {name: _Domain(c.domain) for name, c in schema.items() if c.domain is not None}
        self._counts: dict[str, Counter[str]] = {}
        self._rows = 0
        self._lock = threading.Lock()

    @classmethod
    def of_export(cls, path: str | os.PathLike[str]) -> Self:
        """By the schema that an export carries.

        Args:
            path: The folder of the exported SavedModel.

        Raises:
            InvalidArgument: It carries none.
            MalformedData: It is damaged.
        """
        file = Path(path) / EXPORTED
        if not file.exists():
            raise InvalidArgument(
                f"Requests are checked against the schema that an export carries. Received: '{os.fspath(path)}', which "
                "has none: its model was adapted by an older blocks, or model.schema was None. Set model.schema = "
                "blocks.Schema.infer(rows) and export it again."
            )
        return cls(Schema.load(file))

    @property
    def rows(self) -> int:
        """Rows checked so far."""
        return self._rows

    @property
    def counters(self) -> dict[str, dict[str, int]]:
        """By column, the rows of each kind so far."""
        with self._lock:
            return {name: dict(counts) for name, counts in self._counts.items()}

    def __call__(
        self, request: Mapping[str, Any] | pa.RecordBatch | pa.Table, *, count: bool = True
    ) -> list[RequestAnomaly]:
        """What of a request is not as expected; columns that the schema does not have are none of its business.

        Args:
            request: A dict of arrays, (rows,) each, or (rows, values) of lists; or an Arrow batch. Numbers are missing
                as NaN, texts as "" or None; times may be int64 microseconds.
            count: Whether it is counted; a request that was part of one before is not.
        """
        arrow = None if isinstance(request, Mapping) else request
        names: Any = request.keys() if isinstance(request, Mapping) else set(request.schema.names)
        found: list[RequestAnomaly] = []
        counted: list[tuple[str, str, int]] = []
        rows = 0 if arrow is None else len(arrow)
        numbers: dict[str, np.ndarray] = {}
        absent: list[str] = []
        for name, expected in self._schema.items():
            if name not in names:
                if name in self._wanted and expected.min_fraction:
                    absent.append(name)
                continue
            if arrow is not None:
                column = arrow.column(name)
                if not fits(expected.holds, kind_of(column.type)):
                    found.append(RequestAnomaly(name, _WRONG, len(column)))
                    continue
                values = _as_numpy(column)
            else:
                values = np.atleast_1d(np.asarray(request[name]))
                rows = max(rows, len(values))
            if expected.kind in ("integer", "number") and values.ndim == 1 and values.dtype.kind in "fiub":
                numbers[name] = values.astype(np.uint8) if values.dtype.kind == "b" else values
            else:
                self._others(name, expected, values, found, counted)
        self._numbers(numbers, found, counted)
        found += [RequestAnomaly(name, "SCHEMA_MISSING_COLUMN", rows) for name in absent]
        if count:
            self._add(rows, found, counted)
        return sorted(found, key=lambda one: self._places[one.column])

    def _add(self, rows: int, found: Sequence[RequestAnomaly], counted: Sequence[tuple[str, str, int]]) -> None:
        with self._lock:
            self._rows += rows
            for name, kind, number in [*counted, *((one.column, one.kind, one.rows) for one in found)]:
                self._counts.setdefault(name, Counter())[kind] += number

    def _numbers(
        self, columns: Mapping[str, np.ndarray], found: list[RequestAnomaly], counted: list[tuple[str, str, int]]
    ) -> None:
        """All columns of numbers of one length and dtype at once: most requests are of few rows and many columns."""
        alike: dict[tuple[str, int], list[str]] = {}
        for name, values in columns.items():
            alike.setdefault((values.dtype.str, len(values)), []).append(name)
        for (dtype, _), names in alike.items():
            ends = self._ends.setdefault((dtype, *names), _Ends([self._schema[name] for name in names], dtype))
            values = np.stack([columns[name] for name in names])
            floats = values.dtype.kind == "f"
            missing = np.isnan(values) if floats else values == MISSING_INT
            infinite = np.isinf(values) if floats else np.zeros(values.shape, bool)
            small, big = values < ends.low, values > ends.high
            odd = missing | infinite | small | big
            if floats and ends.whole.any():
                odd |= ends.whole & (values != np.trunc(values))
            for at in np.flatnonzero(odd.any(axis=1)).tolist():
                name = names[at]
                masks = _of_numbers(self._schema[name], values[at], ends.low[at, 0], ends.high[at, 0])
                self._tell(name, ((kind, int(np.count_nonzero(mask))) for kind, mask in masks), found, counted)

    def _others(
        self,
        name: str,
        expected: ColumnSchema,
        values: np.ndarray,
        found: list[RequestAnomaly],
        counted: list[tuple[str, str, int]],
    ) -> None:
        """A column of anything but numbers, or of lists."""
        if expected.is_list and (values.ndim > 1 or _holds_lists(values)):
            rows = [None if row is None else np.asarray(row).reshape(-1) for row in values]
            self._tell(name, self._of_lists(name, expected, rows), found, counted)
        elif not _may_hold(expected, values):
            found.append(RequestAnomaly(name, _WRONG, len(values)))
        else:
            masks = self._of_texts(name, expected, values) if values.dtype.kind in "OSU" else _of_times(values)
            self._tell(name, ((kind, int(np.count_nonzero(mask))) for kind, mask in masks), found, counted)

    def _of_texts(self, name: str, expected: ColumnSchema, values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Which texts are wrong, missing or strange; lists in their raw form are texts too."""
        texts, domain = values.tolist(), self._domains.get(name)
        gone = np.zeros(len(texts), bool)
        if not set(map(type, texts)) <= {str, bytes} or "" in texts or b"" in texts:
            gone = np.array([value is None or value in ("", b"") or value != value for value in texts], bool)
            if expected.kind in ("text", "bytes"):
                odd = np.array([not isinstance(value, str | bytes) for value in texts], bool)
                yield _WRONG, odd & ~gone
        yield MISSING, gone
        if domain is not None:
            yield _STRANGE, domain.outside(texts, expected.is_list) & ~gone

    def _of_lists(
        self, name: str, expected: ColumnSchema, rows: Sequence[np.ndarray | None]
    ) -> Iterator[tuple[str, int]]:
        """In how many rows the list is missing, too short or long, or a value is not as expected."""
        there = [row for row in rows if row is not None]
        lengths = np.array([len(row) for row in there])
        yield MISSING, len(rows) - len(there)
        yield "FEATURE_TYPE_LOW_NUMBER_VALUES", int((lengths < (expected.min_values or 0)).sum())
        most = math.inf if expected.max_values is None else expected.max_values
        yield "FEATURE_TYPE_HIGH_NUMBER_VALUES", int((lengths > most).sum())
        if not lengths.any():
            return
        values, parents = np.concatenate([row for row in there if len(row)]), np.repeat(np.arange(len(there)), lengths)
        alone = dataclasses.replace(expected, is_list=False, min_values=None, max_values=None)
        masks: Iterable[tuple[str, np.ndarray]] = ()
        if not _may_hold(alone, values):
            masks = [(_WRONG, np.ones(len(values), bool))]
        elif expected.kind in ("integer", "number") and values.dtype.kind in "fiu":
            ends = _Ends([alone], values.dtype.str)
            masks = _of_numbers(alone, values, ends.low[0, 0], ends.high[0, 0])
        elif values.dtype.kind in "OSU":
            masks = self._of_texts(name, alone, values)
        for kind, mask in masks:
            if kind != MISSING:
                yield kind, len(np.unique(parents[mask]))

    def _tell(
        self,
        name: str,
        kinds: Iterable[tuple[str, int]],
        found: list[RequestAnomaly],
        counted: list[tuple[str, str, int]],
    ) -> None:
        """What is now and then allowed is counted alone."""
        expected = self._schema[name]
        allowed = {MISSING: expected.min_fraction < 1, _STRANGE: expected.min_domain_mass < 1}
        for kind, rows in kinds:
            if rows and allowed.get(kind, False):
                counted.append((name, kind, rows))
            elif rows:
                found.append(RequestAnomaly(name, kind, rows))


def _of_numbers(expected: ColumnSchema, values: np.ndarray, low: Any, high: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Which of a column's numbers are missing, wrong, infinite, too small or too large."""
    floats, word = values.dtype.kind == "f", "INT" if expected.kind == "integer" else "FLOAT"
    missing = np.isnan(values) if floats else values == MISSING_INT
    infinite = np.isinf(values) if floats else np.zeros(values.shape, bool)
    gone = missing | infinite
    yield MISSING, missing
    if expected.kind == "integer" and floats:
        yield _WRONG, infinite | (~gone & (values != np.trunc(values)))
    elif not expected.allow_infinite:
        yield "FLOAT_TYPE_HAS_INF", infinite
    yield f"{word}_TYPE_SMALL_{word}", (values < low) & ~gone
    yield f"{word}_TYPE_BIG_{word}", (values > high) & ~gone


def _of_times(values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Which times, or booleans, are missing."""
    yield MISSING, values == MISSING_INT if values.dtype.kind in "iu" else values != values  # as NaT and NaN are


class _Domain:
    """Texts that are expected, as text and as bytes.

    Args:
        tokens: The texts.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self._known = frozenset([*tokens, *(token.encode("utf-8", "surrogatepass") for token in tokens)])

    def outside(self, texts: Sequence[Any], lists: bool) -> np.ndarray:
        """Which texts are others, (rows,); of lists in their raw form, which hold one."""
        if lists:
            return np.array([not self._known.issuperset(_items(text)) for text in texts], bool)
        if self._known.issuperset(set(texts)):
            return np.zeros(len(texts), bool)
        return np.array([text not in self._known for text in texts], bool)


def _items(text: Any) -> Sequence[Any]:
    if text is None:
        return ()
    separator: Any = LIST_SEPARATOR if isinstance(text, str) else LIST_SEPARATOR.encode()
    return [item for item in text.split(separator) if item]


class _Ends:
    """The least and largest number of some columns, as they are compared exactly with an array of theirs.

    Args:
        expected: Of each column.
        dtype: The array's.
    """

    def __init__(self, expected: Sequence[ColumnSchema], dtype: str) -> None:
        self.whole = np.array([[column.kind == "integer"] for column in expected])
        least, most = [column.min for column in expected], [column.max for column in expected]
        low: list[float] = [-math.inf if one is None else one for one in least]
        high: list[float] = [math.inf if one is None else one for one in most]
        kind = np.dtype(dtype)
        if kind.kind in "iu":
            ends = np.iinfo(kind)
            low = [ends.min if one < ends.min else min(math.ceil(one), ends.max) for one in low]
            high = [ends.max if one > ends.max else max(math.floor(one), ends.min) for one in high]
        self.low = np.array(low, kind if kind.kind in "iu" else np.float64)[:, None]
        self.high = np.array(high, self.low.dtype)[:, None]


def _may_hold(expected: ColumnSchema, values: np.ndarray) -> bool:
    """Whether an array may hold values of a kind, as far as its dtype says; lists have a raw form as text."""
    if expected.kind in ("unknown", "nested"):
        return True
    kind = values.dtype.kind
    if expected.is_list:
        return kind in "OSU"
    if kind in "iu":
        return expected.kind not in ("text", "bytes")
    if kind == "O" and expected.kind not in ("text", "bytes"):
        return all(value is None or not isinstance(value, str | bytes) for value in values.tolist())
    return expected.kind in _OF_DTYPES.get(kind, ())


def _holds_lists(values: np.ndarray) -> bool:
    first = next((value for value in values if value is not None), None)
    return isinstance(first, list | tuple | np.ndarray)


def _as_numpy(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """An Arrow column as the array that a request would hold of it."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pt.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pt.is_decimal(column.type):
        column = column.cast(pa.float64(), safe=False)
    if pt.is_time(column.type):
        column = column.cast(pa.int64() if pt.is_time64(column.type) else pa.int32())
    return np.asarray(column.to_numpy(zero_copy_only=False))
