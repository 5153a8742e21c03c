"""Rows to a file or a table of a database, whole or not at all; a reader of what was written."""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.types as pt

from blocks.data import formats, writing
from blocks.data.files import extensions, resolve
from blocks.data.files_reader import FilesReader
from blocks.data.formats import EXTENSIONS, FORMATS
from blocks.data.formats.sql.uri import is_database
from blocks.data.reader_protocol import Reader
from blocks.data.writing import WRITERS
from blocks.data.writing.checkpoints import Checkpoints
from blocks.data.writing.rows_writer import Rows, RowsWriter
from blocks.data.writing.sql.write_table import write_table
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch, warn
from blocks.files.durable import resumable_file, whole_file
from blocks.files.place import Place, place
from blocks.files.remote_files import ARROW_SCHEMES
from blocks.files.write_errors import explained
from blocks.progress import Progress, Verbose


def write_rows(
    rows: Rows, target: str | os.PathLike[str], *, table: str | None, overwrite: bool, verbose: Verbose
) -> Reader:
    """Writes all rows; they are counted, and counted again in what was written, before it gets its name.

    Args:
        rows: What is written.
        target: A path or URL that ends with an extension of `WRITERS`, or the URI of a database.
        table: In a database, the table.
        overwrite: Whether to replace what is there.
        verbose: How much to show.

    Raises:
        InvalidArgument: The target's name does not say what to write, or it is there already.
        SchemaMismatch: The format does not hold a column.
        WriteError: The operating system or the database keeps it from being written.
    """
    if not rows.schema.names:
        raise InvalidArgument("What is written has columns. Received: a source without any. Select some.")
    if not isinstance(target, (str, os.PathLike)) or not os.fspath(target):
        raise InvalidArgument(f"write takes a path, or the URI of a database. Received: {target!r}.")
    name = os.fspath(target)
    with Progress("write", rows.total, verbose) as progress:
        if is_database(name):
            return write_table(rows, name, table=table, overwrite=overwrite, progress=progress)
        if table is not None:
            raise InvalidArgument(
                f"A file holds one table. Received: {name!r} with table={table!r}. Leave it out, or name a database: "
                "sqlite:///PATH, duckdb:///PATH, postgresql://..."
            )
        return _write_file(rows, name, overwrite, progress)


def _write_file(rows: Rows, name: str, overwrite: bool, progress: Progress) -> Reader:
    extension, compression = extensions(name)
    format = _format(name, extension, compression)
    final: Place = place(name)
    if isinstance(final, Path):
        final = final.expanduser()
    elif name.partition("://")[0].lower() not in ARROW_SCHEMES:
        raise InvalidArgument(
            f"What is written can be read again, by pyarrow: {', '.join(sorted(ARROW_SCHEMES))}. Received: {name!r}. "
            "Write a local file, and copy it."
        )
    with explained(final):
        if final.is_dir():
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        if final.exists() and not overwrite:
            raise InvalidArgument(
                f"Nothing is replaced unasked. Received: {name!r}, which is there. Choose another path, or replace "
                "it: overwrite=True."
            )
        make = _writer(format, extension)
        if isinstance(final, Path):
            with resumable_file(final) as unfinished:
                checkpoints = Checkpoints(unfinished, rows, name, overwrite=overwrite)
                begun = {} if checkpoints.last is None else {"begun": checkpoints.last.state}
                try:
                    writer = make(unfinished.path, rows.schema, extension, compression, **begun)
                    _fill(writer, checkpoints.write, progress)
                    _require_count(_reader(format, str(unfinished.path), writer.options), progress.done, name)
                except (SchemaMismatch, MalformedData):
                    unfinished.keep = False  # the same call would fail again
                    raise
        else:
            with whole_file(final) as aside:
                writer = make(aside, rows.schema, extension, compression)
                _fill(writer, rows.written_by, progress)
                _require_count(_reader(format, str(aside), writer.options), progress.done, name)
    if writer.note:
        warn(f"{name}: {writer.note}")
    return _reader(format, os.fspath(final), writer.options)


def _fill(writer: RowsWriter, write: Callable[[RowsWriter, Progress], None], progress: Progress) -> None:
    try:
        write(writer, progress)
    except BaseException:
        _close_failed(writer)
        raise
    writer.close()


def _close_failed(writer: RowsWriter) -> None:
    """Closes what is given up: what goes wrong in that is a consequence."""
    try:
        writer.close()
    except Exception:  # of as many kinds as there are libraries
        return


def _format(name: str, extension: str, compression: str) -> str:
    known = [one for one in EXTENSIONS if EXTENSIONS[one] in WRITERS]
    format = EXTENSIONS.get(extension, "")
    if format not in WRITERS:
        raise InvalidArgument(
            f"The extension says what is written: {', '.join(known)}; text also compressed (.csv.gz, .jsonl.zst). "
            f"Received: {name!r}. A table of a database: sqlite:///PATH, duckdb:///PATH or postgresql://... with "
            "table=."
        )
    if compression and format not in ("csv", "json"):
        raise InvalidArgument(
            f"Text alone is compressed as a whole. Received: {name!r}. Leave {compression} out: the other formats "
            "compress by themselves, or are made to be mapped."
        )
    return format


def _writer(format: str, extension: str) -> Any:
    module, _, name = WRITERS.get(extension, WRITERS[format]).partition(":")
    return getattr(import_module(f"{writing.__name__}.{module}"), name)


def _reader(format: str, path: str, options: Mapping[str, Any]) -> FilesReader:
    module, _, name = FORMATS[format].reader.partition(":")
    made: FilesReader = getattr(import_module(f"{formats.__name__}.{module}"), name)(resolve(path), **options)
    return made


def _require_count(reader: FilesReader, written: int, name: str) -> None:
    """Refuses a file that does not give as many rows as were written to it."""
    found = reader.count()
    if found is None:
        found = sum(batch.num_rows for batch in _cheapest(reader))
    if found != written:
        raise MalformedData(
            f"A file gives back the rows that were written. Received: {name!r}, which got {written:,} and gives "
            f"{found:,}. Nothing was written; this is an error of blocks: write a .parquet file instead."
        )


def _cheapest(reader: FilesReader) -> Iterator[Any]:
    field = min(reader.schema, key=lambda field: (pt.is_nested(field.type), not pt.is_primitive(field.type)))
    return reader.chunks(65_536, [field.name])
