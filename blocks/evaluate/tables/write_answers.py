"""Write the answers to rows anywhere that rows can be written to: batch scoring."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blocks.arguments import checked
from blocks.data import Source, read
from blocks.data.split_rows import as_splits
from blocks.evaluate.answering import as_predictor
from blocks.evaluate.tables.answered_rows import AnsweredRows
from blocks.evaluate.tables.flat_answers import FlatAnswers
from blocks.evaluate.tables.predict_table import predict_table
from blocks.evaluate.tables.sqlite import is_sqlite
from blocks.progress import Verbose


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
    `Source.write` writes (CSV, JSON lines, databases, ...) each value of an answer is a column: `probabilities_yes`.

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
    if "://" not in name and (Path(name).suffix.lower() in (".parquet", ".pq") or is_sqlite(Path(name))):
        return predict_table(model, data, name, keys=keys, targets=targets, overwrite=overwrite, verbose=verbose)
    answered = AnsweredRows(as_predictor(model), as_splits(data, None), keys=keys, targets=targets)
    return read(FlatAnswers(answered)).write(name, table=table, overwrite=overwrite, verbose=verbose)
