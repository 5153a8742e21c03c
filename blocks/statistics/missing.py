"""The share of missing rows in a column of any type."""

import dataclasses
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.statistics.canonical_types import canonical_type, is_text
from blocks.statistics.statistic import Statistic


@dataclasses.dataclass(frozen=True)
class MissingResult:
    """What `Missing` learned.

    Attributes:
        rows: Rows seen.
        missing: Rows with null, NaN, "" or b"".
        fraction: missing / rows; nan without rows.
    """

    rows: int
    missing: int
    fraction: float


class Missing(Statistic):
    """Counts rows and the missing ones among them: null, NaN, "" and b"". Weights do not matter to it.

    Takes every type; of a nested one (list, struct, map) the null rows are counted.

    Example:
        >>> missing = Missing()
        >>> missing.update(pa.array(["a", "", None, "b"]))
        >>> missing.result().fraction
        0.5
    """

    def __init__(self) -> None:
        self._rows = 0
        self._missing = 0

    def result(self) -> MissingResult:
        """Returns the counts of all rows seen so far."""
        fraction = self._missing / self._rows if self._rows else float("nan")
        return MissingResult(self._rows, self._missing, fraction)

    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        missing = _missing_rows(values)
        self._rows += len(values)
        self._missing += missing

    def _merge(self, other: Self) -> None:
        self._rows += other._rows
        self._missing += other._missing

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        return {"rows": self._rows, "missing": self._missing}, []

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._rows, self._missing = state["rows"], state["missing"]


def _missing_rows(values: pa.Array) -> int:
    if pa.types.is_dictionary(values.type):
        entries = np.asarray(is_missing(values.dictionary))
        if not entries.any():
            return values.indices.null_count
        return values.indices.null_count + int(np.count_nonzero(entries[values.indices.drop_null().to_numpy()]))
    return int(is_missing(values).true_count)


def is_missing(values: pa.Array) -> pa.Array:
    """Whether each value is missing: null, NaN, or text or bytes without a letter; booleans (rows,)."""
    if pa.types.is_dictionary(values.type):
        entries = np.append(np.asarray(is_missing(values.dictionary)), True)
        return pa.array(entries[values.indices.cast(pa.int64()).fill_null(len(entries) - 1).to_numpy()])
    target = canonical_type(values.type)
    if target is None or not is_text(target):
        return pc.is_null(values, nan_is_null=target is not None)
    if pa.types.is_string_view(values.type) or pa.types.is_binary_view(values.type):
        values = values.cast(target)
    return pc.fill_null(pc.equal(pc.binary_length(values), 0), True)
