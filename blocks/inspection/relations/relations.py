"""What stands between rows, splits and columns: duplicates and order in the pass, the rest on a sample."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from blocks.data import Source
from blocks.errors import SchemaMismatch
from blocks.inspection.column_kinds import kind_of
from blocks.inspection.column_statistics import Beside
from blocks.inspection.finding import Finding
from blocks.inspection.relations.association_measures import Association
from blocks.inspection.relations.associations import associations
from blocks.inspection.relations.copies import copies
from blocks.inspection.relations.duplicate_rows import DuplicateRows
from blocks.inspection.relations.near_duplicates import near_duplicates
from blocks.inspection.relations.order_in_time import OrderInTime, time_columns
from blocks.inspection.relations.predictive_power import Power, linear_sum, predictive_power
from blocks.inspection.relations.relation_findings import copied_columns, leaks, missing_together, similar_texts
from blocks.inspection.relations.row_findings import duplicate_findings, order_findings

MOST_AMONG = 1000
"""Associations among columns that are kept, the strongest."""


@dataclasses.dataclass(frozen=True)
class Relations:
    """What a profile has of columns and rows taken together; as JSON has it.

    Attributes:
        with_target: How each column goes with the target, in the sampled rows, the strongest first.
        among: The same of each two other columns, the 1,000 strongest.
        power: The share of the target that each column alone explains of sampled rows it was not learned from.
        duplicates: Rows, contents and keys that stand more than once, within splits and across them: `as_dict` of
            `DuplicateRowsResult`.
        order: From when to when splits go, and whether their rows stand in order of time: of `OrderInTimeResult`.
    """

    with_target: tuple[Association, ...] = ()
    among: tuple[Association, ...] = ()
    power: tuple[Power, ...] = ()
    duplicates: dict[str, Any] = dataclasses.field(default_factory=dict)
    order: dict[str, Any] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """What JSON holds of it."""
        rows = {name: [one._asdict() for one in getattr(self, name)] for name in ("with_target", "among", "power")}
        return {**rows, "duplicates": self.duplicates, "order": self.order}

    @classmethod
    def of_dict(cls, found: Mapping[str, Any]) -> "Relations":
        """What a dict of JSON's values says.

        Raises:
            TypeError, KeyError: It says nothing of the kind.
        """
        return cls(
            tuple(Association(**one) for one in found["with_target"]),
            tuple(Association(**one) for one in found["among"]),
            tuple(Power(**one) for one in found["power"]),
            dict(found["duplicates"]),
            dict(found["order"]),
        )


class RowRelations:
    """What is learned of rows in the pass over splits: those that stand twice, and their order in time.

    Args:
        splits: By name.
        target: The column to predict, or None.
        key: Columns that name a row.
        time: The column that rows follow each other by, or None; all dates and timestamps where it is.

    Raises:
        SchemaMismatch: A split has no column of the name `key` or `time`.
    """

    def __init__(self, splits: Mapping[str, Source], target: str | None, key: Sequence[str], time: str | None) -> None:
        schemas = {split: source.schema for split, source in splits.items()}
        for what, name in [*(("key", name) for name in key), *([("time", time)] if time else [])]:
            if lacking := [split for split, schema in schemas.items() if name not in schema.names]:
                raise SchemaMismatch(
                    f"Every split has the {what}. Received: {what}={name!r}, which {', '.join(map(repr, lacking))} "
                    f"has not. Leave {what}= out, or read it there too."
                )
        everywhere = [name for name in next(iter(schemas.values())).names if _alike(name, list(schemas.values()))]
        self._target = target if target in everywhere else None
        # a column that one split lacks would make all rows differ
        self._columns = {
            split: [name for name in schema.names if name in everywhere] for split, schema in schemas.items()
        }
        self._duplicates = DuplicateRows(list(key), self._target) if everywhere else None
        times = dict.fromkeys(name for schema in schemas.values() for name in time_columns(schema))
        self._order = OrderInTime([time] if time else [name for name in times if name in everywhere])

    def beside(self, split: str) -> list[Beside]:
        """What sees each chunk of a split."""
        found: list[Beside] = [lambda chunk: self._order.update(split, chunk)]
        if (rows := self._duplicates) is not None:
            found.append(lambda chunk: rows.update(split, chunk.select(self._columns[split])))
        return found

    def findings(
        self, ordered: pa.Table | None, target: str | None, time: str | None, key: Sequence[str]
    ) -> Iterator[Finding]:
        """What there is to point out.

        Args:
            ordered: Sampled rows of the largest split, in their order.
            target: The column to predict, or None.
            time: The column that rows follow each other by, or None.
            key: Columns that name a row.
        """
        if self._duplicates is not None:
            yield from duplicate_findings(self._duplicates.result(), self._target)
        yield from order_findings(ordered, self._order.result(), target, time, key)

    def relations(self, extremes: bool) -> Relations:
        """What a profile has of them; without single rows' times, where these may not be told."""
        duplicates = {} if self._duplicates is None else self._duplicates.result().as_dict()
        order = self._order.result().as_dict()
        if not extremes:
            order["parts"] = [{**part, "first": None, "last": None} for part in order["parts"]]
        return Relations(duplicates=duplicates, order=order)


def of_columns(sample: pa.Table | None, target: str | None, key: Sequence[str]) -> tuple[Relations, list[Finding]]:
    """What columns say of the target and of each other, and what there is to point out.

    Args:
        sample: Rows drawn at random.
        target: The column to predict, or None.
        key: Columns that name a row; nothing is said of them.
    """
    if sample is None or not len(sample):
        return Relations(), []
    rows = sample.drop_columns([name for name in key if name in sample.schema.names and name != target])
    found = associations(rows, target)
    same = copies(rows, [*found.with_target, *found.among], found.target)
    power = predictive_power(rows, target) if found.target and target else ()
    total = linear_sum(rows, target) if found.target and target else None
    findings = [*leaks(found, same, power, total), *copied_columns(same, found.target), *missing_together(found)]
    findings += similar_texts(near_duplicates(rows))
    return Relations(found.with_target, found.among[:MOST_AMONG], power), findings


def _alike(name: str, schemas: Sequence[pa.Schema]) -> bool:
    """Whether all splits have a column, whose values can be compared."""
    if not all(name in schema.names for schema in schemas):
        return False
    kinds = {kind_of(schema.field(name).type) for schema in schemas}
    known = {holds.kind for holds in kinds} - {"unknown"}
    return len(known) <= 1 or known in ({"integer", "number"}, {"date", "timestamp"})
