"""Write the answers to rows anywhere that rows can be written to: batch scoring."""

import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from blocks.arguments import checked
from blocks.data import Source
from blocks.data.chunking import worthwhile_rows
from blocks.data.formats.sql.uri import is_database
from blocks.data.split_rows import as_splits
from blocks.data.writing.rows_writer import Rows
from blocks.data.writing.write_rows import write_rows
from blocks.errors import InvalidArgument
from blocks.evaluate.answering import as_predictor
from blocks.evaluate.scoring.head_reader import CHUNK_ROWS
from blocks.evaluate.tables.answered_rows import AnsweredRows
from blocks.evaluate.tables.flat_answers import FlatAnswers
from blocks.evaluate.tables.predict_table import predict_table
from blocks.evaluate.tables.sqlite import is_sqlite
from blocks.progress import Verbose

_WORTHWHILE: Final = 8
"""Times the fewest rows that are read at once."""


@checked()
def write_answers(
    model: Any,
    data: Any,
    target: str | os.PathLike[str],
    *,
    keys: Sequence[str] = (),
    targets: bool = False,
    table: str | None = None,
    overwrite: bool = False,
    verbose: Verbose = "auto",
) -> Source:
    """Answer every row, in chunks and bounded memory, and write keys and answers; what was interrupted is resumed.

    Parquet and SQLite files are prediction tables, as of `predict_table`, whose answers are lists. To all else that
    `Source.write` writes (CSV, JSON lines, databases, Parquet behind a URL, ...) each value of an answer is a column:
    `probabilities_yes`, `prediction_set_yes`, `quantiles_0.1`, and by place where neither class nor level is known.

    Of rows that are none, a table with the same columns is written. The same call goes on where one was killed, and the
    file gets the bytes that it would have had; a call with another model, other rows, keys or targets is refused, or
    with `overwrite` begins anew. Databases and URLs begin anew in any case.

    Args:
        model: The folder of an exported SavedModel, which needs nothing of the training code; or a `blocks.Model`.
        data: Rows: anything that `blocks.read` takes.
        target: A path, URL or the URI of a database.
        keys: Columns of `data` to keep, to know rows by.
        targets: Whether to keep the heads' targets, which new rows have not.
        table: In a database, the table.
        overwrite: Replace what is there.
        verbose: How much to show, as of Keras: "auto", 0, 1 or 2.

    Returns:
        What was written, as a source.

    Raises:
        SchemaMismatch: A column is missing or of another type.
        StoreMismatch, WriteError, InvalidArgument: As `predict_table` and `Source.write` say.
    """
    name = os.fspath(target)
    if isinstance(data, str | os.PathLike):
        require_apart(data, target)
    predictor, splits = as_predictor(model), as_splits(data, None)
    rows = _chunk_rows(splits.values())
    if "://" not in name and (Path(name).suffix.lower() in (".parquet", ".pq") or is_sqlite(Path(name))):
        if table is not None:
            raise InvalidArgument(
                f"A prediction table is a file by itself. Received: {name!r} with table={table!r}. Leave it out, or "
                "name a database: sqlite:///PATH, duckdb:///PATH, postgresql://..."
            )
        return predict_table(
            predictor, splits, name, keys=keys, targets=targets, overwrite=overwrite, verbose=verbose, chunk_rows=rows
        )
    flat = FlatAnswers(AnsweredRows(predictor, splits, keys=keys, targets=targets))
    known = [source.estimated_rows() for source in splits.values()]
    written = Rows(
        flat.schema,
        lambda: flat.chunks(rows),
        None if None in known else sum(one or 0 for one in known),
        lambda: {**flat.fingerprint(), "chunk_rows": rows},
        lambda row: flat.since(row, rows),
    )
    return Source(write_rows(written, name, table=table, overwrite=overwrite, verbose=verbose))


def _chunk_rows(sources: Iterable[Source]) -> int:
    """Rows that are answered at once: fewer where they are wide, as images and windows are."""
    return min(CHUNK_ROWS, *(_WORTHWHILE * worthwhile_rows(source.schema) for source in sources))


def require_apart(
    data: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    table: str | None = None,
    target_table: str | None = None,
) -> None:
    """Refuses to write answers over the rows that they are of, or among them, where the next call would read both.

    Args:
        data: What is read: a file, a folder, a pattern, or the URI of a database.
        target: What is written.
        table: In a database, the table that is read.
        target_table: In a database, the table that is written.

    Raises:
        InvalidArgument: The target is the rows, or lies where they are looked for.
    """
    rows, answers = os.fspath(data), os.fspath(target)
    what = ""
    if is_database(rows):
        if rows == answers and table is not None and table == target_table:
            what = f"table {table!r}, which is read"
    elif "://" not in answers:
        read_from, written = os.path.realpath(rows), os.path.realpath(answers)
        if written == read_from:
            what = "which is read"
        elif written.startswith(os.path.join(read_from, "")):
            what = "in the folder that is read"
        elif fnmatchcase(written, read_from):
            what = "which the pattern of what is read fits too"
    if what:
        raise InvalidArgument(
            f"Answers are written apart from the rows that they are of. Received: {answers!r}, {what}. Choose another "
            "path."
        )
