"""Why a served model answers as it does: LIME on its own signature, around the row that was asked about."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.data.raw_arrays import to_raw
from blocks.data.raw_columns import LIST_SEPARATOR, MISSING_INT, RawColumn
from blocks.evaluate.explanations.explain import explain
from blocks.serving.request_error import RequestError
from blocks.serving.servable import Servable

SAMPLES = 1024
BACKGROUND = "The other rows are the export's golden rows, made up of what the model has learned."


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
    background = _table(servable, servable.golden_rows)
    asked = _table(servable, servable.unpack(matrices))
    found = explain(_Answering(servable), asked, background=background, n_samples=SAMPLES)
    return {
        "output": found.output,
        "target": None if found.target is None else str(found.target),
        "prediction": found.prediction,
        "fidelity": found.fidelity,
        "background": BACKGROUND,
        "contributions": [
            {
                "column": one.column,
                "value": _said(one.value),
                "weight": one.weight,
            }
            for one in found.contributions
        ],
    }


def _said(value: Any) -> Any:
    """A value as JSON; whole numbers that JavaScript would round as text."""
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


_TIMES = {
    "timestamp": pa.timestamp("us"),
    "timestamp_utc": pa.timestamp("us", "UTC"),
    "instant": pa.timestamp("us"),
    "time": pa.time64("us"),
    "duration": pa.duration("us"),
}


def _table(servable: Servable, columns: Mapping[str, np.ndarray]) -> pa.Table:
    return pa.table({name: _column(columns[name], raw) for name, raw in servable.inputs.raw.items()})


def _column(values: np.ndarray, raw: RawColumn) -> pa.Array:
    """A column of the graph as Arrow's, with nulls for what is missing."""
    if raw.shape:
        flat = _column(values.reshape(-1), RawColumn(raw.kind))
        for size in reversed(raw.shape):
            flat = pa.FixedSizeListArray.from_arrays(flat, size)
        return flat
    if raw.dtype == "string":
        texts = [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in values.tolist()]
        if raw.kind == "list":
            return pa.array(
                [None if not one else one.split(LIST_SEPARATOR)[1:] for one in texts], pa.list_(pa.string())
            )
        return pa.array([one or None for one in texts], pa.string())
    if raw.dtype == "int64":
        missing = values == MISSING_INT
        if raw.kind == "time":  # golden rows hold times of day that no clock shows
            missing |= (values < 0) | (values >= 86_400_000_000)
        return pa.array(values, pa.int64(), mask=missing).cast(_TIMES.get(raw.kind, pa.int64()))
    return pa.array(values, raw.dtype, mask=np.isnan(values))
