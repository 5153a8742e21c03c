"""How often each hash occurs, with a label, in each of several parts: all of them, or of many a fair share.

What is hashed, and what it says of rows, lives with those who ask.
"""

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Self

import numpy as np

from blocks.errors import InvalidArgument
from blocks.statistics.hashing import STEP, mix64
from blocks.statistics.mergeable import Mergeable

_PENDING: Final = 1 << 16
_MOST_PENDING: Final = 1 << 19
_BUCKETS: Final = 16
_DTYPE: Final = np.dtype([("hash", "<u8"), ("label", "<u4"), ("count", "<u4")])
_MOST_COUNTED: Final = np.iinfo(np.uint32).max


class Estimate(NamedTuple):
    """A count, exact where its error is 0."""

    value: int
    error: int = 0
    """The count lies within this of the value, with 95% confidence."""

    def __str__(self) -> str:
        return f"about {self.value:,} (give or take {self.error:,})" if self.error else f"{self.value:,}"


class Entries(NamedTuple):
    """Different hashes, in rising order.

    Args:
        hashes: (n,) uint64.
        rows: (n,) int64 that have it.
        low: (n,) uint32: its least label but 0; 2^32 - 1 where there is none.
        high: (n,) uint32: its greatest label.
    """

    hashes: np.ndarray
    rows: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, held: np.ndarray) -> "Entries":
        """Of different pairs of hash and label, in rising order."""
        hashes, labels, counts = held["hash"], held["label"], held["count"].astype(np.int64)
        low = np.where(labels, labels, _MOST_COUNTED)
        if not len(held):
            return cls(hashes, counts, low, labels)
        starts = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1]))
        low, high = np.minimum.reduceat(low, starts), labels[np.append(starts[1:], len(held)) - 1]
        return cls(hashes[starts], np.add.reduceat(counts, starts), low, high)


class HashTally(Mergeable):
    """Counts pairs of a hash and a label, by part.

    Holds all different ones up to `most`, then those alone whose hash is below a threshold, which is halved as often as
    it takes: a fair sample of what is different, with all of its occurrences, and the same one in each part, so that
    what parts share is in it too. The threshold depends on what was seen, not on its order or on how it was merged.

    Args:
        most: Different pairs held, of all parts together, 16 bytes each; with those that wait, and while they are
            sorted, at most 36.

    Example:
        >>> tally = HashTally()
        >>> tally.update("train", np.array([7, 9, 7], np.uint64))
        >>> found = [(entries["train"].hashes.tolist(), entries["train"].rows.tolist()) for entries in tally.entries()]
        >>> [one for one in found if one[0]], tally.share
        ([([7], [2]), ([9], [1])], 1.0)

    Source: theta sketches, Dasgupta, Lang, Rhodes, Thaler, "A Framework for Estimating Stream Expression Cardinalities"
        (ICDT 2016). DataSketches' Python binding takes one item a call and counts no occurrences, hence this one.
    """

    def __init__(self, most: int = 10_000_000) -> None:
        if most < 16:
            raise InvalidArgument(f"most is 16 at least. Received: {most}.")
        self._most = most
        self._level = 0
        # of each part its entries by the last bits of their hashes, so that a sixteenth is sorted at a time
        self._parts: dict[str, list[np.ndarray]] = {}
        self._waiting: dict[str, list[np.ndarray]] = {}
        self._count = 0

    def parameters(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"most": self._most}

    @property
    def share(self) -> float:
        """The share of what is different that is held; 1.0 while all is."""
        self._compact()
        return 2.0**-self._level

    @property
    def parts(self) -> list[str]:
        """The names of the parts, as they came."""
        return list(self._parts)

    def update(self, part: str, hashes: np.ndarray, labels: np.ndarray | None = None) -> None:
        """Adds rows of a part.

        Args:
            part: Its name.
            hashes: (rows,) uint64, evenly spread.
            labels: (rows,) uint32; None for 0.
        """
        new = np.empty(len(hashes), _DTYPE)
        new["hash"], new["label"], new["count"] = hashes, 0 if labels is None else labels, 1
        self._add(part, new)

    def entries(self, pairs: bool = False) -> Iterator[dict[str, Entries]]:
        """What is held of each part, in pieces; equal hashes of all parts are in one piece.

        Args:
            pairs: Whether what counts as different are pairs of a hash and a label, hashed again, rather than hashes.
        """
        self._compact()
        for bucket in range(_BUCKETS):
            pieces = {part: held[bucket] for part, held in self._parts.items()}
            yield {part: Entries.of(_hashed_again(piece) if pairs else piece) for part, piece in pieces.items()}

    def estimate(self, total: int, squares: int | None = None) -> Estimate:
        """What a sum over all that is different is.

        Args:
            total: The sum over what is held.
            squares: The sum of squares over it; None where each counts 1.
        """
        share = self.share
        if share == 1.0:
            return Estimate(total)
        # one more than was seen, so that nothing seen is not certainty
        error = 1.96 * math.sqrt(((total if squares is None else squares) + 1) * (1 - share)) / share
        return Estimate(round(total / share), math.ceil(error))

    def _add(self, part: str, new: np.ndarray) -> None:
        self._parts.setdefault(part, [np.empty(0, _DTYPE)] * _BUCKETS)
        self._waiting.setdefault(part, []).append(new[self._below(new)] if self._level else new)
        self._count += len(self._waiting[part][-1])
        # many wait where many are held at last: what waits is sorted into all that is held
        waiting = max(_PENDING, min(_MOST_PENDING, self._most // 16))
        if self._count > max(waiting, self._size() // 4):
            self._compact()

    def _size(self) -> int:
        return sum(len(bucket) for held in self._parts.values() for bucket in held)

    def _compact(self) -> None:
        for part in list(self._waiting):
            new = np.concatenate(self._waiting.pop(part))
            bucket_of, held = new["hash"] & np.uint64(_BUCKETS - 1), self._parts[part]
            for bucket in range(_BUCKETS):
                held[bucket] = _counted(np.concatenate([held[bucket], new[bucket_of == bucket]]))
        self._count = 0
        while self._size() > self._most and self._level < 63:
            self._raise_level(self._level + 1)

    def _raise_level(self, level: int) -> None:
        self._level = level
        for held in self._parts.values():
            held[:] = (one[self._below(one)] for one in held)

    def _below(self, entries: np.ndarray) -> np.ndarray:
        return np.asarray(entries["hash"] < np.uint64(1 << (64 - self._level)))

    def _merge(self, other: Self) -> None:
        if other._level > self._level:
            self._compact()
            self._raise_level(other._level)
        for part, held in other._parts.items():
            for new in [*held, *other._waiting.get(part, [])]:
                self._add(part, new)

    def _state(self) -> tuple[dict[str, Any], list[bytes]]:
        self._compact()
        held = [b"".join(one.tobytes() for one in held) for held in self._parts.values()]
        return {"level": self._level, "parts": self.parts}, held

    def _restore(self, state: dict[str, Any], parts: list[bytes]) -> None:
        self._level = int(state["level"])
        for name, part in zip(state["parts"], parts, strict=True):
            self._add(name, np.frombuffer(part, _DTYPE))


def _hashed_again(entries: np.ndarray) -> np.ndarray:
    """Pairs by one hash, in rising order."""
    found = entries.copy()
    found["hash"] = mix64(entries["hash"] ^ mix64(entries["label"].astype(np.uint64) + STEP))
    found["label"] = 0
    return found[np.argsort(found["hash"])]


def _counted(entries: np.ndarray) -> np.ndarray:
    """Different pairs in rising order, each with the sum of its counts."""
    entries = entries[np.argsort(np.ascontiguousarray(entries["hash"]))]
    hashes = entries["hash"]
    again = hashes[1:] == hashes[:-1]
    if not again.any():
        return entries
    # labels are put in order where a hash stands more than once: mostly in few places
    several = np.flatnonzero(np.append(again, False) | np.append(False, again))
    found = entries[several]
    entries[several] = found[np.lexsort((found["label"], found["hash"]))]
    labels = entries["label"]
    starts = np.flatnonzero(np.append(True, ~(again & (labels[1:] == labels[:-1]))))
    counts = np.add.reduceat(entries["count"].astype(np.int64), starts)
    entries = entries[starts]
    entries["count"] = np.minimum(counts, _MOST_COUNTED)
    return entries
