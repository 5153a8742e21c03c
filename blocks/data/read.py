"""`blocks.read`: from whatever the user has to a `Source`: which reader, with what options."""

import inspect
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

from blocks.arguments import checked
from blocks.data import formats
from blocks.data.declared_types import DeclaredTypes
from blocks.data.files import File, format_of, resolve
from blocks.data.files_reader import FilesReader
from blocks.data.formats import FORMATS
from blocks.data.formats.in_memory import reader_of
from blocks.data.formats.sql.sql_reader import SqlReader
from blocks.data.formats.sql.uri import is_database, read_sql
from blocks.data.partitions import PartitionedReader, partitions_of
from blocks.data.reader_protocol import Reader
from blocks.data.source import Source
from blocks.errors import InvalidArgument

_ELSEWHERE: Final = {
    "column_types": "It is for files of rows, databases and data in memory.",
    "on_bad_rows": "It is for CSV, databases, images and texts.",
    "rejects": "It is for CSV, databases, images and texts.",
}
"""Options that several formats have, and which."""

_OF_TYPES: Final = ("parquet", "ipc", "orc", "numpy")
"""Formats whose columns have a type already, which may be declared to be another."""


@checked()
def read(data: Any, *, columns: Sequence[str] | None = None, format: str | None = None, **options: Any) -> Source:
    r"""Makes a Source of files, of tables in memory, or of anything that gives record batches.

    Args:
        data: a path, glob, directory or URI, or a list of these: CSV, TSV, Parquet, Arrow IPC/Feather, ORC, JSON
            lines, text files also compressed, and the columns in their folders' names (hive partitions,
            `year=2020/part-0.parquet`); a `pyarrow.dataset.Dataset`; any object with `__arrow_c_stream__` (pandas,
            Polars, pyarrow, DuckDB); a Polars LazyFrame; a dict of equally long arrays or lists, a window a row where
            an array has two dimensions; an object with `schema` and `chunks(rows)`; a Source, which is returned. A
            database, `sqlite:///shop.db`, `postgresql://user@host/db` or `duckdb:///shop.duckdb`, with `table=` or
            `query=`. HDF5, with `group=` where several hold rows: datasets of a group, one of named fields, or what
            `DataFrame.to_hdf(format="table")` wrote, whose index is a column unless it only numbers the rows; TFRecords
            of `tf.train.Example`; .npy and .npz. With `format="images"` or `"texts"` a folder, glob, .tar (also
            compressed) or .zip, a file of which is a row: the columns path, image (its bytes) or text, and label, from
            class folders or `metadata.csv`.
        columns: the columns wanted, in this order; None for all.
        format: "csv", "parquet", "ipc", "orc", "json", "hdf5", "tfrecord" or "numpy" where the extension does not tell;
            "images" or "texts" for folders of these.
        **options: for CSV, Arrow's options by their names (`delimiter`, `quote_char`, `escape_char`, `double_quote`,
            `newlines_in_values`, `ignore_empty_lines`, `encoding`, `skip_rows`, `skip_rows_after_names`,
            `column_names`, `autogenerate_column_names`, `block_size`, `column_types`, `default_column_type`,
            `null_values`, `true_values`, `false_values`, `strings_can_be_null`, `quoted_strings_can_be_null`,
            `decimal_point`, `timestamp_parsers`), and `on_bad_rows="keep"` with `rejects=PATH`; a type may be given by
            its name, `skip_rows` may be the numbers, from 1, of lines to leave out, `skip_initial_space=True` leaves
            out spaces after delimiters. For all other files of rows, databases and data in memory `column_types`. For
            databases, images and texts `on_bad_rows="keep"` with `rejects=PATH`: rows with a value that does not fit
            its column, or files that cannot be read, are set aside. For images and texts `max_member_bytes`; for texts
            `encoding`.

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
    if is_database(data):
        if format is not None:
            raise InvalidArgument(f"A database has no format. Received: format={format!r}. Leave it out.")
        return Source(read_sql(data, **_known(options, SqlReader, "databases")))
    if isinstance(data, (str, os.PathLike)) or (isinstance(data, (list, tuple)) and not _is_rows(data)):
        return Source(_files_reader(data, format, options))
    if set(options) == {"column_types"} and format is None and not isinstance(data, Source):
        return Source(DeclaredTypes(reader_of(data), options["column_types"]))
    if options or format is not None:
        names = sorted([*options, *(["format"] if format else [])])
        raise InvalidArgument(f"{type(data).__name__} takes no options. Received: {', '.join(names)}.")
    return data if isinstance(data, Source) else Source(reader_of(data))


def _is_rows(data: Sequence[Any]) -> bool:
    if data and isinstance(data[0], Mapping):
        raise InvalidArgument("read takes columns, not a list of rows. Use pyarrow.Table.from_pylist(rows).")
    return False


def _files_reader(data: Any, format: str | None, options: dict[str, Any]) -> Reader:
    if format is not None and format not in FORMATS:
        raise InvalidArgument(f"format is one of {', '.join(FORMATS)}. Received: {format!r}.")
    rejects, alone = options.get("rejects"), not isinstance(data, (list, tuple))
    apart = [os.fspath(rejects)] if isinstance(rejects, (str, os.PathLike)) and alone else []
    if format is not None and FORMATS[format].folders:
        return _format_reader(format, resolve(data, apart, every=True), options)
    files = resolve(data, apart)
    names = [format or format_of(file) for file in files]
    if len(set(names)) > 1:
        shown = ", ".join(f"{file.name} ({name})" for file, name in list(zip(files, names, strict=True))[:4])
        raise InvalidArgument(f"Files that are read together must have one format. Received: {shown}. Name a glob.")
    partitions = partitions_of(files)
    types = options.pop("column_types", None) if names[0] in _OF_TYPES else None
    inner: FilesReader = _format_reader(names[0], files, options)
    found: Reader = PartitionedReader(inner, files, partitions) if any(partitions) else inner
    return DeclaredTypes(found, types) if types else found


def _format_reader(format: str, files: Sequence[File], options: dict[str, Any]) -> Any:
    """The reader of a format, which takes its options as keyword arguments."""
    module, _, name = FORMATS[format].reader.partition(":")
    reader = getattr(import_module(f"{formats.__name__}.{module}"), name)
    return reader(files, **_known(options, reader, f"{format} files"))


def _known(options: dict[str, Any], reader: Any, what: str) -> dict[str, Any]:
    """The options, if a reader takes them all."""
    takes = list(inspect.signature(reader).parameters.values())[1:]
    known = [one.name for one in takes]
    unknown = [] if any(one.kind is one.VAR_KEYWORD for one in takes) else sorted(set(options) - set(known))
    if unknown:
        has = ", ".join(known) or "none"
        elsewhere = f" {_ELSEWHERE[unknown[0]]}" if unknown[0] in _ELSEWHERE else ""
        raise InvalidArgument(f"{what} have no option {unknown[0]!r}; they have {has}. Leave it out.{elsewhere}")
    return options
