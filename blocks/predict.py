"""Predict: answers for every row of a source, in chunks, into memory or straight to Parquet."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from blocks.data import Source
from blocks.errors import EmptySource, SchemaMismatch
from blocks.progress import Progress
from blocks.road import Road, to_numpy
from blocks.transform import Transform

CHUNK_ROWS = 65_536


def predict_chunks(
    road: Road, transform: Transform, source: Source, *, batch_size: int, keep: Sequence[str] = ()
) -> Iterator[tuple[pa.RecordBatch, dict[str, np.ndarray]]]:
    """Chunks of a source with their answers.

    Args:
        road: The parts to predict with.
        transform: The preprocessor's fast path; made from the road's preprocessor.
        source: Raw rows; columns that the model does not read are not needed.
        batch_size: Rows that go through the core at once.
        keep: Columns to read along.

    Returns:
        Pairs of the chunk, with the model's columns and those kept, and its answers.

    Raises:
        SchemaMismatch: A column is missing or of another type.
    """
    columns = list(dict.fromkeys([*transform.inputs, *keep]))
    absent = [name for name in columns if name not in source.schema.names]
    if absent:
        raise SchemaMismatch(
            f"The source lacks {', '.join(map(repr, absent))}. It has: {', '.join(source.schema.names)}."
        )
    for chunk in source.chunks(CHUNK_ROWS, columns=columns, encoded=True, exact=False):
        features = transform(chunk)
        parts = [
            to_numpy(road.answers({name: values[start : start + batch_size] for name, values in features.items()}))
            for start in range(0, len(chunk), batch_size)
        ]
        yield chunk, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def predict(
    road: Road, transform: Transform, source: Source, *, batch_size: int, verbose: bool | None
) -> dict[str, np.ndarray]:
    """Every row's answers, in the source's order, each of shape (rows, ...).

    Raises:
        EmptySource: The source has no row.
    """
    parts: list[dict[str, np.ndarray]] = []
    with Progress("predict", source.estimated_rows(), verbose) as progress:
        for chunk, answers in predict_chunks(road, transform, source, batch_size=batch_size):
            parts.append(answers)
            progress.advance(len(chunk))
    if not parts:
        raise EmptySource(f"There is nothing to predict. Received: {source!r} with no row.")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def predict_to_parquet(
    road: Road,
    transform: Transform,
    source: Source,
    path: str | os.PathLike[str],
    *,
    keep: Sequence[str] = (),
    batch_size: int,
    verbose: bool | None,
) -> None:
    """Write the kept columns and every answer to one Parquet file, a chunk at a time.

    The file appears under its name only when it is whole.

    Raises:
        EmptySource: The source has no row.
    """
    final = Path(path)
    aside = final.with_name(f".{final.name}.{os.getpid()}.part")
    writer: Any = None
    try:
        with Progress("predict", source.estimated_rows(), verbose) as progress:
            for chunk, answers in predict_chunks(road, transform, source, batch_size=batch_size, keep=keep):
                arrays = {name: _plain(chunk.column(name)) for name in keep}
                arrays |= {name: _column(values) for name, values in answers.items()}
                table = pa.table(arrays)
                if writer is None:
                    writer = pq.ParquetWriter(aside, table.schema)
                writer.write_table(table)
                progress.advance(len(chunk))
        if writer is None:
            raise EmptySource(f"There is nothing to predict. Received: {source!r} with no row.")
        writer.close()
        os.replace(aside, final)
    finally:
        if writer is not None:
            writer.close()
        aside.unlink(missing_ok=True)


def _plain(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _column(values: np.ndarray) -> pa.Array:
    """An answer as an Arrow column: one value a row, or a list of fixed size."""
    if values.ndim == 1:
        return pa.array(values)
    width = int(np.prod(values.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), width)
