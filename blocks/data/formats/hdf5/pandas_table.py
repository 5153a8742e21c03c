"""Tables that pandas wrote with `DataFrame.to_hdf(format="table")`, read by h5py alone: nothing is unpickled.

A row is a record: columns of one type stand in it as a block, columns of data under their own names, the index beside
them. Categories lie in a table of their own under `meta`. Source: pandas, io/pytables.py; PyTables, attributeset.py.
"""

import codecs
import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.data.encodings import natural_type
from blocks.data.formats.hdf5.dataset_columns import arrow_type, require_rows
from blocks.data.formats.hdf5.hdf5_links import at_path
from blocks.data.formats.hdf5.pickled_literals import Foreign, literal
from blocks.errors import MalformedData, SchemaMismatch

_NO_TIME: Final = np.iinfo(np.int64).min
_TABLES: Final = ("frame_table", "series_table")


def is_of_pandas(node: Any) -> bool:
    """Whether pandas wrote a group."""
    return isinstance(node, h5py.Group) and "pandas_type" in node.attrs


@dataclasses.dataclass(frozen=True)
class PandasColumn:
    """A column of a table; see `DatasetColumn`.

    Args:
        name: The column's.
        records: The table's rows.
        field: The name in a record.
        place: Which of a block it is, None where the field is no block.
        type: The Arrow type.
        convert: From the values as they are stored.
    """

    name: str
    records: "Records"
    field: str
    place: int | None
    type: pa.DataType
    convert: Callable[[np.ndarray], pa.Array]

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.records.data.shape[0])

    @property
    def data(self) -> h5py.Dataset:
        """Where it lies."""
        return self.records.data

    def read(self, begin: int, end: int) -> pa.Array:
        """Some rows."""
        values = self.records.read(begin, end)[self.field]
        values = values if self.place is None else values[:, self.place]
        return self.convert(np.ascontiguousarray(values))


class Records:
    """The rows of a table, of which the last ones read are kept: every column asks for the same ones.

    Args:
        data: The table.
    """

    def __init__(self, data: h5py.Dataset) -> None:
        self.data = data
        self._at: tuple[int, int] | None = None
        self._read = np.zeros(0, data.dtype)

    def read(self, begin: int, end: int) -> np.ndarray:
        """Some rows."""
        if self._at != (begin, end):
            self._read, self._at = self.data[begin:end], (begin, end)
        return self._read


def pandas_columns(group: h5py.Group, name: str) -> tuple[list[PandasColumn], list[str], list[str]]:
    """The columns of a table, in their order in the frame, its index behind them, as Arrow has those of frames.

    An index of whole numbers without a name is left out: it numbers rows.

    Args:
        group: What pandas wrote.
        name: The file's.

    Returns:
        The columns; the names of those that are the index; sentences to warn with.

    Raises:
        MalformedData: It is no table of pandas, or does not say what its columns are.
        SchemaMismatch: A column holds what is none.
    """
    kind = _attribute(group.attrs, "pandas_type")
    if kind not in _TABLES:
        raise MalformedData(
            f"Of pandas' HDF5 tables are read, and nothing is unpickled. Received: {group.name!r} of {name}, which "
            f"DataFrame.to_hdf wrote in its format 'fixed' ({kind}), in which texts are pickled objects. Write it "
            "anew: frame.to_hdf(path, key=..., format='table'), or to_parquet."
        )
    table = at_path(group, "table", name)
    try:
        fields = table.dtype.names if isinstance(table, h5py.Dataset) and table.ndim == 1 else None
    except TypeError as error:
        raise SchemaMismatch(
            f"{group.name!r} of {name} holds what h5py does not read: {error}. If its index is of dates, write it as "
            "times: frame.set_axis(pandas.to_datetime(frame.index))."
        ) from error
    if fields is None:
        raise MalformedData(f"{group.name!r} of {name} has no table in it. Copy it again.")
    require_rows(table, name)
    try:
        return _Layout(group, table, name).columns()
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, MalformedData | SchemaMismatch):
            raise
        raise MalformedData(
            f"A table of pandas says what its columns are. Received: {group.name!r} of {name}, which does not: "
            f"{error!r}. Write it anew: frame.to_hdf(path, key=..., format='table'), or to_parquet."
        ) from error


class _Layout:
    """What the attributes of a table say of its fields."""

    def __init__(self, group: h5py.Group, table: h5py.Dataset, name: str) -> None:
        self._group, self._table, self._file = group, table, name
        self._attributes, self._records = table.attrs, Records(table)
        self._info = _attribute(group.attrs, "info") or {}
        self._encoding = codecs.lookup(_attribute(group.attrs, "encoding") or "utf-8").name
        self._errors = _attribute(group.attrs, "errors") or "strict"
        codecs.lookup_error(self._errors)
        levels = _attribute(group.attrs, "levels")
        self._levels = [str(level) for level in levels] if isinstance(levels, list) else []
        self._notes: list[str] = []

    def columns(self) -> tuple[list[PandasColumn], list[str], list[str]]:
        made: list[PandasColumn] = []
        for field in _attribute(self._group.attrs, "values_cols"):
            made += self._of_field(field)
        axes = _attribute(self._group.attrs, "non_index_axes")
        order = {str(name): at for at, name in enumerate(axes[0][1] if axes else [])}
        made.sort(key=lambda column: order.get(column.name, len(order)))
        levels = {f: f"__index_level_{at}__" if f == f"level_{at}" else f for at, f in enumerate(self._levels)}
        frame = [column for column in made if column.name not in levels]
        index = [dataclasses.replace(column, name=levels[column.name]) for column in made if column.name in levels]
        index.sort(key=lambda column: self._levels.index(column.field))
        if not index:
            index = [column for axis in _attribute(self._group.attrs, "index_cols") for column in self._index(axis[1])]
        return [*frame, *index], [column.name for column in index], self._notes

    def _of_field(self, field: str) -> list[PandasColumn]:
        """The columns of a block, or of one field."""
        dtype = self._table.dtype[field]
        inner, shape = dtype.subdtype or (dtype, ())
        names = _attribute(self._attributes, f"{field}_kind")
        names = [field] if not shape and not isinstance(names, list) else names
        if len(shape) > 1 or len(names) != (shape[0] if shape else 1):
            raise ValueError(f"field {field!r} of shape {shape} has the names {names!r}")
        kind = str(_attribute(self._attributes, f"{field}_dtype"))
        missing = self._missing_text(field)
        if not isinstance(missing, str | None):
            raise ValueError(f"{missing!r} stands for missing texts")
        made = []
        for at, name in enumerate(names):
            if not isinstance(name, str | int | float | tuple):
                raise ValueError(f"{name!r} names no column")
            type, convert = self._typed(field, str(name), kind, inner, missing)
            made.append(PandasColumn(str(name), self._records, field, at if shape else None, type, convert))
        return made

    def _index(self, field: str) -> list[PandasColumn]:
        told = self._info.get(field, {})
        name, kind = told.get("index_name"), str(_attribute(self._attributes, f"{field}_kind"))
        if kind == "integer" and told.get("freq") is not None:
            self._notes.append(f"the index of {self._group.name!r} of {self._file}, of periods, is left out.")
            return []
        category = self._is_category(field)
        if kind == "integer" and name is None and not category:
            return []
        shown = "__index_level_0__" if name is None else str(name)
        dtype = self._table.dtype[field]
        # pandas wrote an empty one where nothing was missing, and none at all before it kept one
        missing = _attribute(self._attributes, f"{field}_nan_rep", "nan") or None
        type, convert = self._typed(field, shown, kind, dtype, missing)
        return [PandasColumn(shown, self._records, field, None, type, convert)]

    def _missing_text(self, field: str) -> str | None:
        """The text that stands for a missing one; None where none is missing."""
        own = _attribute(self._group.attrs, "data_col_nan_rep") or (
            field in self._levels and _attribute(self._group.attrs, "mi_level_nan_rep")
        )
        if own:
            return _attribute(self._attributes, f"{field}_nan_rep")
        return _attribute(self._group.attrs, "nan_rep") or "nan"

    def _is_category(self, field: str) -> bool:
        said = _attribute(self._attributes, f"{field}_meta")
        return said == "category" or (said is None and f"meta/{field}" in self._group)

    def _typed(
        self, field: str, name: str, kind: str, dtype: np.dtype, missing: str | None
    ) -> tuple[pa.DataType, Callable[[np.ndarray], pa.Array]]:
        what = f"column {name!r} of {self._group.name!r} of {self._file}"
        unit = kind.partition("[")[2].rstrip("]") or "ns"
        if kind.startswith(("datetime64", "timedelta64")) and (dtype.kind, dtype.itemsize) == ("i", 8):
            zone = self._zone(self._info.get(field, {}).get("tz"), what)
            time = pa.timestamp(unit, zone) if kind.startswith("datetime64") else pa.duration(unit)
            return time, partial(_times, kind=time)
        if self._is_category(field):
            categories = self._categories(field)
            return natural_type(categories.type), partial(_categorized, categories=categories)
        if kind == "bool":
            return pa.bool_(), lambda values: pa.array(values.astype(np.bool_))
        if dtype.kind == "S":
            return pa.string(), partial(_texts, encoding=self._encoding, errors=self._errors, missing=missing)
        if kind.startswith("period") or kind == "object":
            raise SchemaMismatch(
                f"A column of HDF5 holds numbers, times or texts. Received: {what}, which holds values of kind {kind}. "
                "Write it as text: frame[column].astype(str)."
            )
        return arrow_type(dtype, (), what), lambda values: pa.array(values, from_pandas=True)

    def _categories(self, field: str) -> pa.Array:
        """The categories of a column; pandas writes none where there are none."""
        meta = at_path(self._group, f"meta/{field}/meta", self._file)
        if meta is None:
            return pa.array([], pa.float64())
        found, _, _ = pandas_columns(meta, self._file)
        return found[0].read(0, found[0].rows)

    def _zone(self, said: Any, what: str) -> str | None:
        if said is None:
            return None
        zone = _zone_name(said)
        try:
            pc.year(pa.array([0], pa.timestamp("s", zone)))
        except pa.ArrowException:
            self._notes.append(f"the zone of {what} has no name: its times are read as UTC, the same instants.")
            zone = "UTC"
        return zone


def _zone_name(said: Any) -> str:
    """The name of a zone, which for an index is a pickled object; "?" where there is none."""
    if isinstance(said, str):
        return said
    if not isinstance(said, Foreign):
        return "?"
    if said.name == "datetime timezone":
        days, seconds, _ = said.arguments[0].arguments
        minutes = (days * 86_400 + seconds) // 60
        return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}" if minutes else "UTC"
    if said.name == "pytz _UTC":
        return "UTC"
    # of zoneinfo and pytz: what makes it of its name
    return next((part for part in said.arguments if isinstance(part, str)), "?")


def _times(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    return pa.array(values.astype(np.int64), pa.int64(), mask=values == _NO_TIME).cast(kind)


def _categorized(values: np.ndarray, categories: pa.Array) -> pa.Array:
    codes = pa.array(values.astype(np.int32), mask=values < 0)
    if not len(categories):
        return pa.nulls(len(values), categories.type)
    made = pa.DictionaryArray.from_arrays(codes, categories)
    return made if pa.types.is_string(categories.type) else made.dictionary_decode()


def _texts(values: np.ndarray, encoding: str, errors: str, missing: str | None) -> pa.Array:
    if encoding in ("utf-8", "ascii") and errors == "strict":
        made = pa.array(values, pa.binary()).cast(pa.string())
    else:
        distinct, which = np.unique(values, return_inverse=True)
        texts = [text.decode(encoding, errors) for text in distinct.tolist()]
        made = pa.array(texts, pa.string()).take(pa.array(which))
    return made if missing is None else pc.if_else(pc.equal(made, missing), None, made)


def _attribute(attributes: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """What an attribute says: PyTables pickles what is neither text nor a number."""
    value = attributes.get(name, default)
    if isinstance(value, h5py.Empty):
        return ""
    if isinstance(value, bytes):
        if value.endswith(b"."):
            try:
                return literal(bytes(value))
            except ValueError:
                pass
        return value.decode(errors="backslashreplace")
    return value.item() if isinstance(value, np.generic) else value
