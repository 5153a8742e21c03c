"""Prediction table: every row's keys, split, target and full answers on disk; written aside, resumed, published whole.

While it is written, a folder PATH.partial holds the plan and one Arrow file for each chunk of rows that is answered.
The same call goes on with the chunks that are not there yet. All go into one file aside, which is renamed at the end.
"""

import contextlib
import dataclasses
import json
import os
import shutil
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc as paipc
import pyarrow.parquet as pq

from blocks.arguments import check_whole_number, checked
from blocks.data import read
from blocks.data.split_rows import as_splits
from blocks.errors import InvalidArgument, MalformedData, StoreMismatch, warn
from blocks.evaluate.answering import as_predictor
from blocks.evaluate.scoring.head_reader import CHUNK_ROWS
from blocks.evaluate.tables.answered_rows import AnsweredRows
from blocks.evaluate.tables.parquet_table import ParquetTable
from blocks.evaluate.tables.prediction_table import PredictionTable
from blocks.evaluate.tables.sqlite import SqliteTable, SqliteWriter, is_sqlite
from blocks.evaluate.tables.table_description import Description
from blocks.files import durable
from blocks.files.lock import locked
from blocks.files.write_errors import explained
from blocks.progress import Progress, Verbose, announce, check_verbose
from blocks.statistics import hash_rows

KEY_ROWS = 1 << 22
"""Rows among which keys are checked to be different, 8 bytes each."""

_PLAN = "plan.json"
_COUNTS = b"counts"


@checked()
def predict_table(
    model: Any,
    data: Any,
    path: str | os.PathLike[str],
    *,
    keys: Sequence[str] = (),
    targets: bool = True,
    split: str | None = None,
    overwrite: bool = False,
    verbose: Verbose = "auto",
    chunk_rows: int = CHUNK_ROWS,
) -> PredictionTable:
    """Write every row's keys, split, target and full answers to a file; that table again.

    Bounded memory. Killed at any moment, the same call goes on where it was, and the file appears under its name only
    when it is whole. A file that holds this table already is left as it is. The file says what it is of (heads,
    classes, model, source), so that `blocks.evaluate` needs nothing else.

    A target stands under its own name, or as target_NAME where an answer has that name. A target that is missing, not
    finite, or of a class that the model does not know is null, and counted; so are answers that are not finite.

    Args:
        model: A `blocks.Model`, the folder of an exported SavedModel, or any `blocks.inference.predictor.Predictor`.
        data: Rows (anything that `blocks.read` takes), or a dict of splits; these add a column `split`.
        path: A Parquet file, or an SQLite database where it ends with .db, .sqlite or .sqlite3.
        keys: Columns of `data` to keep, to know rows by.
        targets: Whether to keep the heads' targets and weights.
        split: The name of the split that `data` is, for the column `split`.
        overwrite: Replace a table of another model or source instead of refusing.
        verbose: How much to show, as of Keras: "auto", 0, 1 or 2.
        chunk_rows: Rows that are answered and made safe at once.

    Returns:
        The table.

    Raises:
        StoreMismatch: The file, or what is unfinished of it, is of another model, source, keys or targets.
        StoreLocked: Another process writes it.
        SchemaMismatch, InvalidArgument: As they say.

    Example:
        >>> import blocks, tempfile
        >>> from blocks import classifiers, preprocessors
        >>> rows = {"id": np.arange(64), "x": np.linspace(-1, 1, 64), "sold": np.repeat(["no", "yes"], 32)}
        >>> columns = preprocessors.Columns({"x": preprocessors.Standardize()})
        >>> model = blocks.Model(columns, head=classifiers.Softmax("sold"), seed=0)
        >>> _ = model.adapt(rows)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     predict_table(model, rows, f"{folder}/table.parquet", keys=["id"]).schema.names
        ['id', 'sold', 'probabilities']
    """
    final, verbose = Path(path), check_verbose(verbose)
    if final.suffix.lower() not in ("", ".parquet", ".pq") and not is_sqlite(final):
        raise InvalidArgument(f"A table is a file .parquet, .db, .sqlite or .sqlite3. Received: {str(path)!r}.")
    chunk_rows = check_whole_number("chunk_rows", chunk_rows, 1)
    answered = AnsweredRows(as_predictor(model), as_splits(data, split), keys=keys, targets=targets)
    if nested := [name for name in answered.keys if pa.types.is_nested(answered.schema.field(name).type)]:
        raise InvalidArgument(f"A key is a column of single values. Received: {nested[0]!r}, of lists.")
    plan = json.loads(json.dumps(answered.plan()))
    aside = final.with_name(f"{final.name}.partial")
    with explained(final):
        if final.exists() and not overwrite:
            _require(final, _plan_of(final), plan)
            shutil.rmtree(aside, ignore_errors=True)  # of a call that was killed when all was done
            announce(f"{final}: this table is there already, nothing is done", verbose)
            return _open(final, answered)
        aside.mkdir(parents=True, exist_ok=True)
        with locked(aside):
            _begin(aside, {**plan, "chunk_rows": chunk_rows}, overwrite)
            _write(final, aside, answered, plan, chunk_rows, verbose)
        shutil.rmtree(aside)
    return _open(final, answered)


def _begin(aside: Path, plan: dict[str, Any], overwrite: bool) -> None:
    """Take up what is there, or begin anew."""
    file = aside / _PLAN
    try:
        begun = json.loads(file.read_bytes()) if file.exists() else None
    except (ValueError, RecursionError):
        begun = {}  # damaged: it says nothing that fits
    if begun == plan:
        return
    if begun is not None and not overwrite:
        _require(aside, begun, plan)
    for part in (*aside.glob("*.arrow"), *aside.glob("*.parquet")):  # Parquet by versions of before
        part.unlink()
    durable.write_text(file, json.dumps(plan))


def _require(path: Path, found: dict[str, Any] | None, plan: dict[str, Any]) -> None:
    names = ("model", "source", "keys", "targets", "chunk_rows")
    known = found if isinstance(found, dict) else {}
    differs = [name for name in names if name in plan and known.get(name) != plan[name]]
    if found is None or differs:
        what = f"is of another {', '.join(differs)}" if found is not None else "is no prediction table of blocks"
        raise StoreMismatch(f"{path} {what}. Choose another path, or replace it: overwrite=True.")


def _plan_of(path: Path) -> dict[str, Any] | None:
    try:
        schema = SqliteTable(path).schema if is_sqlite(path) else pq.read_schema(path)
        described = Description.of_schema(schema)
    except (pa.ArrowException, OSError, MalformedData):
        return None
    return None if described is None else dict(described.plan)


def _write(
    final: Path, aside: Path, answered: AnsweredRows, plan: dict[str, Any], chunk_rows: int, verbose: Verbose
) -> None:
    """Answer the chunks that are not there yet, stream all into one file, and give it its name."""
    known = [source.estimated_rows() for source in answered.splits.values()]
    total = None if None in known else sum(rows or 0 for rows in known)
    rows: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    hashes: list[np.ndarray] = []
    hashed = 0
    with Progress("predict", total, verbose) as progress, durable.whole_file(final) as whole:
        writer: Any = (SqliteWriter if is_sqlite(final) else ParquetTable)(whole, answered.schema)
        with contextlib.closing(writer), contextlib.closing(_chunks(aside, answered, chunk_rows)) as chunks:
            for name, batch, counts in chunks:
                writer.write_batch(batch)
                rows[name or ""] += len(batch)
                left_out.update(counts)
                if answered.keys and hashed < KEY_ROWS:
                    hashes.append(hash_rows([batch.column(key) for key in answered.keys]))
                    hashed += len(batch)
                progress.advance(len(batch))
            counted = {"rows": dict(rows), "left_out": dict(left_out)}
            description = dataclasses.replace(answered.description, plan=plan, counts=counted)
            writer.finish(description.added_to(answered.schema))
    _warn(answered.keys, hashes, left_out, sum(rows.values()))


def _chunks(
    aside: Path, answered: AnsweredRows, chunk_rows: int
) -> Generator[tuple[str | None, pa.RecordBatch, Mapping[str, int]]]:
    """Every chunk with its split and the counts of what is unusable; what is answered is safe before it is given."""
    for number, name in enumerate(answered.splits):

        def chunk(
            numbered: tuple[int, pa.RecordBatch], name: str | None = name, number: int = number
        ) -> tuple[str | None, pa.RecordBatch, Mapping[str, int]]:
            part = aside / f"{number:03d}-{numbered[0]:07d}.arrow"
            if part.exists():
                return (name, *_read(part))
            batch, counts = answered.answered(numbered[1], name)
            with durable.whole_file(part) as file:
                schema = batch.schema.with_metadata({_COUNTS: json.dumps(counts)})
                with paipc.new_file(file, schema, options=paipc.IpcWriteOptions(compression="lz4")) as writer:
                    writer.write_batch(batch)
            return name, batch, counts

        yield from answered.in_order(enumerate(answered.raw_chunks(name, chunk_rows)), chunk)


def _read(part: Path) -> tuple[pa.RecordBatch, Mapping[str, int]]:
    with paipc.open_file(part) as reader:
        return reader.get_batch(0), json.loads(reader.schema.metadata[_COUNTS])


def _warn(keys: Sequence[str], hashes: Sequence[np.ndarray], left_out: Counter[str], rows: int) -> None:
    if left_out:
        reasons = ", ".join(f"{count:,} {name}" for name, count in sorted(left_out.items()))
        warn(f"Of {rows:,} rows in the table: {reasons}.")
    if not hashes:
        return
    found = np.sort(np.concatenate(hashes))  # which takes a tenth of the time of np.unique
    seen, distinct = len(found), 1 + np.count_nonzero(found[1:] != found[:-1])
    if 0 < distinct < seen:
        warn(
            f"The keys {', '.join(keys)} do not tell all rows apart: {seen - distinct:,} of the first {seen:,} rows "
            "repeat one. Joins by them are not one to one."
        )


def _open(path: Path, answered: AnsweredRows) -> PredictionTable:
    table = read(SqliteTable(path) if is_sqlite(path) else path)
    description = Description.of_schema(table.schema) or answered.description
    return PredictionTable(table, description, rows_of=tuple(answered.splits.values()))
