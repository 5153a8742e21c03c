"""InputMatrices: rows or columns of a request as the matrices that `serve_packed` takes, every value checked.

A number takes any JSON number, true and false, and null, which is missing. An identifier takes whole numbers. A text
takes text, {"b64": ...} or null. A time takes whole microseconds since 1970 UTC, as the graph does, or ISO 8601 as
text, with a zone where the column has one. A column of lists takes a list of texts or whole numbers. A window takes a
list of numbers of its length.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from math import prod
from operator import itemgetter
from typing import Any, Final

import numpy as np

from blocks.data.raw_columns import LIST_SEPARATOR, MISSING_INT, RawColumn
from blocks.export.packed_columns import PackedColumns
from blocks.serving.request_error import SHOWN, RequestError, shown

NUMBERS: Final = {int, float}
NAN: Final = float("nan")
INT64: Final = range(-(2**63), 2**63)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class InputMatrices:
    """What requests for one model are made into.

    Args:
        raw: Every raw column of the model.
        packed: Their order in the matrices.
    """

    def __init__(self, raw: Mapping[str, RawColumn], packed: PackedColumns) -> None:
        self.raw = dict(raw)
        self._packed = packed
        self._scalars = {matrix: all(shape == () for shape in of.values()) for matrix, of in packed.columns.items()}
        self._names = {matrix: list(of) for matrix, of in packed.columns.items()}
        self._take = {matrix: _taker(names) for matrix, names in self._names.items()}
        # only texts of kind "string" enter as they are
        self._plain_text = all(raw[name].kind == "string" for name in self._names.get("strings", ()))
        self._identifiers = all(raw[name].kind == "int64" for name in self._names.get("integers", ()))

    def with_texts(self, names: Sequence[str]) -> "InputMatrices":
        """What takes columns of texts beside, one by one; of no name the same."""
        if not names:
            return self
        return InputMatrices({**self.raw, **dict.fromkeys(names, RawColumn("string"))}, self._packed)

    def of_rows(self, rows: Sequence[Any]) -> dict[str, np.ndarray]:
        """Rows by name, or bare values where the model has one column.

        Args:
            rows: Dicts of exactly the model's columns.

        Returns:
            Each matrix, (rows, width).

        Raises:
            RequestError: A column is missing or unknown, or a value does not fit.
        """
        if len(self.raw) == 1 and not any(isinstance(row, dict) and "b64" not in row for row in rows):
            only = next(iter(self.raw))
            rows = [{only: row} for row in rows]
        many = len(self.raw)
        for row in rows:
            if type(row) is not dict or len(row) != many:
                self._refuse_row(row)
        try:
            return {matrix: self._matrix(matrix, rows) for matrix in self._names}
        except KeyError:
            for row in rows:
                self._refuse_row(row)
            raise

    def of_columns(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Columns by name, a list of one value a row each; other keys are left alone.

        Raises:
            RequestError: A column is missing, or a value does not fit.
        """
        if missing := [name for name in self.raw if name not in columns]:
            raise RequestError(400, f"{_missing(missing)} Send a column that is missing as nulls.")
        lengths = {name: len(columns[name]) if isinstance(columns[name], list) else -1 for name in self.raw}
        if len(set(lengths.values())) != 1 or -1 in lengths.values():
            raise RequestError(
                400, f"Every column is a list of one value a row. Received: {shown(_rows_by_column(lengths))}."
            )
        count = next(iter(lengths.values()))
        if not count:
            raise RequestError(400, "A request holds at least one row. Received: none.")
        found = {}
        for matrix, of in self._packed.columns.items():
            parts = []
            for name, shape in of.items():
                values = [self.value(name, value) for value in columns[name]]
                parts.append(_array(matrix, values).reshape(count, prod(shape)))
            found[matrix] = np.concatenate(parts, axis=1)
        return found

    def _matrix(self, matrix: str, rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
        take = self._take[matrix]
        values = [take(row) for row in rows]
        if self._scalars[matrix]:
            if matrix == "numbers":
                if all(set(map(type, of_row)) <= NUMBERS for of_row in values):
                    try:
                        return np.array(values, np.float64)
                    except OverflowError:
                        pass  # a whole number beyond floats, which is named below
            elif matrix == "strings":
                if self._plain_text and all(set(map(type, of_row)) == {str} for of_row in values):
                    return _texts(values)
            elif self._identifiers and all(set(map(type, of_row)) == {int} for of_row in values):
                try:
                    return np.array(values, np.int64)
                except OverflowError:
                    pass
        names = self._names[matrix]
        converted = [[self.value(name, value) for name, value in zip(names, of_row, strict=True)] for of_row in values]
        if not self._scalars[matrix]:
            converted = [[item for value in of_row for item in _items(value)] for of_row in converted]
        return _array(matrix, converted).reshape(len(rows), self._packed.width(matrix))

    def value(self, name: str, value: Any) -> Any:
        """One value as it enters the graph; a list of them of a window.

        Raises:
            RequestError: It does not fit the column.
        """
        raw = self.raw[name]
        if raw.shape:
            return self._window(name, raw, value)
        return _scalar(name, raw, value)

    def scalar(self, name: str, value: Any) -> Any:
        """One value as it enters the graph; of a window, one of its values.

        Raises:
            RequestError: It does not fit the column.
        """
        return _scalar(name, self.raw[name], value)

    def _window(self, name: str, raw: RawColumn, value: Any) -> list[Any]:
        size = prod(raw.shape)
        if value is None:
            return [_scalar(name, raw, None)] * size
        if not isinstance(value, list) or len(value) != raw.shape[0]:
            raise RequestError(
                400, f"Column {name!r} takes a list of {raw.shape[0]} values, or null. Received: {shown(value)}."
            )
        flat = value
        for size in raw.shape[1:]:
            if any(not isinstance(inner, list) or len(inner) != size for inner in flat):
                raise RequestError(400, f"Column {name!r} takes lists of shape {raw.shape}. Received another.")
            flat = [item for inner in flat for item in inner]
        return [_scalar(name, raw, item) for item in flat]

    def _refuse_row(self, row: Any) -> None:
        if type(row) is not dict:
            raise RequestError(
                400, f"A row is an object of the columns' names and values. Received: {shown(row)}. "
                f"The columns: {_listed(list(self.raw))}."
            )  # fmt: skip
        if missing := [name for name in self.raw if name not in row]:
            raise RequestError(400, f"{_missing(missing)} Send a value that is missing as null.")
        if extra := [name for name in row if name not in self.raw]:
            raise RequestError(
                400, f"A row holds exactly the model's columns. Received also: {_listed(extra)}. Leave them out."
            )


def _taker(names: Sequence[str]) -> Any:
    """The values of a row's columns, as a tuple."""
    if len(names) > 1:
        return itemgetter(*names)
    only = names[0]
    return lambda row: (row[only],)


def _scalar(name: str, raw: RawColumn, value: Any) -> Any:
    kind = type(value)
    if raw.dtype == "string":
        return _text(name, raw, value)
    if raw.dtype == "int64":
        if value is None:
            return MISSING_INT
        if kind is int or (kind is bool and raw.kind == "int64"):
            if value not in INT64:
                raise RequestError(400, f"Column {name!r} takes whole numbers within int64. Received: {shown(value)}.")
            return int(value)
        if kind is str and raw.is_time:
            return _microseconds(name, raw, value)
        what = "whole microseconds, or a time as text (ISO 8601)," if raw.is_time else "whole numbers,"
        raise RequestError(400, f"Column {name!r} takes {what} or null. Received: {shown(value)}.")
    if value is None:
        return NAN
    if kind is float or kind is int or kind is bool:
        try:
            return float(value)
        except OverflowError:
            pass
    raise RequestError(400, f"Column {name!r} takes numbers, or null. Received: {shown(value)}.")


def _text(name: str, raw: RawColumn, value: Any) -> str | bytes:
    if value is None:
        return ""
    if type(value) is str:
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise RequestError(400, f"Column {name!r} takes text. Received: a half of a surrogate pair.") from None
    if type(value) is dict and set(value) == {"b64"} and type(value["b64"]) is str:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError):
            raise RequestError(400, f"Column {name!r}: 'b64' holds no base64.") from None
    if raw.kind == "list" and type(value) is list and all(type(item) in (str, int) for item in value):
        items = [str(item) for item in value]
        if any(LIST_SEPARATOR in item for item in items):
            raise RequestError(400, f"The items of column {name!r} hold no unit separator ({LIST_SEPARATOR!r}).")
        return _text(name, raw, "".join(LIST_SEPARATOR + item for item in items) or LIST_SEPARATOR)
    also = ", a list of texts" if raw.kind == "list" else ""
    raise RequestError(400, f'Column {name!r} takes text, {{"b64": ...}}{also} or null. Received: {shown(value)}.')


def _microseconds(name: str, raw: RawColumn, text: str) -> int:
    try:
        if raw.kind == "time":
            found = time.fromisoformat(text)
            if found.tzinfo is not None:
                raise ValueError
            return ((found.hour * 60 + found.minute) * 60 + found.second) * 1_000_000 + found.microsecond
        if raw.kind == "duration":
            raise ValueError
        moment = datetime.fromisoformat(text)
    except ValueError:
        form = {"time": "a time of day (12:30:00)", "duration": "whole microseconds"}.get(raw.kind, "ISO 8601")
        raise RequestError(400, f"Column {name!r} takes times as {form}. Received: {shown(text)}.") from None
    if raw.kind == "timestamp" and moment.tzinfo is not None:
        raise RequestError(400, f"Column {name!r} takes times without a zone. Received: {shown(text)}.")
    if raw.kind == "timestamp_utc" and moment.tzinfo is None:
        raise RequestError(400, f"Column {name!r} takes times with a zone (+00:00, Z). Received: {shown(text)}.")
    apart = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - _EPOCH
    return (apart.days * 86_400 + apart.seconds) * 1_000_000 + apart.microseconds


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _array(matrix: str, values: list[Any]) -> np.ndarray:
    if matrix == "strings":
        return _texts(values)
    return np.array(values, np.float64 if matrix == "numbers" else np.int64)


def _texts(values: Sequence[Any]) -> np.ndarray:
    return np.array(values, object)


def _missing(names: Sequence[str]) -> str:
    return f"Missing: {_listed(names)}."


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(repr(name[:SHOWN]) for name in list(names)[:10])
    return first + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _rows_by_column(lengths: Mapping[str, int]) -> dict[str, Any]:
    return {name: length if length >= 0 else "no list" for name, length in list(lengths.items())[:10]}
