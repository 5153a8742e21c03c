"""Why a served model answers as it does: LIME on its own signature, around the row that was asked about."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.data.raw_arrays import to_raw
from blocks.evaluate.explanations.explain import explain
from blocks.serving.arrow_columns import arrow_column
from blocks.serving.background_rows import background_rows
from blocks.serving.column_inputs import IMAGE, input_of
from blocks.serving.request_error import RequestError
from blocks.serving.servable import Servable
from blocks.targets.description import with_head_prefix

SAMPLES = 1024


def explain_row(servable: Servable, row: Any) -> dict[str, Any]:
    """What each value of a row adds to the answer, as JSON.

    Args:
        servable: The model.
        row: As a request has it.

    Raises:
        RequestError: The row does not fit the model.
        BlocksError: It cannot be explained.
    """
    if type(row) is not dict:
        raise RequestError(400, "A row is an object of the columns' names and values.")
    matrices = servable.inputs.of_rows([row])
    background = background_rows(servable)
    asked = _table(servable, servable.unpack(matrices))
    output = _of_first_head(servable)
    found = explain(
        _Answering(servable), asked, background=_table(servable, background.rows), output=output, n_samples=SAMPLES
    )
    return {
        "output": found.output,
        "target": None if found.target is None else str(found.target),
        "prediction": found.prediction,
        "fidelity": found.fidelity,
        "background": background.said,
        "contributions": [
            {
                "column": one.column,
                "value": _said(one.value),
                "weight": one.weight,
            }
            for one in found.contributions
        ],
    }


def _of_first_head(servable: Servable) -> str | None:
    """Of several heads, the answer of the first; None where there is one, whose answer is meant."""
    if len(servable.heads) < 2:
        return None
    head = servable.heads[0]
    return with_head_prefix(head.name, "prediction" if head.classes is None else "probabilities")


def _table(servable: Servable, columns: Mapping[str, np.ndarray]) -> pa.Table:
    """Columns as they enter the graph as a table, in which bytes stay bytes."""
    raw = servable.inputs.raw
    binary = {name for name in raw if input_of(servable, name) == IMAGE}
    return pa.table({name: arrow_column(columns[name], one, binary=name in binary) for name, one in raw.items()})


def _said(value: Any) -> Any:
    """A value as JSON; whole numbers that JavaScript would round as text; of bytes how many."""
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    plain = isinstance(value, float | str | None) or (isinstance(value, int) and abs(value) <= 2**53)
    return value if plain else str(value)


class _Answering:
    """A servable in the role of a `Predictor`."""

    def __init__(self, servable: Servable) -> None:
        self._servable = servable

    @property
    def inputs(self) -> Sequence[str]:
        """The raw columns."""
        return list(self._servable.inputs.raw)

    def answers(self, chunk: pa.RecordBatch) -> dict[str, np.ndarray]:
        """The answers of a chunk; not through the queue, since nobody's request is to wait for it."""
        raw = self._servable.inputs.raw
        columns = {name: to_raw(chunk.column(name), one, name) for name, one in raw.items()}
        return self._servable.run(self._servable.pack(columns))

    def describe(self) -> dict[str, Any]:
        """The heads."""
        return {"model": "", "heads": self._servable.manifest["heads"]}
