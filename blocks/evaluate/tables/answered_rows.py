"""AnsweredRows: raw rows answered chunk by chunk, with keys, split and target beside; nothing is written here."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.data import Source
from blocks.data.in_order import in_order
from blocks.data.schema import require_columns
from blocks.errors import InvalidArgument
from blocks.evaluate.scoring.forecast import naive_errors
from blocks.evaluate.scoring.head_reader import CHUNK_ROWS
from blocks.evaluate.tables.answer_columns import all_finite, label_truth, numbers, step_matrix
from blocks.evaluate.tables.table_description import Description
from blocks.features.names import aside
from blocks.inference.predictor import Predictor, answer_column, needed_columns, plain_column
from blocks.targets.classes import encode_classes
from blocks.targets.description import HeadDescription

SPLIT = "split"

_T = TypeVar("_T")
_R = TypeVar("_R")


class AnsweredRows:
    """A model's answers to rows, as a table that is never held: a schema and chunks, so that `blocks.read` takes it.

    Args:
        predictor: What answers.
        splits: Rows by split.
        keys: Columns to keep, to know rows by.
        targets: Whether to keep the heads' targets and weights.

    Raises:
        SchemaMismatch: A column is missing.
        InvalidArgument: A key has the name of an answer.
    """

    def __init__(
        self, predictor: Predictor, splits: Mapping[str | None, Source], *, keys: Sequence[str], targets: bool
    ) -> None:
        self.predictor, self.splits, self.keys = predictor, dict(splits), list(dict.fromkeys(keys))
        self._described = predictor.describe()
        heads = [HeadDescription.from_json(head) for head in self._described["heads"]]
        wanted = [name for head in heads for name in (*head.targets, head.sample_weight) if name is not None]
        self._beside = list(dict.fromkeys(wanted if targets else ()))
        self._columns = {}
        for name, source in self.splits.items():
            require_columns(self._beside, source.schema.names, "The target (targets=False leaves it out)")
            self._columns[name] = needed_columns(predictor, source, [*self.keys, *self._beside])
        self._schema: pa.Schema | None = None
        answers = self._answered_names()
        made = {*answers, *([SPLIT] if self._has_split else [])}
        taken = made.union(self._beside, self.keys)
        self._histories = self._steps_before(heads, taken) if targets else {}
        taken.update(self._histories)
        self._renamed = {}
        for name in self._beside:
            self._renamed[name] = aside(f"target_{name}", taken) if name in made else name
            taken.add(self._renamed[name])
        if clash := [name for name in self.keys if name in made]:
            kept = (
                f"As the target it is kept as {self._renamed[clash[0]]!r}" if clash[0] in self._beside else "Rename it"
            )
            raise InvalidArgument(
                f"A key has no answer's name: {', '.join(sorted(made))}. Received: {clash[0]!r}. {kept}."
            )
        renamed = {name: new for name, new in self._renamed.items() if new != name}
        self.heads = tuple(
            dataclasses.replace(
                head,
                targets=head.targets if targets else (),
                columns={name: renamed[name] for name in head.targets if name in renamed},
                sample_weight=None if head.sample_weight is None else self._renamed.get(head.sample_weight),
            )
            for head in heads
        )
        self._classes = {
            name: list(head.classes)
            for head in self.heads
            if head.classes is not None and head.exclusive
            for name in head.targets[:1]
        }

    def _steps_before(self, heads: Sequence[HeadDescription], taken: set[str]) -> dict[str, HeadDescription]:
        """By column of the table, the head of many steps whose rows hold those before: errors are scaled by them."""
        found = {}
        for head in heads:
            kinds = [source.schema.field(head.history).type for source in self._with(head.history)]
            long = [pt.is_fixed_size_list(kind) and kind.list_size > head.season for kind in kinds]
            name = head.prefixed("naive_error")
            if head.history is not None and long and all(long) and name not in taken:
                found[name] = head
                for columns in self._columns.values():
                    columns += [] if head.history in columns else [head.history]
        return found

    def _with(self, column: str | None) -> list[Source]:
        """The sources, if all of them have a column."""
        sources = list(self.splits.values())
        return sources if all(column in source.schema.names for source in sources) else []

    @property
    def _has_split(self) -> bool:
        return any(name is not None for name in self.splits)

    def _answered_names(self) -> list[str]:
        found = self.predictor.answers(self._first_row())
        # SavedModels give answers in another order than roads do
        self._first = {name: answer_column(found[name]) for name in sorted(found)}
        return list(self._first)

    def _first_row(self) -> pa.RecordBatch:
        """A row by which it is seen what answers are: the first one, or of no rows one without a value."""
        for name, source in self.splits.items():
            for chunk in source.chunks(1, columns=self._columns[name]):
                return chunk
        name, source = next(iter(self.splits.items()))
        fields = [source.schema.field(column) for column in self._columns[name]]
        return pa.RecordBatch.from_arrays([pa.nulls(1, field.type) for field in fields], schema=pa.schema(fields))

    def plan(self) -> dict[str, Any]:
        """What decides every value of the table, as JSON, by part."""
        return {
            "model": self._described["model"],
            "source": {name or "": source.fingerprint() for name, source in self.splits.items()},
            "keys": self.keys,
            "targets": self._renamed,
        }

    @property
    def schema(self) -> pa.Schema:
        """Keys, split, targets, weights, answers."""
        if self._schema is None:
            raw = next(iter(self.splits.values())).schema
            fields = [raw.field(name) for name in self.keys]
            fields += [pa.field(SPLIT, pa.string())] if self._has_split else []
            fields += [raw.field(name).with_name(new) for name, new in self._renamed.items() if new not in self.keys]
            fields += [pa.field(name, pa.float64()) for name in self._histories]
            fields += [pa.field(name, values.type) for name, values in self._first.items()]
            self._schema = pa.schema(fields)
        return self._schema

    @property
    def description(self) -> Description:
        """What the table is of."""
        return Description(self.heads, {"keys": self.keys})

    def chunks(self, rows: int = CHUNK_ROWS) -> Iterator[pa.RecordBatch]:
        """The table's chunks, split after split."""
        for name in self.splits:
            for chunk in self.raw_chunks(name, rows):
                yield self.answered(chunk, name)[0]

    def fingerprint(self) -> dict[str, Any]:
        """What identifies the table's rows."""
        return {"format": "predictions", **json.loads(json.dumps(self.plan()))}

    def raw_chunks(self, split: str | None, rows: int) -> Iterator[pa.RecordBatch]:
        """The raw chunks of a split, of exactly `rows` rows but the last."""
        return self.splits[split].chunks(rows, columns=self._columns[split], encoded=True)

    def in_order(self, items: Iterator[_T], work: Callable[[_T], _R]) -> Iterator[_R]:
        """What `work`, which asks the predictor, makes of each item; on all cores if that may be asked by several."""
        return in_order(items, work) if getattr(self.predictor, "concurrent", False) else map(work, items)

    def answered(self, chunk: pa.RecordBatch, split: str | None) -> tuple[pa.RecordBatch, Counter[str]]:
        """A chunk's part of the table, and how many rows have unusable targets or answers that are not finite."""
        counts: Counter[str] = Counter()
        answers = self.predictor.answers(chunk)
        for name, values in answers.items():
            if values.dtype.kind == "f" and (bad := int((~np.isfinite(values)).reshape(len(chunk), -1).any(1).sum())):
                counts[f"nonfinite_predictions[{name}]"] += bad
        columns = {name: plain_column(chunk.column(name)) for name in self.keys}
        if self._has_split:
            columns[SPLIT] = pa.repeat(pa.scalar(split, pa.string()), len(chunk))
        for name, new in self._renamed.items():
            columns[new] = plain_column(chunk.column(name))
        for new, head in self._histories.items():
            assert head.history is not None
            before = chunk.column(head.history)
            columns[new] = pa.array(naive_errors(step_matrix(before, head.history), head.season), from_pandas=True)
        for name in {name for head in self.heads for name in head.targets}:
            usable = self._usable(name, chunk.column(name))
            if not usable.all():
                counts[f"unusable_targets[{name}]"] += int(np.count_nonzero(~usable))
                new = self._renamed[name]
                columns[new] = pc.if_else(pa.array(usable), columns[new], pa.scalar(None, columns[new].type))
        columns |= {name: answer_column(values) for name, values in answers.items()}
        schema = self.schema
        arrays = [columns[name].cast(schema.field(name).type) for name in schema.names]
        return pa.RecordBatch.from_arrays(arrays, schema=schema), counts

    def _usable(self, name: str, values: pa.Array) -> np.ndarray:
        if name in self._classes:
            return encode_classes(values, self._classes[name], name) >= 0
        for head in self.heads:
            if not head.exclusive and name in head.targets:
                alone = dataclasses.replace(head, targets=(name,))
                return label_truth([values], alone)[1]
        if pt.is_nested(values.type):
            return all_finite(step_matrix(values, name))
        return np.isfinite(numbers(values, name))
