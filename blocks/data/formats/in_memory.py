"""Data in memory and streams of others: Arrow tables, Arrow streams, arrays, and a user's own object."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from blocks.data.content_hash import content_hash
from blocks.data.encodings import require_arrow_values
from blocks.data.fixed_size_lists import fixed_size_lists
from blocks.data.formats.arrow_dataset import DatasetReader
from blocks.data.reader_protocol import Reader
from blocks.data.schema import conform, natural_schema, require_columns, require_unique
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch


class TableReader:
    """An Arrow table, held; nothing is copied.

    Args:
        table: the rows.
        kind: what the user gave, for messages.
    """

    ahead: bool = False

    def __init__(self, table: pa.Table, kind: str) -> None:
        self._table = table
        self._kind = kind
        self._schema = natural_schema(table.schema, kind)
        self._content: str | None = None

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return self._schema

    def count(self) -> int | None:
        """Rows."""
        return int(self._table.num_rows)

    def fingerprint(self) -> dict[str, Any]:
        """A hash of the content."""
        if self._content is None:
            self._content = content_hash(self._schema, self.chunks(65_536, encoded=True))
        return {"format": "memory", "content": self._content}

    def description(self) -> str:
        """What the user gave, and its size."""
        return f"<{self._kind}, {self._table.num_rows:,} rows>"

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Gives slices of the table; see `Reader`."""
        names = self._schema.names if columns is None else list(columns)
        target = pa.schema([self._schema.field(name) for name in names])
        for batch in self._table.select(names).to_batches(max_chunksize=rows):
            yield conform(batch, target, encoded=encoded)


class StreamReader:
    """Batches that somebody else produces, pass by pass.

    Args:
        schema: of the batches, by any encoding.
        start: begins a pass, given a number of rows; what it gives is closed afterwards if it can be.
        kind: what the user gave, for messages.
        once: whether there can be but one pass.
        count: rows, if known.
    """

    ahead: bool = False

    def __init__(
        self,
        schema: pa.Schema,
        start: Callable[[int], Any],
        kind: str,
        *,
        once: bool = False,
        count: Callable[[], int | None] | None = None,
        fingerprint: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        self._schema = natural_schema(schema, kind)
        self._start = start
        self._kind = kind
        self._once = once
        self._begun = False
        self._count = count
        self._fingerprint = fingerprint

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        return self._schema

    def count(self) -> int | None:
        """Rows, if known without a pass."""
        return None if self._count is None else self._count()

    @property
    def identified(self) -> bool:
        """Whether a fingerprint takes no pass."""
        return self._fingerprint is not None

    def fingerprint(self) -> dict[str, Any]:
        """What the object says of itself, else a hash of the content: a pass."""
        if self._fingerprint is not None:
            return dict(self._fingerprint())
        if self._once:
            raise InvalidArgument(f"{self._again()} A fingerprint needs a pass of its own.")
        return {"format": "stream", "content": content_hash(self._schema, self.chunks(65_536))}

    def description(self) -> str:
        """What the user gave."""
        return f"<{self._kind}>"

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Generator[pa.RecordBatch]:
        """Gives the batches as they come; see `Reader`."""
        if self._once and self._begun:
            raise InvalidArgument(self._again())
        self._begun = True
        target = self._schema if columns is None else pa.schema([self._schema.field(name) for name in columns])
        given = self._start(rows)
        with contextlib.ExitStack() as stack:
            if hasattr(given, "close"):
                stack.callback(given.close)
            for batch in given:
                for part in batch.to_batches() if isinstance(batch, pa.Table) else [batch]:
                    yield self._checked(part, target, encoded)

    def _checked(self, batch: Any, target: pa.Schema, encoded: bool) -> pa.RecordBatch:
        if not isinstance(batch, pa.RecordBatch):
            raise MalformedData(
                f"chunks of {self._kind} must be Arrow record batches. Received: {type(batch).__name__}."
            )
        require_columns(target.names, batch.schema.names, f"A chunk of {self._kind}, of those that its schema has")
        try:
            return conform(batch, target, encoded=encoded)
        except SchemaMismatch as error:
            raise SchemaMismatch(f"A chunk of {self._kind} does not fit its schema: {error}") from None

    def _again(self) -> str:
        return (
            f"A {self._kind} can be read only once, and more than one pass is needed. Give something that can be read "
            "again: a file, a table (reader.read_all() if it fits in memory), an object with schema and chunks."
        )


def from_arrays(columns: Mapping[str, Any]) -> pa.Table:
    """A table from equally long columns: NumPy arrays, lists, Arrow arrays, Series.

    Rows of several values in an array, (rows, n), become lists of fixed size.

    Raises:
        InvalidArgument: if a column has no rows, or their lengths differ.

    Example:
        >>> import numpy as np
        >>> from_arrays({"x": np.array([1.5, 2.5]), "y": ["a", None]}).schema.types
        [DataType(double), DataType(string)]
    """
    if not columns:
        raise InvalidArgument("read takes a dict of at least one column. Received: {}.")
    arrays = {}
    for name, values in columns.items():
        if not isinstance(name, str):
            raise InvalidArgument(f"The keys of a dict given to read are column names. Received: {name!r}.")
        arrays[name] = _array(name, values)
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidArgument(
            f"Columns must be equally long. Received: {', '.join(f'{n}: {k}' for n, k in lengths.items())}."
        )
    return pa.table(arrays)


def _array(name: str, values: Any) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    if isinstance(values, (str, bytes)) or not (hasattr(values, "__len__") or hasattr(values, "__array__")):
        raise InvalidArgument(f"Column {name!r} must be an array or a list. Received: {type(values).__name__}.")
    try:
        if hasattr(values, "__arrow_c_stream__"):
            require_arrow_values(values, name)
            return pa.chunked_array(values)
        if hasattr(values, "__arrow_c_array__") or isinstance(values, (list, tuple)):
            return pa.array(values)
        mask = None
        if isinstance(values, np.ma.MaskedArray):
            values, mask = values.data, np.ma.getmaskarray(values)
        array = np.asarray(values)
        if not array.ndim or 0 in array.shape[1:]:
            raise InvalidArgument(
                f"Column {name!r} must have rows, (rows,) or (rows, n) of windows. Received: shape {array.shape}. "
                "Give one value or as many a row."
            )
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("="))
        return fixed_size_lists(array, mask)
    except (pa.ArrowException, TypeError, ValueError) as error:
        if isinstance(error, InvalidArgument):
            raise
        raise InvalidArgument(f"Column {name!r} holds values that Arrow cannot make one type of: {error}.") from None


def _unfit(data: Any) -> str:
    """The first column of a frame that cannot become Arrow."""
    for name in getattr(data, "columns", ()):
        try:
            pa.RecordBatchReader.from_stream(data[[name]]).read_all()
        except (pa.ArrowException, TypeError):
            return str(name)
    return "?"


def table_of(data: Any) -> pa.Table:
    """The table of an eager object with `__arrow_c_stream__`."""
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    require_arrow_values(data)
    try:
        table = pa.RecordBatchReader.from_stream(data).read_all()
    except (pa.ArrowException, TypeError) as error:
        name = _unfit(data)
        raise InvalidArgument(
            f"Column {name!r} of {type(data).__name__} cannot become Arrow: {error}. Convert it first, or drop it."
        ) from None
    require_unique(table.column_names, type(data).__name__)
    return table


def reader_of(data: Any) -> Reader:
    """A reader of any object that holds rows or gives them, chosen by what it can do.

    Raises:
        InvalidArgument: if it is none of those that `blocks.read` takes.
    """
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
        return _of_users_object(data, kind)
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


def _of_users_object(data: Any, kind: str) -> Reader:
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
