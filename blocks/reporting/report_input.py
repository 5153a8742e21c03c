"""ReportInput: what a report is of: a model and its splits, or a store; and its prediction tables, made once."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from blocks.data import Source, read
from blocks.data.sample import sample
from blocks.data.split_rows import as_splits
from blocks.errors import InvalidArgument
from blocks.evaluate.answering import as_predictor
from blocks.evaluate.tables.grouping import By
from blocks.evaluate.tables.prediction_table import by_columns
from blocks.evaluate.tables.table_description import Description
from blocks.inference.graph import InferenceGraph
from blocks.reporting.judged_tables import write_table_of_rows, write_table_of_store
from blocks.store import Store
from blocks.targets.description import HeadDescription

BESIDE_ROWS = 20_000
"""Rows of the splits beside the judged one that are predicted, for comparison."""


@dataclass
class ReportInput:
    """A model and the rows that it is judged on.

    Args:
        model: A `blocks.Model`, or the folder of an exported SavedModel.
        sources: Raw rows by split; empty where a store was given.
        store: Where no raw rows are given.
        judged: The name of the split that is judged.
        by: Columns of groups, as of `blocks.evaluate.metrics`.
        rows: How many raw rows are drawn where not all are needed.
        seed: Decides which.
        shows_rows: Whether what tells of single rows may be told.
        tables: Prediction tables by split: files.
    """

    model: Any
    sources: dict[str, Source]
    store: Store | None
    judged: str
    by: By
    rows: int
    seed: int
    shows_rows: bool = True
    tables: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Any, data: Any, by: By, rows: int, seed: int, shows_rows: bool = True) -> "ReportInput":
        """What a user gives to be reported on.

        Raises:
            InvalidArgument: The rows are none, or a store is to be read by an exported SavedModel.
        """
        if not isinstance(data, Store):
            sources = {name or "data": source for name, source in as_splits(data).items()}
            return cls(model, sources, None, _judged(list(sources)), by, rows, seed, shows_rows)
        if isinstance(model, str | os.PathLike) or by:
            raise InvalidArgument(
                "A store holds features alone: it is judged with a blocks.Model, and without groups. "
                f"Received: {'by=' + repr(by) if by else model!r}. Give the splits' raw rows."
            )
        return cls(model, {}, data, _judged(list(data.splits)), None, rows, seed, shows_rows)

    @property
    def exported(self) -> bool:
        """Whether the model is the folder of a SavedModel."""
        return isinstance(self.model, str | os.PathLike)

    @property
    def training(self) -> str:
        """The split that the model was trained on, as its name says; the judged one where none does."""
        return next((name for name in self.sources if name.startswith("train")), self.judged)

    @property
    def predictor(self) -> Any:
        """What answers raw rows."""
        return as_predictor(self.model)

    @property
    def graph(self) -> InferenceGraph:
        """The parts of a `blocks.Model`: preprocessor, core, head and postprocessors."""
        found: InferenceGraph = self.model.graph
        return found

    @property
    def heads(self) -> list[HeadDescription]:
        """The model's heads."""
        return [HeadDescription.from_json(head) for head in self.predictor.describe()["heads"]]

    @property
    def answers(self) -> list[str]:
        """The names of the model's answers."""
        schema = pq.read_schema(self.table)
        described = Description.of_schema(schema)
        heads = self.heads if described is None else described.heads
        beside = {name for head in heads for name in (*head.target_columns(), head.sample_weight)}
        return [name for name in schema.names if name not in {*beside, *by_columns(self.by, schema.names)}]

    @property
    def table(self) -> Path:
        """The prediction table of the judged split."""
        return self.tables[self.judged]

    def background(self) -> pa.Table:
        """Raw rows to draw other values from, of the training split."""
        return sample(self.sources[self.training], seed=self.seed)

    def judged_sample(self, rows: int) -> pa.Table:
        """Raw rows of the judged split, so many at most."""
        return sample(self.sources[self.judged], rows, seed=self.seed)

    def predict(self, folder: Path) -> None:
        """Write the prediction tables: the judged split in full, raw splits beside it by a sample."""
        if self.store is not None:
            self.tables[self.judged] = folder / "judged.parquet"
            write_table_of_store(self.graph, self.heads, self.store[self.judged], self.tables[self.judged])
        for place, (name, source) in enumerate(self.sources.items()):
            if name != self.judged:
                source = read(sample(source, BESIDE_ROWS, seed=self.seed))
            self.tables[name] = folder / f"{place}.parquet"
            write_table_of_rows(self.predictor, source, self.by, self.tables[name])


def _judged(names: Sequence[str]) -> str:
    """The split to judge: held-out rows where the names tell them."""
    if not names:
        raise InvalidArgument("A report is of rows. Received: no split.")
    for wanted in ("test", "valid", "holdout"):
        found = [name for name in names if name.startswith(wanted)]
        if found:
            return found[0]
    return names[-1]
