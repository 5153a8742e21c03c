"""Predict: answers for every row of a source, in chunks, into memory or straight to Parquet."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from blocks.data import Source
from blocks.data.schema import require_columns
from blocks.errors import EmptySource, InvalidArgument, SchemaMismatch
from blocks.files.durable import whole_file
from blocks.files.refusals import explained
from blocks.progress import Progress, Verbose

CHUNK_ROWS = 65_536


class Predictor(Protocol):
    """Anything that answers chunks of raw rows: an inference graph, an exported SavedModel, or a user's own.

    Attributes:
        inputs: The raw columns that it reads.
    """

    @property
    def inputs(self) -> Sequence[str]:
        """The raw columns that it reads."""

    def answers(self, chunk: pa.RecordBatch) -> dict[str, np.ndarray]:
        """Every answer of a chunk that has at least the inputs, (rows, ...) each."""

    def describe(self) -> dict[str, Any]:
        """As JSON: `model`, a digest of everything that decides the answers, and `heads`, as `describe_head` gives."""


def predict_chunks(
    predictor: Predictor, source: Source, *, keep: Sequence[str] = ()
) -> Iterator[tuple[pa.RecordBatch, dict[str, np.ndarray]]]:
    """Chunks of a source with their answers.

    Args:
        predictor: What answers.
        source: Raw rows; columns that the model does not read are not needed.
        keep: Columns to read along.

    Returns:
        Pairs of the chunk, with the model's columns and those kept, and its answers.

    Raises:
        SchemaMismatch: A column is missing or of another type.
    """
    columns = needed_columns(predictor, source, keep)
    for chunk in source.chunks(CHUNK_ROWS, columns=columns, encoded=True, exact=False):
        yield chunk, predictor.answers(chunk)


def needed_columns(predictor: Predictor, source: Source, keep: Sequence[str]) -> list[str]:
    """The columns to read of a source: the model's, and those to keep.

    Raises:
        SchemaMismatch: The source lacks one.
    """
    present = set(source.schema.names)
    absent = [name for name in predictor.inputs if name not in present]
    if absent:
        raise SchemaMismatch(
            f"The source lacks {', '.join(map(repr, absent))}. It has: {', '.join(source.schema.names)}."
        )
    require_columns(keep, source.schema.names, "predict")
    return list(dict.fromkeys([*predictor.inputs, *keep]))


def predict(predictor: Predictor, source: Source, *, verbose: Verbose) -> dict[str, np.ndarray]:
    """Every row's answers, in the source's order, each of shape (rows, ...).

    Raises:
        EmptySource: The source has no row.
    """
    parts: list[dict[str, np.ndarray]] = []
    with Progress("predict", source.estimated_rows(), verbose) as progress:
        for chunk, answers in predict_chunks(predictor, source):
            parts.append(answers)
            progress.advance(len(chunk))
    if not parts:
        raise EmptySource(f"There is nothing to predict. Received: {source!r} with no row.")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def predict_to_parquet(
    predictor: Predictor,
    source: Source,
    path: str | os.PathLike[str],
    *,
    keep: Sequence[str] = (),
    verbose: Verbose,
) -> None:
    """Write the kept columns and every answer to one Parquet file, a chunk at a time.

    The file appears under its name only when it is whole.

    Raises:
        EmptySource: The source has no row.
        InvalidArgument: A column to keep has the name of an answer.
        WriteError: The operating system keeps the file from being written.
    """
    with explained(path), whole_file(path) as file, ExitStack() as closing:
        writer: Any = None
        with Progress("predict", source.estimated_rows(), verbose) as progress:
            for chunk, answers in predict_chunks(predictor, source, keep=keep):
                if clash := [name for name in keep if name in answers]:
                    raise InvalidArgument(
                        f"A key has no answer's name: {', '.join(answers)}. Received: {clash[0]!r}. Rename it."
                    )
                arrays = {name: plain_column(chunk.column(name)) for name in keep}
                arrays |= {name: answer_column(values) for name, values in answers.items()}
                table = pa.table(arrays)
                if writer is None:
                    writer = closing.enter_context(pq.ParquetWriter(file, table.schema))
                writer.write_table(table)
                progress.advance(len(chunk))
        if writer is None:
            raise EmptySource(f"There is nothing to predict. Received: {source!r} with no row.")


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
