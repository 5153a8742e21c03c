"""Drift reference: what a model keeps of the rows that it learned from, and of its answers, for `drift`; and its bytes.

statistics' container (magic, JSON header, raw parts, checksum); each column's numbers stand in the header, edges and
tokens in parts.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pyarrow as pa

from blocks.errors import MalformedData
from blocks.inspection.column_kinds import TYPES, Holds
from blocks.inspection.column_statistics import LENGTHS, ROWS
from blocks.inspection.drift.column_reference import FrequentTokens, RanksAt, moments_of, reduced, reduced_distributions
from blocks.inspection.observed_columns import LENGTHS_QUANTILES, Distributions, ObservedColumns
from blocks.statistics import MissingResult
from blocks.statistics.serialization import array_from_bytes, array_to_bytes, pack, unpack

_CLASS = "DriftReference"
_MOMENTS = ("moments", LENGTHS)
_RANKS = ("quantiles", LENGTHS_QUANTILES)


@dataclasses.dataclass(frozen=True)
class KeptColumn:
    """What is kept of a column.

    Attributes:
        holds: What its values are.
        results: Of its statistics, by name, as `reduced` gives them.
    """

    holds: Holds
    results: Mapping[str, Any]


class DriftReference:
    """What drift is told from: of columns, and of a model's answers.

    Args:
        columns: By name.
        optional: Columns that rows may lack: targets.
        answers: By name; of rows that the model was not trained on.
        answered_by: A digest of the model that gave the answers.
    """

    def __init__(
        self,
        columns: Mapping[str, KeptColumn],
        optional: tuple[str, ...] = (),
        answers: Mapping[str, KeptColumn] | None = None,
        answered_by: str = "",
    ) -> None:
        self._columns, self.optional = dict(columns), optional
        self.answers, self.answered_by = dict(answers or {}), answered_by
        self._pending: Distributions | None = None

    @classmethod
    def of(cls, observed: ObservedColumns, optional: tuple[str, ...] = ()) -> Self:
        """What is kept of columns that were observed; distributions are made when they are asked for."""
        results = observed.results()
        made = cls({n: KeptColumn(h, reduced(h, results[n])) for n, h in observed.holds.items()}, optional)
        made._pending = observed.distributions()
        return made

    @property
    def columns(self) -> dict[str, KeptColumn]:
        """What is kept of the columns, by name."""
        if self._pending is not None:
            for name, kept in self._columns.items():
                ranks = reduced_distributions(self._pending.of(name))
                self._columns[name] = KeptColumn(kept.holds, {**kept.results, **ranks})
            self._pending = None
        return self._columns

    def with_answers(self, answers: Mapping[str, KeptColumn], answered_by: str) -> "DriftReference":
        """The same, with what is kept of answers."""
        return DriftReference(self.columns, self.optional, answers, answered_by)

    def __repr__(self) -> str:
        answers = f", {len(self.answers)} answers" if self.answers else ""
        return f"<DriftReference of {len(self._columns)} columns{answers}>"

    def to_bytes(self) -> bytes:
        """The reference as a file holds it; about 5 kB a column of numbers, less one of few texts."""
        parts: list[bytes] = []
        header = {
            "class": _CLASS,
            "columns": [[name, _header(kept, parts)] for name, kept in self.columns.items()],
            "optional": list(self.optional),
            "answers": [[name, _header(kept, parts)] for name, kept in self.answers.items()],
            "answered_by": self.answered_by,
        }
        return pack(header, parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            MalformedData: The bytes are damaged, or hold something else.
            NewerFormat: A newer blocks wrote them.
        """
        header, parts = unpack(data)
        if header.get("class") != _CLASS:
            raise MalformedData(f"The bytes must hold a {_CLASS}. Received: {header.get('class')!r}. Save them again.")
        try:
            columns, answers = (
                {name: _column(one, parts) for name, one in header[key]} for key in ("columns", "answers")
            )
            return cls(columns, tuple(map(str, header["optional"])), answers, str(header["answered_by"]))
        except (LookupError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
            raise MalformedData(
                f"The bytes must hold a {_CLASS}. Received: some that fail with {error!r}. Save them again."
            ) from error


def _header(kept: KeptColumn, parts: list[bytes]) -> dict[str, Any]:
    """A column's numbers; arrays go to the parts, and are told by their places there."""
    results = kept.results
    missing = results[ROWS]
    made: dict[str, Any] = {"holds": list(kept.holds), ROWS: [missing.rows, missing.missing]}
    for key in _MOMENTS:
        if (one := results.get(key)) is not None:
            infinite = [one.negative_infinite, one.positive_infinite]
            made[key] = [one.rows, one.count, float(one.mean).hex(), float(one.m2).hex(), infinite]
    for key in _RANKS:
        if (ranks := results.get(key)) is not None:
            made[key] = [ranks.count, len(parts)]
            parts += [ranks.edges.astype("<f8").tobytes(), ranks.at_most.astype("<i8").tobytes()]
    if (tokens := results.get("tokens")) is not None:
        counts = [tokens.rows, tokens.missing, tokens.total, tokens.error, tokens.least, tokens.unlisted]
        made["tokens"] = [counts, len(parts)]
        parts += [array_to_bytes(tokens.values), tokens.counts.astype("<i8").tobytes()]
    return made


def _column(header: Mapping[str, Any], parts: list[bytes]) -> KeptColumn:
    kind, is_list = header["holds"]
    if kind not in TYPES:
        raise ValueError(f"kind {kind!r}")
    rows, missing = header[ROWS]
    results: dict[str, Any] = {ROWS: MissingResult(rows, missing, missing / rows if rows else np.nan)}
    for key in _MOMENTS:
        if key in header:
            seen, count, mean, m2, (negative, positive) = header[key]
            results[key] = moments_of(seen, count, float.fromhex(mean), float.fromhex(m2), (negative, positive))
    for key in _RANKS:
        if key in header:
            count, at = header[key]
            edges, at_most = np.frombuffer(parts[at], "<f8"), np.frombuffer(parts[at + 1], "<i8")
            if len(edges) != len(at_most) or not len(edges) or (np.diff(edges) <= 0).any() or count < at_most[-1]:
                raise ValueError(f"edges of {key}")
            results[key] = RanksAt(count, edges, at_most)
    if "tokens" in header:
        (seen, missing, total, error, least, unlisted), at = header["tokens"]
        values, counts = array_from_bytes(parts[at]), np.frombuffer(parts[at + 1], "<i8")
        if len(values) != len(counts):
            raise ValueError("tokens")
        results["tokens"] = FrequentTokens(
            values, counts, None, seen, missing, 0, 0, total, len(values), not error, error, 0.0, least, unlisted
        )
    return KeptColumn(Holds(kind, bool(is_list)), results)
