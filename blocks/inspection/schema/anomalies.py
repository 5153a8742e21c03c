"""Anomalies: the rows of one column against what is expected of it, chunk by chunk, counted exactly.

Their names are those of TensorFlow Data Validation (`tensorflow_metadata.proto.v0.anomalies`). Only counts, a few
examples and the extremes are held, whatever the number of rows; bad rows raise nothing.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.inspection.column_kinds import fits, kind_of
from blocks.inspection.column_statistics import items
from blocks.inspection.schema.column_schema import ColumnSchema
from blocks.statistics import Counts
from blocks.statistics.tokens import encoded

_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"

Examples = Callable[[np.ndarray], list[str]]
"""From positions within the chunk to what rows are called."""


@dataclasses.dataclass
class Anomaly:
    """One kind of anomaly of one column: of how many rows, and the first of them."""

    kind: str
    expected: str
    found: str = ""
    rows: int = 0
    examples: list[str] = dataclasses.field(default_factory=list)

    def add(self, rows: np.ndarray, named: Examples, most: int) -> None:
        """Count a chunk's rows.

        Args:
            rows: (rows,) bool, whether each is one.
            named: What rows are called.
            most: Examples kept.
        """
        at = np.flatnonzero(rows)
        self.rows += len(at)
        if len(at) and len(self.examples) < most:
            self.examples += named(at[: most - len(self.examples)])


class ColumnValidator:
    """The anomalies of one column.

    Args:
        expected: What is expected; None for a column that the schema does not have.
        type: The Arrow type that it has.
        examples: How many are kept of each anomaly.
    """

    def __init__(self, expected: ColumnSchema | None, type: pa.DataType, examples: int) -> None:
        self._expected, self._most = expected or ColumnSchema("unknown"), examples
        self._found = kind_of(type)
        self._new = Anomaly("SCHEMA_NEW_COLUMN", "no such column", str(self._found)) if expected is None else None
        self._other_type = not fits(self._expected.holds, self._found)
        self._present = 0
        self._rows = 0
        self._anomalies: dict[str, Anomaly] = {}
        self._low, self._high = math.inf, -math.inf
        self._shortest, self._longest = math.inf, 0
        self._tokens = Counts(1 << 20)
        self._values = 0
        self._no_numbers = Anomaly("", "")

    def update(self, column: pa.Array, named: Examples) -> None:
        """Add the column's rows of one chunk."""
        present = _present(column)
        self._rows += len(column)
        self._present += int(present.sum())
        if self._new is not None:
            self._new.add(present, named, self._most)
            return
        if self._expected.min_fraction:
            self._add("FEATURE_TYPE_LOW_FRACTION_PRESENT", f"{self._expected.min_fraction:.4g}", ~present, named)
        if self._other_type:
            self._add_other_type(column, present, named)
        else:
            self._update_values(column, named)

    def anomalies(self) -> list[Anomaly]:
        """Those that the rows so far add up to."""
        if self._new is not None:
            self._new.rows, self._new.found = self._rows, str(self._found)
            return [self._new]
        found = [one for one in self._anomalies.values() if one.rows and self._speaks(one)]
        for one in found:
            one.found = self._words(one)
            if one.kind == "UNEXPECTED_DATA_TYPE":
                one.examples = self._no_numbers.examples or one.examples
        return found

    def _speaks(self, one: Anomaly) -> bool:
        """Whether an anomaly that some rows may have is one of more than that."""
        if one.kind == "FEATURE_TYPE_LOW_FRACTION_PRESENT":
            return self._present / self._rows < self._expected.min_fraction
        if one.kind == "ENUM_TYPE_UNEXPECTED_STRING_VALUES":
            inside = self._values - self._tokens.result().total
            return inside / self._values < self._expected.min_domain_mass
        return True

    def _words(self, one: Anomaly) -> str:
        """What was found, in words."""
        if one.kind == "FEATURE_TYPE_LOW_FRACTION_PRESENT":
            return f"{self._present / self._rows:.4g}"
        if one.kind == "ENUM_TYPE_UNEXPECTED_STRING_VALUES":
            return self._strange_tokens()
        if one.kind == "UNEXPECTED_DATA_TYPE":
            return str(self._found) + (f", no number: {self._strange_tokens()}" if self._no_numbers.rows else "")
        extremes: dict[str, float] = {
            "SMALL_INT": self._low,
            "SMALL_FLOAT": self._low,
            "BIG_INT": self._high,
            "BIG_FLOAT": self._high,
            "LOW_NUMBER_VALUES": self._shortest,
            "HIGH_NUMBER_VALUES": self._longest,
        }
        return next((f"{value:,}" for end, value in extremes.items() if one.kind.endswith(end)), "infinite")

    def _strange_tokens(self) -> str:
        """The most frequent of the texts that should not be there."""
        tokens = self._tokens.result()
        first = zip(tokens.values[:5].to_pylist(), tokens.counts[:5].tolist(), strict=True)
        shown = ", ".join(f"{_short(token)} ({count:,})" for token, count in first)
        return shown + (f" and {tokens.distinct - 5:,} more" if tokens.distinct > 5 else "")

    def _add_other_type(self, column: pa.Array, present: np.ndarray, named: Examples) -> None:
        """Count rows of another type; of text in the place of numbers, that is which texts are none."""
        self._add("UNEXPECTED_DATA_TYPE", str(self._expected.holds), present, named)
        if self._expected.kind not in ("integer", "number") or self._found != ("text", False):
            return
        coded = encoded(column)
        number = pc.match_substring_regex(coded.dictionary, _NUMBER)
        strange = np.asarray(pc.fill_null(pc.invert(number).take(coded.indices), False)) & present
        if strange.any():
            self._tokens.update(coded.filter(pa.array(strange)))
            self._no_numbers.add(strange, named, self._most)

    def _add(self, kind: str, expected: str, rows: np.ndarray, named: Examples) -> None:
        self._anomalies.setdefault(kind, Anomaly(kind, expected)).add(rows, named, self._most)

    def _update_values(self, column: pa.Array, named: Examples) -> None:
        expected = self._expected
        values, parents = items(column), None
        if self._found.is_list:
            parents = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
            self._update_lengths(pc.list_value_length(column), named)
        rows = _of_rows(parents, len(column))
        if expected.kind in ("integer", "number") and self._found.kind in ("integer", "number"):
            self._update_numbers(values, rows, named)
        if expected.domain is not None and self._found.kind in ("text", "bytes"):
            outside, counted = self._outside_domain(values)
            self._values += counted
            self._add("ENUM_TYPE_UNEXPECTED_STRING_VALUES", expected.values(), rows(outside), named)

    def _update_lengths(self, lengths: pa.Array, named: Examples) -> None:
        least, most = self._expected.min_values, self._expected.max_values
        counts = pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False)
        there = np.asarray(lengths.is_valid())
        if there.any():
            self._shortest = min(self._shortest, int(counts[there].min()))
            self._longest = max(self._longest, int(counts[there].max()))
        if least is not None:
            self._add("FEATURE_TYPE_LOW_NUMBER_VALUES", f"{least} at least", there & (counts < least), named)
        if most is not None:
            self._add("FEATURE_TYPE_HIGH_NUMBER_VALUES", f"{most} at most", there & (counts > most), named)

    def _update_numbers(self, values: pa.Array, rows: Callable[[np.ndarray], np.ndarray], named: Examples) -> None:
        expected, name = self._expected, "INT" if self._expected.kind == "integer" else "FLOAT"
        if pt.is_dictionary(values.type):
            values = values.dictionary_decode()
        if not pt.is_integer(values.type):
            values = values.cast(pa.float64(), safe=False)
            numbers = values.to_numpy(zero_copy_only=False)
            infinite = np.isinf(numbers)
            if expected.kind == "integer":
                broken = infinite | (np.isfinite(numbers) & (numbers != np.trunc(numbers)))
                self._add("UNEXPECTED_DATA_TYPE", str(expected.holds), rows(broken), named)
            elif not expected.allow_infinite:
                self._add("FLOAT_TYPE_HAS_INF", "finite", rows(infinite), named)
            values = pa.array(np.where(infinite, np.nan, numbers))
        for end, low, high in (("SMALL", expected.min, None), ("BIG", None, expected.max)):
            bound = low if high is None else high
            if bound is None:
                continue
            outside = _outside(values, low, high)
            if outside.any():
                ends = pc.min_max(values.filter(pa.array(outside)))
                self._low, self._high = min(self._low, ends["min"].as_py()), max(self._high, ends["max"].as_py())
            words = f"{bound:,} at {'least' if end == 'SMALL' else 'most'}"
            self._add(f"{name}_TYPE_{end}_{name}", words, rows(outside), named)

    def _outside_domain(self, values: pa.Array) -> tuple[np.ndarray, int]:
        """Which values are texts beyond the domain, and how many texts there are."""
        if not len(values):
            return np.zeros(0, bool), 0
        coded = encoded(values)
        tokens = coded.dictionary.cast(pa.large_binary())
        known = pa.array([token.encode("utf-8", "surrogatepass") for token in self._expected.domain or ()], tokens.type)
        empty = pc.fill_null(pc.equal(pc.binary_length(tokens), 0), True)
        strange = pc.and_not(pc.invert(pc.is_in(tokens, known)), empty)
        outside = np.asarray(pc.fill_null(strange.take(coded.indices), False))
        there = np.asarray(pc.fill_null(pc.invert(empty).take(coded.indices), False))
        if outside.any():
            self._tokens.update(coded.filter(pa.array(outside)))
        return outside, int(there.sum())


def missing_column(expected: ColumnSchema, rows: int) -> Anomaly:
    """The anomaly of a column that should be there."""
    return Anomaly("SCHEMA_MISSING_COLUMN", str(expected.holds), "no such column", rows)


def _present(column: pa.Array) -> np.ndarray:
    """Which rows have a value: not null, NaN, "" or b""."""
    holds = kind_of(column.type)
    if holds.is_list or holds.kind in ("nested", "unknown"):
        return np.asarray(column.is_valid())
    if pt.is_dictionary(column.type):
        entries = _present(column.dictionary)
        return np.asarray(pc.fill_null(pa.array(entries).take(column.indices), False))
    if holds.kind in ("text", "bytes"):
        return np.asarray(pc.fill_null(pc.greater(pc.binary_length(column), 0), False))
    return np.asarray(pc.invert(pc.is_null(column, nan_is_null=pt.is_floating(column.type))))


def _of_rows(parents: np.ndarray | None, rows: int) -> Callable[[np.ndarray], np.ndarray]:
    """From which values are meant, to which rows hold one."""

    def of_rows(values: np.ndarray) -> np.ndarray:
        if parents is None:
            return values
        found = np.zeros(rows, bool)
        found[parents[values]] = True
        return found

    return of_rows


def _outside(values: pa.Array, low: Any, high: Any) -> np.ndarray:
    """Which numbers lie below the one or above the other; integers are compared as such."""
    bound, compare = (low, pc.less) if high is None else (high, pc.greater)
    if pt.is_integer(values.type):
        ends = np.iinfo(values.type.to_pandas_dtype())
        bound = math.ceil(bound) if high is None else math.floor(bound)
        if not ends.min <= bound <= ends.max:
            every = (bound > ends.max) if high is None else (bound < ends.min)
            return np.asarray(values.is_valid()) & every
        bound = pa.scalar(bound, values.type)
    else:
        bound = pa.scalar(float(bound), pa.float64())
    return np.asarray(pc.fill_null(compare(values, bound), False))


def _short(token: Any) -> str:
    text = repr(token)
    return text if len(text) <= 40 else text[:39] + "…"
