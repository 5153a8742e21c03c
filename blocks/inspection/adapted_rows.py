"""Adapted rows: what a model keeps of the rows that it was adapted on, and how that goes into its files.

What is expected of rows like these (a schema), how they were divided off from others, and what drift is told from.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import pyarrow as pa

from blocks.data.splitting.division_record import in_words
from blocks.errors import InvalidArgument
from blocks.inspection.column_kinds import kind_of
from blocks.inspection.drift.drift_reference import DriftReference
from blocks.inspection.observed_columns import ObservedColumns
from blocks.inspection.schema.column_schema import ColumnSchema
from blocks.inspection.schema.schema_file import from_json, to_json
from blocks.inspection.schema.schema_inference import inferred
from blocks.inspection.schema.table_schema import Schema

_MIN_COUNT = 5
_MAX_TOKENS = 100


@dataclasses.dataclass
class AdaptedRows:
    """What is kept; None of what is not known, or was turned off.

    Attributes:
        schema: What is expected of the columns that the model takes; its targets may be absent.
        splits: How the rows were divided off from others, as of `Source.divisions`.
        reference: What drift is told from.
        stored: Its bytes, as long as nobody asked for it.
    """

    schema: Schema | None = None
    splits: list[dict[str, Any]] | None = None
    reference: DriftReference | None = None
    stored: bytes | None = None

    def read_stored(self) -> None:
        """Make the reference of the bytes that a file held of it, once it is asked for."""
        if self.stored is not None:
            self.reference, self.stored = DriftReference.from_bytes(self.stored), None

    def copy(self) -> "AdaptedRows":
        """The same, whose schema is edited apart."""
        twin = AdaptedRows.from_config(self.get_config())
        twin.reference, twin.stored = self.reference, self.stored
        return twin

    def keep(self, observed: ObservedColumns, types: pa.Schema, targets: tuple[str, ...]) -> None:
        """Keep what was observed.

        Args:
            observed: Columns whose rows were all seen.
            types: Of the columns that a model takes, and its targets; of those that were not seen, the kind is known.
            targets: Columns that rows may lack.
        """
        results = observed.results()
        self.schema = Schema()
        for field in types:
            holds = kind_of(field.type)
            column = ColumnSchema(*holds)
            if field.name in results:
                column = inferred(holds, results[field.name], _MIN_COUNT, _MAX_TOKENS)
                numbers = results[field.name].get("moments")
                if numbers is not None and numbers.count < _MIN_COUNT:  # whose ends tell of single rows
                    column.min = column.max = None
            self.schema[field.name] = column
            if field.name in targets:
                column.min_fraction = 0.0
        self.reference = DriftReference.of(observed, targets)

    def get_config(self) -> dict[str, Any]:
        """The schema and the splits as JSON holds them; the reference goes into a file of its own."""
        schema = None if self.schema is None else to_json(checked_schema(self.schema))
        return {"schema": schema, "splits": self.splits}

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> Self:
        """What `get_config` described; nothing in files of before."""
        config = config or {}
        schema = config.get("schema")
        columns = None if schema is None else Schema(from_json(schema, "of the model"))
        return cls(columns, config.get("splits"))

    def describe(self) -> list[str]:
        """What is kept, in words, a line each."""
        lines = [f"  rows: {in_words(split)}" for split in self.splits or ()]
        if self.schema is not None:
            lines.append(f"  schema of {len(self.schema)} columns: model.schema")
        self.read_stored()
        if self.reference is not None:
            answers = "columns and answers" if self.reference.answers else "columns"
            lines.append(f"  reference of {answers} for blocks.evaluate.drift(model, rows)")
        return ["adapted on", *lines] if lines else []


def checked_schema(schema: Any) -> Schema:
    """A schema that makes sense.

    Raises:
        InvalidArgument: It is none, or makes no sense.
    """
    if not isinstance(schema, Schema):
        raise InvalidArgument(f"schema is a blocks.Schema, or None for none. Received: {type(schema).__name__}.")
    for name, column in schema.items():
        column.require_sense(name)
    return schema


class KeepsAdaptedRows:
    """What a `blocks.Model` says of the rows that it was adapted on."""

    @property
    def _adapted_rows(self) -> AdaptedRows:
        raise NotImplementedError

    @property
    def schema(self) -> Schema | None:
        """What is expected of rows: a `blocks.Schema` of the columns that the model takes and its targets, or None.

        `adapt` infers it, in the pass that it makes anyway, as `Schema.infer` does; edit its columns, or set another.
        It is saved and exported with the model, where requests are checked against it (`blocks.inspection.
        request_check`): it names texts that 5 rows hold at least. Set it to None to keep none; models of before have
        none, nor have those that continued statistics of before (`adapt(..., initial=...)`).
        """
        return self._adapted_rows.schema

    @schema.setter
    def schema(self, schema: Schema | None) -> None:
        self._adapted_rows.schema = None if schema is None else checked_schema(schema)

    @property
    def splits(self) -> list[dict[str, Any]] | None:
        """How the rows that `adapt` was given had been divided off from others, as of `Source.divisions`.

        `source.split(**model.splits[0]["arguments"])` divides the same source to the same rows again. An empty list
        where they were not divided; None of models that are not adapted, or of before.
        """
        return self._adapted_rows.splits

    @property
    def drift_reference(self) -> DriftReference | None:
        """What `blocks.evaluate.drift(model, rows)` compares with; set it to None to keep none.

        Means, counts, distributions at some edges, frequent texts: of 5 rows at least, whatever is told. Answers that
        the model of now would not give are left out: call `keep_answers` again.
        """
        rows = self._adapted_rows
        rows.read_stored()
        if rows.reference is not None and rows.reference.answers and rows.reference.answered_by != self._answering():
            return rows.reference.with_answers({}, "")
        return rows.reference

    @drift_reference.setter
    def drift_reference(self, reference: DriftReference | None) -> None:
        if reference is not None and not isinstance(reference, DriftReference):
            raise InvalidArgument(
                f"drift_reference is another model's, or None for none. Received: {type(reference).__name__}."
            )
        self._adapted_rows.reference, self._adapted_rows.stored = reference, None

    def _answering(self) -> str:
        """A digest of what decides the model's answers."""
        raise NotImplementedError
