"""FlatAnswers: answered rows with one column for each value of an answer, as files of text and databases take them."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from blocks.errors import warn
from blocks.evaluate.explanations.outputs import component_names
from blocks.evaluate.tables.answered_rows import AnsweredRows
from blocks.features.names import aside


class FlatAnswers:
    """A table that is never held: `probabilities` of two classes become `probabilities_no` and `probabilities_yes`.

    Args:
        answered: The rows.
    """

    def __init__(self, answered: AnsweredRows) -> None:
        self._answered = answered
        self._flat: set[str] = set()
        taken = set(answered.schema.names)
        described = answered.predictor.describe()
        fields: list[pa.Field] = []
        for field in answered.schema:
            if not pt.is_fixed_size_list(field.type) or field.name in answered.keys:
                fields.append(field)
                continue
            self._flat.add(field.name)
            for part in component_names(described, field.name, field.type.list_size):
                name = aside(f"{field.name}_{part}", taken)
                taken.add(name)
                fields.append(pa.field(name, field.type.value_type))
        self.schema = pa.schema(fields)

    def fingerprint(self) -> dict[str, Any]:
        """What identifies the rows, and their form."""
        return {**self._answered.fingerprint(), "flat": sorted(self._flat)}

    def chunks(self, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows; what could not be answered by a finite number is counted, and said at the end."""
        unusable: Counter[str] = Counter()
        count = 0
        for name in self._answered.splits:
            for raw in self._answered.raw_chunks(name, rows):
                chunk, counts = self._answered.answered(raw, name)
                unusable.update(counts)
                count += len(chunk)
                arrays = [array for field in chunk.schema for array in self._parts(field, chunk.column(field.name))]
                yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        if unusable:
            reasons = ", ".join(f"{number:,} {name}" for name, number in sorted(unusable.items()))
            warn(f"Of {count:,} rows answered: {reasons}.")

    def _parts(self, field: pa.Field, column: pa.Array) -> list[pa.Array]:
        if field.name not in self._flat:
            return [column]
        width = field.type.list_size
        values = column.flatten()  # answers are never null
        places = pa.array(range(0, len(values), width), pa.int64())
        return [values.slice(place).take(places) for place in range(width)]
