"""`blocks.read`: from whatever the user has to a `Source`: which reader, with what options."""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from blocks.arguments import checked
from blocks.data.encodings import require_arrow_values
from blocks.data.files import File, extensions, format_of, resolve
from blocks.data.formats.arrow_dataset import DatasetReader
from blocks.data.formats.arrow_files import BatchFilesReader
from blocks.data.formats.csv.options import CsvOptions
from blocks.data.formats.csv.reader import CsvReader, require_apart
from blocks.data.formats.in_memory import StreamReader, TableReader, from_arrays, table_of
from blocks.data.formats.json_lines import JsonLinesReader
from blocks.data.formats.parquet import ParquetReader
from blocks.data.partitions import FilesReader, PartitionedReader, partitions_of
from blocks.data.reader import Reader
from blocks.data.source import Source
from blocks.errors import InvalidArgument, SchemaMismatch

_FORMATS = ("csv", "parquet", "ipc", "orc", "json")


@checked()
def read(data: Any, *, columns: Sequence[str] | None = None, format: str | None = None, **options: Any) -> Source:
    r"""Makes a Source of files, of tables in memory, or of anything that gives record batches.

    Args:
        data: a path, glob, directory or URI, or a list of these: CSV, TSV, Parquet, Arrow IPC/Feather, ORC, JSON
            lines, text files also compressed, and the columns in their folders' names (hive partitions,
            `year=2020/part-0.parquet`); a `pyarrow.dataset.Dataset`; any object with `__arrow_c_stream__` (pandas,
            Polars, pyarrow, DuckDB); a Polars LazyFrame; a dict of equally long one-dimensional arrays or lists; an
            object with `schema` and `chunks(rows)`; a Source, which is returned.
        columns: the columns wanted, in this order; None for all.
        format: "csv", "parquet", "ipc", "orc" or "json" where the extension does not tell.
        **options: for CSV, Arrow's options by their names (`delimiter`, `quote_char`, `escape_char`, `double_quote`,
            `newlines_in_values`, `ignore_empty_lines`, `encoding`, `skip_rows`, `skip_rows_after_names`,
            `column_names`, `autogenerate_column_names`, `block_size`, `column_types`, `default_column_type`,
            `null_values`, `true_values`, `false_values`, `strings_can_be_null`, `quoted_strings_can_be_null`,
            `decimal_point`, `timestamp_parsers`), and `on_bad_rows="keep"` with `rejects=PATH`; a type may be given by
            its name, `skip_rows` may be the numbers, from 1, of lines to leave out, `skip_initial_space=True` leaves
            out spaces after delimiters. For JSON lines `column_types`.

    The head of a CSV file is looked at before it is read. Without `delimiter=` the one of , ; tab | that gives rows of
    one width is taken. What a reader would take for something else (data for names, a title, units, notes or a second
    table for data, text after a closing quote, digits that a number would lose) is a warning that names the option that
    mends it; an option that is given settles its question, and nothing is said.

    Returns:
        A Source.

    Raises:
        InvalidArgument: if there is no such file, or an option is unknown.
        SchemaMismatch: if files do not fit together, a column is unknown or stands twice.
        MalformedData: if a file is not what it says it is.

    Example:
        >>> import pathlib, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(folder.name, "people.csv")
        >>> _ = path.write_text("id,zip,height\n1,00501,1.8\n2,10115,\n")
        >>> source = read(path, column_types={"zip": "string"})
        >>> source.to_table().to_pylist()[1]
        {'id': 2, 'zip': '10115', 'height': None}
        >>> folder.cleanup()
    """
    source = _source(data, format, options)
    return source if columns is None else source.select(columns)


def as_source(data: Any) -> Source:
    """`read` without options: for functions that take a Source or anything that can become one.

    Example:
        >>> as_source({"a": [1, 2]}).count()
        2
    """
    return read(data)


def _source(data: Any, format: str | None, options: dict[str, Any]) -> Source:
    if isinstance(data, (str, os.PathLike)) or (isinstance(data, (list, tuple)) and not _is_rows(data)):
        return Source(_files_reader(data, format, options))
    if options or format is not None:
        names = sorted([*options, *(["format"] if format else [])])
        raise InvalidArgument(f"{type(data).__name__} takes no options. Received: {', '.join(names)}.")
    return data if isinstance(data, Source) else Source(_object_reader(data))


def _is_rows(data: Sequence[Any]) -> bool:
    if data and isinstance(data[0], Mapping):
        raise InvalidArgument("read takes columns, not a list of rows. Use pyarrow.Table.from_pylist(rows).")
    return False


def _files_reader(data: Any, format: str | None, options: dict[str, Any]) -> Reader:
    if format is not None and format not in _FORMATS:
        raise InvalidArgument(f"format is one of {', '.join(_FORMATS)}. Received: {format!r}.")
    rejects = options.get("rejects")
    files = resolve(data, [os.fspath(rejects)] if isinstance(rejects, (str, os.PathLike)) and _is_folder(data) else [])
    kinds = [format or format_of(file) for file in files]
    if len(set(kinds)) > 1:
        shown = ", ".join(f"{file.name} ({kind})" for file, kind in list(zip(files, kinds, strict=True))[:4])
        raise InvalidArgument(f"Files that are read together must have one format. Received: {shown}. Name a glob.")
    partitions = partitions_of(files)
    inner = _format_reader(kinds[0], files, options)
    return PartitionedReader(inner, files, partitions) if any(partitions) else inner


def _format_reader(kind: str, files: Sequence[File], options: dict[str, Any]) -> FilesReader:
    if kind == "csv":
        tabs = all(extensions(file.path)[0] == ".tsv" for file in files)
        made = dataclasses.replace(
            CsvOptions.of(**({"delimiter": "\t"} if tabs else {}) | options), given=sorted(options)
        )
        require_apart(files, made.rejects)
        return CsvReader(files, made)
    allowed = {"column_types"} if kind == "json" else set()
    unknown = sorted(set(options) - allowed)
    if unknown:
        has = "only column_types" if allowed else "none"
        raise InvalidArgument(f"{kind} files have no option {unknown[0]!r}; they have {has}. Leave it out.")
    if kind == "json":
        return JsonLinesReader(files, options.get("column_types"))
    return ParquetReader(files) if kind == "parquet" else BatchFilesReader(files, kind)


def _is_folder(data: Any) -> bool:
    return not isinstance(data, (list, tuple))


def _object_reader(data: Any) -> Reader:
    kind = f"{type(data).__module__.split('.')[0]} {type(data).__name__}"
    if isinstance(data, Mapping):
        return TableReader(from_arrays(data), "dict of arrays")
    if isinstance(data, pa.RecordBatchReader):
        return StreamReader(data.schema, lambda rows: iter(data), "pyarrow RecordBatchReader", once=True)
    if isinstance(data, (pa.Table, pa.RecordBatch)):
        return TableReader(table_of(data), kind)
    if isinstance(data, ds.Dataset):
        return DatasetReader(data)
    if hasattr(data, "collect_batches") and hasattr(data, "collect_schema"):
        return _lazy_frame(data, kind)
    if hasattr(data, "__arrow_c_stream__"):
        if hasattr(data, "__len__") and not hasattr(data, "fetch_arrow_reader"):
            return TableReader(table_of(data), kind)
        return _stream(data, kind)
    if hasattr(data, "schema") and hasattr(data, "chunks"):
        return _own(data, kind)
    raise InvalidArgument(
        "read takes a path, a list of paths, a dict of arrays, an object with __arrow_c_stream__ (pandas, Polars, "
        f"pyarrow, DuckDB), or one with schema and chunks(rows). Received: {kind}."
    )


def _lazy_frame(frame: Any, kind: str) -> Reader:
    """A Polars LazyFrame, streamed: its engine hands over batches as they are ready, in order."""
    require_arrow_values(frame)

    def batches(rows: int) -> Iterator[pa.Table]:
        for batch in frame.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming"):
            yield batch.to_arrow()

    return StreamReader(frame.collect_schema().to_frame().to_arrow().schema, batches, kind)


def _stream(data: Any, kind: str) -> Reader:
    """An object that starts an Arrow stream, each time anew if it can (a DuckDB relation runs its query again)."""
    first: list[pa.RecordBatchReader] = [pa.RecordBatchReader.from_stream(data)]
    schema = first[0].schema

    def start(rows: int) -> pa.RecordBatchReader:
        if first:
            return first.pop()
        try:
            return pa.RecordBatchReader.from_stream(data)
        except (pa.ArrowException, RuntimeError, ValueError, TypeError) as error:
            raise InvalidArgument(
                f"{kind} could not be read a second time ({error}). Give something that can: a file or a table."
            ) from None

    return StreamReader(schema, start, kind)


def _own(data: Any, kind: str) -> Reader:
    """A user's object with `schema` and `chunks(rows)`, and no more than that."""
    if not isinstance(data.schema, pa.Schema):
        raise SchemaMismatch(f"The schema of {kind} must be a pyarrow.Schema. Received: {type(data.schema).__name__}.")
    return StreamReader(
        data.schema,
        lambda rows: iter(data.chunks(rows)),
        kind,
        count=_method(data, "count"),
        fingerprint=_method(data, "fingerprint"),
    )


def _method(data: Any, name: str) -> Any:
    found = getattr(data, name, None)
    return found if callable(found) else None
