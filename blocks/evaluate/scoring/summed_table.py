"""SummedTable: a table summed up in one pass, by group. What metrics and curves are made into lives elsewhere."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from blocks.errors import EmptySource, InvalidArgument, warn
from blocks.evaluate.scoring.classification import Classification, share_scores
from blocks.evaluate.scoring.estimate import Estimate, Settings
from blocks.evaluate.scoring.head_reader import HeadReader
from blocks.evaluate.scoring.metric_sums import MetricSums
from blocks.evaluate.scoring.row_selection import split_by_group
from blocks.evaluate.tables.grouping import ALL, Grouping
from blocks.evaluate.tables.prediction_table import PredictionTable
from blocks.targets.description import HeadDescription

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
class GroupSums:
    """What one group is summed up to: by head and suffix of its metrics' names."""

    by_head: dict[tuple[HeadReader, str], MetricSums]

    def merge(self, other: "GroupSums") -> None:
        """Adds another group."""
        for key, sums in self.by_head.items():
            sums.merge(other.by_head[key])

    def results(self, settings: Settings) -> dict[str, tuple[Estimate, int]]:
        """Every metric of every head with the number of rows that it is of."""
        found: dict[str, tuple[Estimate, int]] = {}
        for (reader, suffix), sums in self.by_head.items():
            for name, estimate in sums.result(settings).items():
                found[reader.head.prefixed(name + suffix)] = (estimate, sums.rows_of(name, suffix))
        return found


@dataclass
class SummedTable:
    """A table summed up, by group.

    Attributes:
        groups: By name; "" alone where there is no grouping.
        left_out: Rows that are in no metric, by why.
        rows: Rows of the table.
    """

    readers: list[HeadReader]
    groups: dict[str, GroupSums] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    rows: int = 0

    def empty(self) -> GroupSums:
        """A group without rows."""
        return GroupSums(
            {(reader, suffix): sums for reader in self.readers for suffix, sums in reader.metric_sums().items()}
        )

    def total(self) -> GroupSums:
        """All groups together."""
        if list(self.groups) == [""]:
            return self.groups[""]
        whole = self.empty()
        for group in self.groups.values():
            whole.merge(group)
        return whole

    def with_all(self) -> Iterator[tuple[str, GroupSums]]:
        """All rows under "all", then each group in the order of names."""
        yield ALL, self.total()
        for name in sorted(self.groups):
            if name:
                yield name, self.groups[name]

    def warn(self) -> None:
        """Say what is left out, if anything."""
        if self.left_out:
            reasons = ", ".join(f"{count:,} {name}" for name, count in sorted(self.left_out.items()))
            warn(f"Of {self.rows:,} rows some are in no metric: {reasons}.")


def sum_up(
    table: PredictionTable, heads: Sequence[HeadDescription], grouping: Grouping, *, by_step: bool = False
) -> SummedTable:
    """Sum up a table; `by_step`: each step of a forecast apart.

    Raises:
        EmptySource: It has no row.
    """
    readers = [HeadReader(head, table.schema, by_step=by_step) for head in heads]
    summed = SummedTable(readers)
    columns = list(dict.fromkeys([*(name for reader in readers for name in reader.columns), *grouping.columns]))
    for start, chunk in table.placed_chunks(columns):
        summed.rows += len(chunk)
        names, codes = grouping.groups(chunk)
        for name in names:
            if name not in summed.groups:
                grouping.check(len(summed.groups) + 1)
                summed.groups[name] = summed.empty()
        for reader in readers:
            found = reader.read(chunk, start)
            summed.left_out += found.left_out
            for suffix, rows in found.rows.items():
                for name, part, _ in split_by_group(rows, codes[found.kept[suffix]], names):
                    summed.groups[name].by_head[reader, suffix].update(part)
        every = [sums for group in summed.groups.values() for sums in group.by_head.values()]
        share_scores([one for one in every if isinstance(one, Classification)])
    if not summed.rows:
        raise EmptySource(f"There is nothing to judge. Received: {table!r} with no row.")
    return summed
