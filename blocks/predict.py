"""Predict: answers for every row of a source, in chunks, into memory or straight to Parquet."""

import functools
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from blocks.block import fingerprint, without_names
from blocks.data import Source
from blocks.data.schema import require_columns
from blocks.errors import EmptySource, SchemaMismatch
from blocks.heads import describe_heads
from blocks.progress import Progress
from blocks.road import Road, to_numpy
from blocks.transform import Transform

CHUNK_ROWS = 65_536


class Predictor(Protocol):
    """Anything that answers chunks of raw rows: a road, an exported SavedModel, or a user's own.

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


class RoadPredictor:
    """A road, ready to answer chunks by the preprocessor's fast path.

    Args:
        road: The parts to predict with.
        transform: The preprocessor's fast path; made from the road's preprocessor.
        batch_size: Rows that go through the core at once.
    """

    def __init__(self, road: Road, transform: Transform, batch_size: int = 8192) -> None:
        self._road, self._transform, self._batch_size = road, transform, batch_size

    @property
    def inputs(self) -> Sequence[str]:
        """The raw columns that the preprocessor reads."""
        return list(self._transform.inputs)

    def answers(self, chunk: pa.RecordBatch) -> dict[str, np.ndarray]:
        """Every answer of a chunk."""
        features, size = self._transform(chunk), self._batch_size
        parts = [
            to_numpy(self._road.answers({name: values[start : start + size] for name, values in features.items()}))
            for start in range(0, len(chunk), size)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def describe(self) -> dict[str, Any]:
        """The road's digest and its heads."""
        return {"model": self._digest, "heads": describe_heads(self._road.head)}

    @functools.cached_property
    def _digest(self) -> str:
        road = self._road
        digest = hashlib.blake2b(digest_size=16)
        chained = [block for chain in road.chains.values() for block in chain]
        digest.update(fingerprint(road.preprocessor, road.head, *chained).encode())
        for layer in road.core.layers:
            config = without_names(keras.saving.serialize_keras_object(layer))
            digest.update(json.dumps(config, sort_keys=True, default=str).encode())
        for variable in road.core.variables:
            digest.update(np.ascontiguousarray(variable).tobytes())
        return digest.hexdigest()

    def stages(self, head: str = "") -> list[tuple[str, "RoadPredictor"]]:
        """The road with no postprocessor of a head, then with one more each time; named by the last block."""
        road, found = self._road, []
        chain = road.chains[head]
        for count in range(len(chain) + 1):
            name = type(chain[count - 1] if count else road.head.heads[head]).__name__
            parts = {**road.chains, head: chain[:count]}
            part = Road(road.preprocessor, road.core, road.head, parts.get("", parts))
            found.append((name, RoadPredictor(part, self._transform, self._batch_size)))
        return found


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
    absent = [name for name in predictor.inputs if name not in source.schema.names]
    if absent:
        raise SchemaMismatch(
            f"The source lacks {', '.join(map(repr, absent))}. It has: {', '.join(source.schema.names)}."
        )
    require_columns(keep, source.schema.names, "predict")
    return list(dict.fromkeys([*predictor.inputs, *keep]))


def predict(predictor: Predictor, source: Source, *, verbose: bool | None) -> dict[str, np.ndarray]:
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
            for chunk, answers in predict_chunks(predictor, source, keep=keep):
                arrays = {name: plain_column(chunk.column(name)) for name in keep}
                arrays |= {name: answer_column(values) for name, values in answers.items()}
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


def plain_column(values: pa.Array) -> pa.Array:
    """A column without its dictionary."""
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def answer_column(values: np.ndarray) -> pa.Array:
    """An answer as an Arrow column: one value a row, or a list of fixed size."""
    if values.ndim == 1:
        return pa.array(values)
    width = int(np.prod(values.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), width)
