"""LoggedRows: rows of one request that the prediction log keeps, and many of them as one Arrow table."""

import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.evaluate.tables.table_description import Description
from blocks.features.names import aside
from blocks.inference.predictor import answer_column
from blocks.inspection.column_kinds import Holds
from blocks.serving.arrow_columns import arrow_column
from blocks.serving.servable import Servable

MODEL, VERSION, TIME = BESIDE = ("model", "version", "time")
"""What is written beside keys, columns and answers."""

_OBJECT_BYTES: Final = 120
"""What an array or a text takes beside its content, about."""


@dataclasses.dataclass(frozen=True, slots=True)
class LoggedRows:
    """Rows with their answers, copied out of a batch.

    Attributes:
        servable: What answered.
        microseconds: When, since 1970 UTC.
        inputs: The packed rows.
        keys: Of each row.
        answers: Of each row.
        rows: How many.
        size: The bytes that they take, about.
    """

    servable: Servable
    microseconds: int
    inputs: Mapping[str, np.ndarray]
    keys: Mapping[str, Sequence[str | None]]
    answers: Mapping[str, np.ndarray]
    rows: int
    size: int

    @classmethod
    def of(
        cls,
        servable: Servable,
        chosen: np.ndarray,
        inputs: Mapping[str, np.ndarray],
        keys: Mapping[str, Sequence[str | None]],
        answers: Mapping[str, np.ndarray],
    ) -> Self:
        """The chosen rows of a request that was answered now."""
        kept = {name: values[chosen] for name, values in inputs.items()}
        answered = {name: values[chosen] for name, values in answers.items()}
        known = {name: [values[row] for row in chosen] for name, values in keys.items()}
        size = sum(map(_bytes, (*kept.values(), *answered.values())))
        size += sum(_OBJECT_BYTES + len(text or "") for texts in known.values() for text in texts)
        return cls(servable, time.time_ns() // 1000, kept, known, answered, len(chosen), size)


def _bytes(values: np.ndarray) -> int:
    texts = sum(_OBJECT_BYTES + len(one) for one in values.ravel().tolist()) if values.dtype == object else 0
    return _OBJECT_BYTES + int(values.nbytes) + texts


def logged_table(held: Sequence[LoggedRows], keys: Sequence[str]) -> pa.Table:
    """Rows that one version answered, as a table that says of itself what a prediction table says.

    Args:
        held: At least one request's.
        keys: Those that the operator chose.

    Returns:
        Keys, the model's columns, answers, model, version, time; answers stand aside where a column has their name.
    """
    servable = held[0].servable
    raw = servable.inputs.raw
    columns: dict[str, pa.Array] = {}
    for key in keys:
        if key not in raw:
            columns[key] = pa.array(
                [text for one in held for text in one.keys.get(key, [None] * one.rows)], pa.string()
            )
    inputs = servable.unpack({name: _joined([one.inputs[name] for one in held]) for name in held[0].inputs})
    for name, column in raw.items():
        holds = servable.trained_on.get(name)
        binary = holds is not None and holds.kind == "bytes" and not holds.is_list
        columns[name] = _as_trained(arrow_column(inputs[name], column, binary=binary), holds)
    for name in sorted(held[0].answers):
        columns[aside(name, columns)] = _answer(_joined([one.answers[name] for one in held]))
    counts = [one.rows for one in held]
    times = np.repeat([one.microseconds for one in held], counts)
    columns[aside(MODEL, columns)] = pa.array([servable.model] * len(times), pa.string())
    columns[aside(VERSION, columns)] = pa.array(np.full(len(times), servable.version), pa.int64())
    columns[aside(TIME, columns)] = pa.array(times, pa.timestamp("us", "UTC"))
    # the truth is not known yet: whoever brings it names it
    heads = tuple(dataclasses.replace(head, targets=(), sample_weight=None, columns={}) for head in servable.heads)
    table = pa.table(columns)
    return table.cast(Description(heads, {"keys": [*keys]}).added_to(table.schema))


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _as_trained(values: pa.Array, holds: Holds | None) -> pa.Array:
    """Values of the family that training rows had, where the graph's is wider."""
    if holds is None:
        return values
    if holds.kind == "boolean" and not holds.is_list:
        return pc.not_equal(values, 0)
    if holds.kind == "integer" and holds.is_list:
        try:
            return values.cast(pa.list_(pa.int64()))
        except pa.ArrowInvalid:  # a request sent texts
            return values
    return values


def _answer(values: np.ndarray) -> pa.Array:
    if values.dtype != object:
        return answer_column(values)
    texts = pa.array(values.ravel(), pa.binary())
    with contextlib.suppress(pa.ArrowInvalid):
        texts = texts.cast(pa.string())
    width = int(np.prod(values.shape[1:]))
    return texts if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(texts, width)
