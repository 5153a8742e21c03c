"""Predict: answers for every row of a source, in chunks."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from blocks.data import Source
from blocks.data.chunking import worthwhile_rows
from blocks.data.schema import require_columns
from blocks.errors import EmptySource
from blocks.progress import Progress, Verbose

CHUNK_ROWS = 65_536


class Predictor(Protocol):
    """Anything that answers chunks of raw rows: an inference graph, an exported SavedModel, or a user's own.

    One that may be asked by several threads at once may say `concurrent = True`.

    Attributes:
        inputs: The raw columns that it reads.
    """

    @property
    def inputs(self) -> Sequence[str]:
        """The raw columns that it reads."""

    def answers(self, chunk: pa.RecordBatch) -> dict[str, np.ndarray]:
        """Every answer of a chunk that has at least the inputs, (rows, ...) each."""

    def describe(self) -> dict[str, Any]:
        """As JSON: `model`, a digest of all that decides the answers, and `heads`, as of `describe_heads`."""


def needed_columns(predictor: Predictor, source: Source, keep: Sequence[str] = ()) -> list[str]:
    """The columns to read of a source: the model's, and those to keep.

    Raises:
        SchemaMismatch: The source lacks one.
    """
    require_columns(predictor.inputs, source.schema.names, "The source, of what the model reads")
    require_columns(keep, source.schema.names, "predict")
    return list(dict.fromkeys([*predictor.inputs, *keep]))


def predict(predictor: Predictor, source: Source, *, verbose: Verbose) -> dict[str, np.ndarray]:
    """Every row's answers, in the source's order, each of shape (rows, ...).

    Args:
        predictor: What answers.
        source: Raw rows; columns that the predictor does not read are not needed.
        verbose: How much to show, as of Keras: "auto", 0, 1 or 2.

    Raises:
        SchemaMismatch: A column is missing or of another type.
        EmptySource: The source has no row.
    """
    columns = needed_columns(predictor, source)
    read = [source.schema.field(name) for name in columns]
    # where there are bytes, images say, so many rows of them may be gigabytes
    images = any(pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type) for field in read)
    rows = worthwhile_rows(pa.schema(read)) if images else CHUNK_ROWS
    parts: list[dict[str, np.ndarray]] = []
    with Progress("predict", source.estimated_rows(), verbose) as progress:
        for chunk in source.chunks(rows, columns=columns, encoded=True, exact=False):
            parts.append(predictor.answers(chunk))
            progress.advance(len(chunk))
    if not parts:
        raise EmptySource(f"There is nothing to predict. Received: {source!r} with no row.")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def plain_column(values: pa.Array) -> pa.Array:
    """A column without its dictionary."""
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def answer_column(values: np.ndarray) -> pa.Array:
    """An answer as an Arrow column: one value a row, or a list of fixed size."""
    if values.ndim == 1:
        return pa.array(values)
    width = int(np.prod(values.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), width)


def to_numpy(answers: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Answers as NumPy arrays, strings as str (as bytes where they are no UTF-8)."""
    return {name: _numpy(value.numpy()) for name, value in answers.items()}


def _numpy(array: np.ndarray) -> np.ndarray:
    if array.dtype != object:
        return array
    binary = pa.array(array.ravel(), pa.binary())
    try:
        return binary.cast(pa.string()).to_numpy(zero_copy_only=False).reshape(array.shape)
    except pa.ArrowInvalid:
        return array
