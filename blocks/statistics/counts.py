"""How often each token of a column occurs: exact while the tokens fit in memory, the heavy hitters beyond."""

import dataclasses
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.errors import InvalidArgument
from blocks.statistics.budget import WORKING
from blocks.statistics.serialization import array_from_bytes, array_to_bytes
from blocks.statistics.statistic import Statistic
from blocks.statistics.tally import Tally
from blocks.statistics.tokens import DictionaryCounter, Tokens, encoded, joined, joined_type, token_type

_MIN_BYTES = 1 << 12
# Fewer waiting tokens than this are not worth a compaction.
_MIN_PENDING = 1 << 12


@dataclasses.dataclass(frozen=True)
class CountsResult:
    """What `Counts` learned, tokens by falling count, ties by byte order (text, binary) or by value.

    Attributes:
        values: (tokens,) In the canonical type: large_string, large_binary, int64, float64, ...
        counts: (tokens,) int64; the true count lies from here to `error` above.
        weights: (tokens,) float64 weight of each token, or None when no weights were ever given; the true weight lies
            from here to `weight_error` above.
        rows: Rows seen.
        missing: Rows with null, NaN, "" or b"".
        negative_infinite: Rows with -inf.
        positive_infinite: Rows with inf.
        total: Rows with a token; the sum of `counts` while `exact`.
        distinct: Different tokens; a lower bound when not `exact`.
        exact: Whether no token was ever dropped.
        error: The most that any token's count, a token not listed included, can be too small by; 0 while `exact`.
        weight_error: The same for weights.
    """

    values: pa.Array
    counts: np.ndarray
    weights: np.ndarray | None
    rows: int
    missing: int
    negative_infinite: int
    positive_infinite: int
    total: int
    distinct: int
    exact: bool
    error: int
    weight_error: float


class Counts(Statistic):
    """Counts the tokens of a column of text, bytes, numbers, booleans or times.

    Exact until the distinct tokens take half of `max_bytes`; the other half takes new rows in. From then on it is a
    Misra-Gries summary: of the tokens that fit in a quarter of `max_bytes`, say k, each pays the count of the (k+1)-th,
    that much is added to `error`, and what is not positive is dropped. So `error` is at most total / (k + 1), every
    token that occurs more often than `error` is listed, and merged summaries add their errors. Results do not depend on
    chunks or order while exact; beyond, the bounds hold in every order and the tokens at the edge may differ.

    (DataSketches has a frequent-items sketch; its Python binding takes one item a call, hence a vectorised one here.)

    Args:
        max_bytes: Memory held between updates: tokens, 8 bytes a count, 8 a weight. While tokens are compacted, about
            five times as much, half of that Arrow's hash table (measured with tokens of 12 bytes). At least 4096.
        shared: Whether it may be given less, where the statistics of many columns share one `Budget`.

    Example:
        >>> counts = Counts()
        >>> counts.update(pa.array(["b", "a", "b", None]))
        >>> counts.result().values.to_pylist(), counts.result().counts.tolist()
        (['b', 'a'], [2, 1])

    Source: Misra, Gries, "Finding Repeated Elements" (1982); Agarwal et al., "Mergeable Summaries" (TODS 2013).
    """

    def __init__(self, max_bytes: int = 1 << 26, *, shared: bool = True) -> None:
        if max_bytes < _MIN_BYTES:
            raise InvalidArgument(f"max_bytes is {_MIN_BYTES} at least. Received: {max_bytes}.")
        self._max_bytes = max_bytes
        self._shared = shared
        self._tally = Tally()
        self._type: pa.DataType | None = None
        self._counter = DictionaryCounter()
        self._table: Tokens | None = None  # each token once
        self._pending: list[Tokens] = []  # what came since the last compaction
        self._error = 0
        self._weight_error = 0.0
        self._most_distinct = 0

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"max_bytes": self._max_bytes}

    @property
    def wish(self) -> int:
        """`max_bytes`, unless it is not to be shared."""
        return self._max_bytes if self._shared else 0

    def bounded(self, max_bytes: int) -> Self:
        """Returns a fresh one that holds at most so many bytes."""
        return type(self)(max(max_bytes, _MIN_BYTES))

    def result(self, *, ordered: bool = True) -> CountsResult:
        """Returns the counts of all rows seen so far.

        Args:
            ordered: Whether tokens come sorted, which of many is the most work; in any order otherwise.
        """
        self._flush()
        self._compact()
        table = self._table
        tokens, tally = self._sorted() if ordered or table is None else table, self._tally
        weight_error = 0.0 if tokens.weights is None else self._weight_error
        return CountsResult(
            tokens.values, tokens.counts, tokens.weights,
            tally.rows, tally.missing, tally.negative_infinite, tally.positive_infinite, tally.count,
            max(self._most_distinct, len(tokens.values)), self._error == 0, self._error, weight_error,
        )  # fmt: skip

    @property
    def exact(self) -> bool:
        """Whether no token was dropped so far."""
        return not self._error

    @property
    def nbytes(self) -> int:
        """Bytes held for tokens, at most `max_bytes`."""
        pieces = self._pending if self._table is None else [self._table, *self._pending]
        return sum(piece.nbytes for piece in pieces) + self._counter.nbytes

    def _update(self, values: pa.Array, weights: np.ndarray | None) -> None:
        self._type = token_type("Counts", values, self._type)
        if pa.types.is_null(values.type):
            self._tally.add(Tally(rows=len(values), missing=len(values)))
            return
        values = encoded(values)
        if not self._counter.fits(values.dictionary):
            self._flush()
        self._counter.add(values, weights)
        if self.nbytes > self._max_bytes:
            self._flush()
            self._compact()

    def _merge(self, other: Self) -> None:
        self._type = joined_type("Counts", self._type, other._type)
        self._tally.add(other._tally)
        self._pending.extend(other._pending if other._table is None else [other._table, *other._pending])
        self._add(other._counter.tokens())
        self._error += other._error
        self._weight_error += other._weight_error
        self._most_distinct = max(self._most_distinct, other._most_distinct)
        if self.nbytes > self._max_bytes:
            self._flush()
            self._compact()

    def _flush(self) -> None:
        self._add(self._counter.take())

    def _add(self, taken: tuple[Tokens, Tally] | None) -> None:
        if taken is None:
            return
        tokens, tally = taken
        self._tally.add(tally)
        if len(tokens.values):
            self._pending.append(tokens)
        waiting = sum(len(piece.values) for piece in self._pending)
        # At least as many wait as stand in the table: each token is hashed a constant number of times on average.
        if waiting > max(_MIN_PENDING, 0 if self._table is None else len(self._table.values)):
            self._compact()

    def _compact(self) -> None:
        if not self._pending:
            return
        pieces = self._pending if self._table is None else [self._table, *self._pending]
        self._table, self._pending = None, []
        with self.room.taken(WORKING * sum(piece.nbytes for piece in pieces)):
            tokens = joined(pieces)
            self._most_distinct = max(self._most_distinct, len(tokens.values))
            self._table = self._reduced(tokens) if tokens.nbytes > self._max_bytes // 2 else tokens

    def _reduced(self, tokens: Tokens) -> Tokens:
        """Misra-Gries: keeps what fits in a quarter of the memory, after all paid for the first that does not."""
        sizes = np.full(len(tokens.values), tokens.nbytes / len(tokens.values))
        if pa.types.is_large_string(tokens.values.type) or pa.types.is_large_binary(tokens.values.type):
            # 24: an offset, a count, a weight.
            sizes = np.asarray(pc.binary_length(tokens.values)) + 24.0
        order = np.argsort(-tokens.counts, kind="stable")
        kept = int(np.searchsorted(np.cumsum(sizes[order]), self._max_bytes // 4, side="right"))
        threshold = int(tokens.counts[order[kept]])
        keep = tokens.counts > threshold
        self._error += threshold
        weights = tokens.weights
        if weights is None:
            # Rows without weights weigh 1 each, should weights come later.
            self._weight_error += threshold
        else:
            self._weight_error += float(weights[~keep].max())
            weights = weights[keep]
        return Tokens(tokens.values.filter(pa.array(keep)), tokens.counts[keep] - threshold, weights)

    def _sorted(self) -> Tokens:
        tokens = self._table
        if tokens is None:
            return Tokens(pa.nulls(0) if self._type is None else pa.array([], self._type), np.zeros(0, np.int64), None)
        table = pa.table({"counts": tokens.counts, "values": tokens.values})
        order = pc.sort_indices(table, [("counts", "descending"), ("values", "ascending")])
        positions = order.to_numpy()
        weights = None if tokens.weights is None else tokens.weights[positions]
        return Tokens(tokens.values.take(order), tokens.counts[positions], weights)

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        self._flush()
        self._compact()
        tokens = self._sorted()
        state = {
            "tally": self._tally.as_list(),
            "error": self._error,
            "weight_error": self._weight_error.hex(),
            "most_distinct": self._most_distinct,
        }
        parts = [array_to_bytes(tokens.values), tokens.counts.astype("<i8").tobytes()]
        return state, parts if tokens.weights is None else [*parts, tokens.weights.astype("<f8").tobytes()]

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._tally, self._error = Tally(*state["tally"]), state["error"]
        self._weight_error, self._most_distinct = float.fromhex(state["weight_error"]), state["most_distinct"]
        values, counts = array_from_bytes(parts[0]), np.frombuffer(parts[1], dtype="<i8").astype(np.int64)
        weights = np.frombuffer(parts[2], dtype="<f8").astype(np.float64) if len(parts) > 2 else None
        self._type = None if pa.types.is_null(values.type) else values.type
        if len(values):
            self._table = Tokens(values, counts, weights)
