"""FlatAnswers: answered rows with one column for each value of an answer, as files of text and databases take them."""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from blocks.errors import warn
from blocks.evaluate.tables.answered_rows import AnsweredRows
from blocks.features.names import aside
from blocks.targets.description import HeadDescription

_Raw = tuple[str | None, pa.RecordBatch]


class FlatAnswers:
    """A table that is never held: `probabilities` of two classes become `probabilities_no` and `probabilities_yes`.

    Args:
        answered: The rows.
    """

    def __init__(self, answered: AnsweredRows) -> None:
        self._answered = answered
        self._flat: set[str] = set()
        taken = set(answered.schema.names)
        heads = [HeadDescription.from_json(head) for head in answered.predictor.describe()["heads"]]
        fields: list[pa.Field] = []
        for field in answered.schema:
            if not pt.is_fixed_size_list(field.type) or field.name in answered.keys:
                fields.append(field)
                continue
            self._flat.add(field.name)
            for part in _parts_of(heads, field.name, field.type.list_size):
                name = aside(f"{field.name}_{part}", taken)
                taken.add(name)
                fields.append(pa.field(name, field.type.value_type))
        self.schema = pa.schema(fields)

    def fingerprint(self) -> dict[str, Any]:
        """What identifies the rows, and their form."""
        return {**self._answered.fingerprint(), "flat": sorted(self._flat)}

    def chunks(self, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows; what could not be answered by a finite number is counted, and said at the end."""
        return self._flattened(self._raw_chunks(rows), 0)

    def since(self, row: int, rows: int) -> tuple[int, Iterator[pa.RecordBatch]]:
        """The rows from that of the chunk in which this one lies; none before is answered.

        Args:
            row: Its number, from 0.
            rows: Those of a chunk, on which the last bits of an answer may depend.

        Returns:
            The number of the first row, and batches.
        """
        raw, before = self._raw_chunks(rows), 0
        for name, chunk in raw:
            if row < before + len(chunk):
                return before, self._flattened(chain([(name, chunk)], raw), before)
            before += len(chunk)
        return before, iter(())

    def _raw_chunks(self, rows: int) -> Generator[_Raw]:
        for name in self._answered.splits:
            for chunk in self._answered.raw_chunks(name, rows):
                yield name, chunk

    def _flattened(self, raw: Iterator[_Raw], before: int) -> Iterator[pa.RecordBatch]:
        unusable: Counter[str] = Counter()
        count = 0
        for chunk, counts in self._answered.in_order(raw, self._flat_chunk):
            unusable.update(counts)
            count += len(chunk)
            yield chunk
        if unusable:
            reasons = ", ".join(f"{number:,} {name}" for name, number in sorted(unusable.items()))
            earlier = f" (without {before:,} of a call before)" if before else ""
            warn(f"Of {count:,} rows answered{earlier}: {reasons}.")

    def _flat_chunk(self, raw: _Raw) -> tuple[pa.RecordBatch, Counter[str]]:
        chunk, counts = self._answered.answered(raw[1], raw[0])
        arrays = [array for field in chunk.schema for array in self._parts(field, chunk.column(field.name))]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema), counts

    def _parts(self, field: pa.Field, column: pa.Array) -> list[pa.Array]:
        if field.name not in self._flat:
            return [column]
        width = field.type.list_size
        values = column.flatten()  # answers are never null
        places = pa.array(range(0, len(values), width), pa.int64())
        return [values.slice(place).take(places) for place in range(width)]


def _parts_of(heads: Sequence[HeadDescription], answer: str, width: int) -> Sequence[Any]:
    """What the values of an answer are called: by class or level where they are of these, or by place."""
    for head in heads:
        names: Sequence[Any] = ()
        if answer in (head.prefixed("probabilities"), head.prefixed("prediction_set")):
            names = head.targets if head.classes is None else head.classes
        elif answer == head.prefixed("quantiles"):
            names = head.levels or ()
            if names and width % len(names) == 0 and width > len(names):  # of each of several steps or targets
                names = [f"{place}_{level}" for place in range(width // len(names)) for level in names]
        if len(names) == width:
            return names
    return range(width)
