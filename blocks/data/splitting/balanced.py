"""Parts that hold the right share of every class, of whole groups, or of both: what a hash alone gives only nearly.

What is counted in one pass decides: how many rows each class has, or each group of each class. Then a row's part
depends on its group alone, or on its position among the rows of its class.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.errors import InvalidArgument
from blocks.statistics.hashing import hash_rows

MOST_CLASSES = 10_000
BLOCK = 4096
"""Rows of a class among which parts are drawn at once."""

Keys = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Counted:
    """How many rows each pair of group and class has.

    Args:
        groups: Hashes, uint64 (pairs,).
        classes: Hashes, uint64 (pairs,).
        rows: int64 (pairs,).
    """

    groups: np.ndarray
    classes: np.ndarray
    rows: np.ndarray


def count_pairs(parts: Iterable[Keys]) -> Counted:
    """The rows of each pair of hashes; memory grows with the number of pairs alone.

    Args:
        parts: Hashes of group and class, uint64 (rows,) each, in pieces.
    """
    held: list[np.ndarray] = []
    settled = waiting = 0
    for groups, classes in parts:
        pairs = _summed(groups, classes, np.ones(len(groups), np.int64))
        held.append(pairs)
        waiting += len(pairs)
        # as many as are settled wait before all are merged: each pair is merged a logarithmic number of times
        if waiting > max(settled, 1 << 18):
            merged = np.concatenate(held)
            held = [_summed(merged["group"], merged["class"], merged["rows"])]
            settled, waiting = len(held[0]), 0
    merged = np.concatenate([np.zeros(0, _PAIR), *held])
    pairs = _summed(merged["group"], merged["class"], merged["rows"])
    return Counted(pairs["group"].copy(), pairs["class"].copy(), pairs["rows"].copy())


_PAIR = np.dtype([("group", np.uint64), ("class", np.uint64), ("rows", np.int64)])


def _summed(groups: np.ndarray, classes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    order = np.lexsort((classes, groups))
    groups, classes, rows = groups[order], classes[order], rows[order]
    starts = np.flatnonzero(np.append(len(groups) > 0, (groups[1:] != groups[:-1]) | (classes[1:] != classes[:-1])))
    made = np.zeros(len(starts), _PAIR)
    made["group"], made["class"] = groups[starts], classes[starts]
    made["rows"] = np.add.reduceat(rows, starts) if len(starts) else 0
    return made


def require_few_classes(counted: Counted, columns: Sequence[str]) -> None:
    """Refuse a stratum that is no class.

    Raises:
        InvalidArgument: It has more than 10,000 distinct values.
    """
    if (found := len(np.unique(counted.classes))) > MOST_CLASSES:
        raise InvalidArgument(
            f"stratify takes columns of at most {MOST_CLASSES:,} distinct values together. Received: {list(columns)} "
            f"with {found:,}. Cut numbers into ranges first, or leave stratify out."
        )


def assign_groups(counted: Counted, shares: Sequence[float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A part for each group, so that every part has its share of every class as nearly as whole groups allow.

    Groups of the same counts are dealt out together, the largest first; what is left over of them goes where it brings
    every class nearest to its share. A part gets a group wherever there are enough.

    Args:
        counted: Rows of each group and class.
        shares: Of the parts; they sum to 1.
        seed: Another seed, another choice among groups of the same counts.

    Returns:
        The groups' hashes, rising, uint64 (groups,); and the part of each, uint16 (groups,).

    Raises:
        InvalidArgument: There are fewer groups than parts.
    """
    groups, owner = np.unique(counted.groups, return_inverse=True)
    classes, member = np.unique(counted.classes, return_inverse=True)
    if len(groups) < len(shares):
        raise InvalidArgument(
            f"A split by group needs at least as many groups as parts. Received: {len(groups)} for {len(shares)} "
            "parts. Give fewer parts, or leave group out."
        )
    kinds, of_group = _kinds(owner, member, counted.rows, len(groups))
    totals = np.bincount(member, counted.rows, len(classes))
    share, held, seen = np.asarray(shares, np.float64), np.zeros((len(shares), len(classes))), np.zeros(len(classes))
    part_of = np.zeros(len(groups), np.uint16)
    mixed = np.random.default_rng(seed).permutation(len(groups))
    by_kind = mixed[np.argsort(of_group[mixed], kind="stable")]
    bounds = np.append(0, np.cumsum(np.bincount(of_group, minlength=len(kinds))))
    sizes = np.array([rows.sum() for _, rows in kinds])
    for kind in np.argsort(-sizes, kind="stable"):
        present, rows = kinds[kind]
        same = by_kind[bounds[kind] : bounds[kind + 1]]
        dealt = np.floor(share * len(same)).astype(np.int64)
        held[:, present] += dealt[:, None] * rows
        seen[present] += int(dealt.sum()) * rows
        for _ in range(len(same) - int(dealt.sum())):
            seen[present] += rows
            off = held[:, present] - share[:, None] * seen[present]
            # how much each part's squared error changes with these rows; the classes weigh alike
            change = ((2 * off + rows) * rows / totals[present]).sum(axis=1)
            part = int(np.argmin(change))
            dealt[part] += 1
            held[part, present] += rows
        part_of[same] = np.repeat(np.arange(len(shares)), dealt)
    _fill_empty(part_of, len(shares), np.bincount(owner, counted.rows, len(groups)))
    return groups, part_of


def _kinds(
    owner: np.ndarray, member: np.ndarray, rows: np.ndarray, groups: int
) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """The distinct counts of classes, each as classes and rows, and which of them each group has."""
    order = np.lexsort((member, owner))
    owner, member, rows = owner[order], member[order], rows[order]
    starts = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    found: dict[bytes, int] = {}
    kinds: list[tuple[np.ndarray, np.ndarray]] = []
    of_group = np.zeros(groups, np.int64)
    packed = np.ascontiguousarray(np.stack([member, rows], axis=1).astype(np.int64))
    for group, (low, high) in enumerate(zip(starts, [*starts[1:], len(owner)], strict=True)):
        key = packed[low:high].tobytes()
        if key not in found:
            found[key] = len(kinds)
            kinds.append((member[low:high], rows[low:high].astype(np.float64)))
        of_group[group] = found[key]
    return kinds, of_group


def _fill_empty(part_of: np.ndarray, parts: int, sizes: np.ndarray) -> None:
    """Give a part without a group the smallest one of the part that has most."""
    for part in range(parts):
        if (part_of == part).any():
            continue
        largest = np.bincount(part_of, minlength=parts).argmax()
        candidates = np.flatnonzero(part_of == largest)
        part_of[candidates[np.argmin(sizes[candidates])]] = part


@dataclasses.dataclass(frozen=True, eq=False)
class ByGroup:
    """The part of a row, by its group.

    Args:
        group: Columns that say which rows belong together.
        stratify: Columns whose shares were kept.
        hashes: Of the groups, rising, uint64 (groups,).
        part_of: The part of each, (groups,).
        seed: That it was made by.
    """

    group: tuple[str, ...]
    stratify: tuple[str, ...]
    hashes: np.ndarray
    part_of: np.ndarray
    seed: int

    @property
    def columns(self) -> Sequence[str]:
        """What the part depends on."""
        return self.group

    def start(self) -> Callable[[pa.RecordBatch], np.ndarray]:
        """A pass: from a batch to the part of each row."""
        return self._parts

    def _parts(self, batch: pa.RecordBatch) -> np.ndarray:
        asked = hash_rows([batch.column(name) for name in self.group])
        at = np.minimum(np.searchsorted(self.hashes, asked), len(self.hashes) - 1)
        if unknown := int((self.hashes[at] != asked).sum()):
            raise InvalidArgument(
                f"A split by group knows the groups of the rows that it was made of. Received: {unknown} rows of "
                f"others in {list(self.group)}: the rows have changed. Split them anew."
            )
        return self.part_of[at]

    def describe(self) -> dict[str, Any]:
        """Everything that decides which part a row has."""
        digest = hashlib.blake2b(self.hashes.tobytes() + self.part_of.tobytes(), digest_size=16).hexdigest()
        return {"group": list(self.group), "stratify": list(self.stratify), "seed": self.seed, "groups": digest}


@dataclasses.dataclass(frozen=True, eq=False)
class ByStratum:
    """The part of a row, drawn so that every class has its share in every part, to one row.

    It depends on the row's position among the rows of its class.

    Args:
        stratify: Columns that say of which class a row is.
        hashes: Of the classes, rising, uint64 (classes,).
        rows: Of each, int64 (classes,).
        shares: Of the parts; they sum to 1.
        seed: Another seed, another split.
    """

    stratify: tuple[str, ...]
    hashes: np.ndarray
    rows: np.ndarray
    shares: tuple[float, ...]
    seed: int

    @property
    def columns(self) -> Sequence[str]:
        """What the part depends on."""
        return self.stratify

    def start(self) -> Callable[[pa.RecordBatch], np.ndarray]:
        """A pass: from a batch, in order, to the part of each row; it counts the rows of each class."""
        seen = np.zeros(len(self.hashes), np.int64)
        drawn: dict[int, tuple[int, np.ndarray]] = {}

        def parts(batch: pa.RecordBatch) -> np.ndarray:
            asked = hash_rows([batch.column(name) for name in self.stratify])
            at = np.minimum(np.searchsorted(self.hashes, asked), len(self.hashes) - 1)
            found = np.zeros(len(asked), np.uint16)
            order = np.argsort(at, kind="stable")
            present, starts = np.unique(at[order], return_index=True)
            for which, rows in zip(present.tolist(), np.split(order, starts[1:]), strict=True):
                begin = int(seen[which])
                seen[which] += len(rows)
                if seen[which] > self.rows[which] or (self.hashes[which] != asked[rows]).any():
                    raise InvalidArgument(
                        "A stratified split knows how many rows each class has. Received: others in "
                        f"{list(self.stratify)}: the rows have changed. Split them anew."
                    )
                found[rows] = self._of(which, begin, int(seen[which]), drawn)
            return found

        return parts

    def _of(self, which: int, begin: int, end: int, drawn: dict[int, tuple[int, np.ndarray]]) -> np.ndarray:
        pieces = []
        for block in range(begin // BLOCK, -(-end // BLOCK)):
            if drawn.get(which, (-1,))[0] != block:
                drawn[which] = (block, self._draw(which, block))
            low = block * BLOCK
            pieces.append(drawn[which][1][max(begin - low, 0) : end - low])
        return np.concatenate(pieces)

    def _draw(self, which: int, block: int) -> np.ndarray:
        """The parts of a block of a class: as many of each as bring it to its share, in an order of the seed's."""
        low, high = block * BLOCK, min((block + 1) * BLOCK, int(self.rows[which]))
        upto = np.cumsum(self.shares)
        upto[-1] = 1.0
        ends = np.floor(upto * high + 0.5) - np.floor(upto * low + 0.5)
        counts = np.diff(np.maximum.accumulate(ends), prepend=0).astype(np.int64)
        parts = np.repeat(np.arange(len(self.shares), dtype=np.uint16), counts)
        seed = [self.seed, int(self.hashes[which]), block]
        return np.random.default_rng(seed).permutation(parts)

    def describe(self) -> dict[str, Any]:
        """Everything that decides which part a row has."""
        digest = hashlib.blake2b(self.hashes.tobytes() + self.rows.tobytes(), digest_size=16).hexdigest()
        return {
            "stratify": list(self.stratify),
            "seed": self.seed,
            "shares": list(map(repr, self.shares)),
            "classes": digest,
        }


@dataclasses.dataclass(frozen=True, eq=False)
class Chosen:
    """Keeps the rows of some parts.

    Args:
        name: What these rows are called.
        by: Says the part of each row.
        parts: That are kept.
        share: About how much of all rows they are.
    """

    name: str
    by: Any
    parts: tuple[int, ...]
    share: float

    @property
    def columns(self) -> Sequence[str]:
        """What the part of a row depends on."""
        return list(self.by.columns)

    @property
    def fraction(self) -> float | None:
        """The share of rows that stays."""
        return self.share

    def start(self) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        """A pass."""
        parts_of = self.by.start()

        def kept(batch: pa.RecordBatch) -> pa.RecordBatch:
            mask = np.isin(parts_of(batch), self.parts)
            return batch if mask.all() else batch.filter(pa.array(mask))

        return kept

    def describe(self) -> dict[str, Any]:
        """Everything that decides which rows stay."""
        return {"part": self.name, "parts": list(self.parts), **self.by.describe()}
