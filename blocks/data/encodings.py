"""How Arrow stores values, taken off: dictionaries, runs and views, at any depth; a value is then what its type says.

Arrow's own cast does it at the top alone, and not for every type inside.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from blocks.errors import InvalidArgument


def natural_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values, without how they are encoded: dictionaries, runs, views and fixed widths are taken off.

    Example:
        >>> import pyarrow as pa
        >>> natural_type(pa.dictionary(pa.int8(), pa.string())), natural_type(pa.binary(16))
        (DataType(string), DataType(binary))
    """
    if pt.is_dictionary(kind) or pt.is_run_end_encoded(kind):
        return natural_type(kind.value_type)
    if pt.is_string_view(kind):
        return pa.string()
    if pt.is_binary_view(kind) or pt.is_fixed_size_binary(kind):
        return pa.binary()
    if pt.is_large_list(kind) or pt.is_large_list_view(kind):
        return pa.large_list(natural_type(kind.value_type))
    if pt.is_fixed_size_list(kind):
        return pa.list_(natural_type(kind.value_type), kind.list_size)
    if pt.is_list(kind) or pt.is_list_view(kind):
        return pa.list_(natural_type(kind.value_type))
    if pt.is_map(kind):
        return pa.map_(natural_type(kind.key_type), natural_type(kind.item_type), kind.keys_sorted)
    if pt.is_struct(kind):
        return pa.struct([pa.field(f.name, natural_type(f.type)) for f in kind])
    return kind


def decoded(array: pa.Array) -> pa.Array:
    """The same values in their natural type.

    Example:
        >>> import pyarrow as pa
        >>> runs = pa.RunEndEncodedArray.from_arrays([2, 3], ["a", None])
        >>> decoded(runs).to_pylist(), decoded(pa.array([["a"], None], pa.list_view(pa.string()))).type
        (['a', 'a', None], ListType(list<item: string>))
    """
    kind = array.type
    natural = natural_type(kind)
    if kind == natural:
        return array
    if pt.is_run_end_encoded(kind):
        rows = np.arange(array.offset, array.offset + len(array))
        runs = np.searchsorted(array.run_ends.to_numpy(zero_copy_only=False), rows, side="right")
        return decoded(array.values).take(pa.array(runs))
    if pt.is_dictionary(kind):
        if kind.value_type == natural:
            return array.dictionary_decode()
        return decoded(array.dictionary).take(array.indices)
    if pt.is_fixed_size_list(kind):
        items = decoded(array.values.slice(array.offset * kind.list_size, len(array) * kind.list_size))
        return pa.FixedSizeListArray.from_arrays(items, type=natural, mask=_nulls(array))
    if pt.is_struct(kind):
        parts = [decoded(array.field(i)) for i in range(kind.num_fields)]
        return pa.StructArray.from_arrays(parts, fields=list(natural), mask=_nulls(array))
    if pt.is_map(kind):
        bounds = np.asarray(array.offsets)
        first, length = int(bounds[0]), int(bounds[-1] - bounds[0])
        keys, items = (decoded(part.slice(first, length)) for part in (array.keys, array.items))
        return pa.MapArray.from_arrays(pa.array(bounds - first), keys, items, type=natural, mask=_nulls(array))
    if pt.is_list(natural) or pt.is_large_list(natural):
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        bounds = np.append(0, np.cumsum(lengths, dtype=np.int64))
        made = pa.ListArray if pt.is_list(natural) else pa.LargeListArray
        offsets = pa.array(bounds, pa.int32() if pt.is_list(natural) else pa.int64())
        return made.from_arrays(offsets, decoded(array.flatten()), type=natural, mask=_nulls(array))
    return array.cast(natural)


def require_arrow_values(data: Any, name: str = "") -> None:
    """Refuses Polars' Object columns: what Arrow gets of those is the addresses of Python's objects.

    Args:
        data: a frame or a series, of Polars or not.
        name: of the series.

    Raises:
        InvalidArgument: if there is one; names it.
    """
    if type(data).__module__.partition(".")[0] != "polars":
        return
    kinds = {name: data.dtype} if hasattr(data, "dtype") else dict(data.collect_schema())
    for column, kind in kinds.items():
        if "Object" in str(kind):
            raise InvalidArgument(
                f"Column {column!r} is of Polars' type {kind}, whose values lie outside Arrow. Make text or numbers of "
                f"it first (frame.with_columns(pl.Series({column!r}, map(str, frame[{column!r}])))), or drop it."
            )


def _nulls(array: pa.Array) -> pa.Array | None:
    return array.is_null() if array.null_count else None
