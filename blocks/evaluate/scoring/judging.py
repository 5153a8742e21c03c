"""Judging: a table summed up in one pass, by group. What its metrics and curves are made into lives elsewhere."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from blocks.data import Source
from blocks.errors import EmptySource, InvalidArgument, warn
from blocks.evaluate.scoring.classification import Classification, share_scores
from blocks.evaluate.scoring.estimate import Estimate, Judge, Settings
from blocks.evaluate.scoring.judged_rows import HeadReader, chunks, grouped
from blocks.evaluate.tables.description import Description
from blocks.evaluate.tables.grouping import ALL, Grouping

FEW = 30
"""Groups with fewer rows are flagged, unless the user says otherwise."""


def checked_settings(confidence: float, bootstrap: int, seed: int) -> Settings:
    """The settings of intervals.

    Raises:
        InvalidArgument: They are none.
    """
    if not 0 < confidence < 1:
        raise InvalidArgument(f"confidence is between 0 and 1. Received: {confidence!r}.")
    if bootstrap < 0:
        raise InvalidArgument(f"bootstrap is a number of replicates, 0 for no intervals. Received: {bootstrap!r}.")
    return Settings(confidence, bootstrap, seed)


@dataclass
class State:
    """What one group is summed up to: accumulators by head and suffix."""

    accumulators: dict[tuple[HeadReader, str], Judge]

    def merge(self, other: "State") -> None:
        """Adds another group."""
        for key, accumulator in self.accumulators.items():
            accumulator.merge(other.accumulators[key])

    def results(self, settings: Settings) -> dict[str, tuple[Estimate, int]]:
        """Every metric of every head with the number of rows that it is of."""
        found: dict[str, tuple[Estimate, int]] = {}
        for (reader, suffix), accumulator in self.accumulators.items():
            for name, estimate in accumulator.result(settings).items():
                found[reader.head.prefixed(name + suffix)] = (estimate, accumulator.rows_of(name, suffix))
        return found


@dataclass
class Judged:
    """A table summed up, by group.

    Attributes:
        groups: By name; "" alone where there is no grouping.
        left_out: Rows that are in no metric, by why.
        rows: Rows of the table.
    """

    readers: list[HeadReader]
    groups: dict[str, State] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    rows: int = 0

    def empty(self) -> State:
        """A group without rows."""
        return State(
            {(reader, suffix): one for reader in self.readers for suffix, one in reader.accumulators().items()}
        )

    def total(self) -> State:
        """All groups together."""
        if list(self.groups) == [""]:
            return self.groups[""]
        whole = self.empty()
        for state in self.groups.values():
            whole.merge(state)
        return whole

    def with_all(self) -> Iterator[tuple[str, State]]:
        """All rows under "all", then each group in the order of names."""
        yield ALL, self.total()
        for name in sorted(self.groups):
            if name:
                yield name, self.groups[name]

    def warn(self) -> None:
        """Say what is left out, if anything."""
        if self.left_out:
            told = ", ".join(f"{count:,} {name}" for name, count in sorted(self.left_out.items()))
            warn(f"Of {self.rows:,} rows some are in no metric: {told}.")


def judge(
    source: Source, description: Description, grouping: Grouping, chunk_rows: int, *, heads: Sequence[Any] | None = None
) -> Judged:
    """Sum up a table.

    Raises:
        EmptySource: It has no row.
    """
    readers = [HeadReader(head, source.schema) for head in heads or description.heads]
    judged = Judged(readers)
    columns = list(dict.fromkeys([*(name for reader in readers for name in reader.columns), *grouping.columns]))
    for start, chunk in chunks(source, columns, chunk_rows):
        judged.rows += len(chunk)
        names, codes = grouping.groups(chunk)
        for name in names:
            if name not in judged.groups:
                grouping.check(len(judged.groups) + 1)
                judged.groups[name] = judged.empty()
        for reader in readers:
            found = reader.read(chunk, start)
            judged.left_out += found.left_out
            for suffix, rows in found.rows.items():
                for name, part, _ in grouped(rows, codes[found.kept[suffix]], names):
                    judged.groups[name].accumulators[reader, suffix].update(part)
        every = [one for state in judged.groups.values() for one in state.accumulators.values()]
        share_scores([one for one in every if isinstance(one, Classification)])
    if not judged.rows:
        raise EmptySource(f"There is nothing to judge. Received: {source!r} with no row.")
    return judged
