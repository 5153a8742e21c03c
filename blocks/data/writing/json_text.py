"""Arrow values as JSON, a kernel a column: no Python for a row.

What JSON has no word for stands as Python's own `json` writes it: NaN, Infinity, -Infinity. Dates and times are ISO
8601, decimals are numbers of all their digits, maps, times of day and durations are not held.
"""

import json
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

_SPECIAL: Final = r'[\x00-\x1f"\\]'
_CONTROL: Final = r"[\x00-\x1f]"


def held(kind: pa.DataType) -> bool:
    """Whether JSON lines give values of a type back.

    Example:
        >>> held(pa.list_(pa.struct([("at", pa.timestamp("us", "UTC"))]))), held(pa.binary())
        (True, False)
    """
    if pt.is_struct(kind):
        names = [kind.field(index).name for index in range(kind.num_fields)]
        inner = all(held(kind.field(index).type) for index in range(kind.num_fields))
        return inner and 0 < len(set(names)) == len(names)
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        return held(kind.value_type)
    return bool(
        pt.is_null(kind)
        or pt.is_boolean(kind)
        or pt.is_integer(kind)
        or pt.is_floating(kind)
        or (pt.is_decimal(kind) and kind.bit_width >= 128 and kind.scale >= 0)
        or pt.is_string(kind)
        or pt.is_large_string(kind)
        or pt.is_date32(kind)
        or pt.is_timestamp(kind)
    )


def json_texts(values: pa.Array) -> pa.Array:
    """Each value as JSON, what is missing as null.

    Args:
        values: Of a type that is `held`.

    Returns:
        Strings.

    Example:
        >>> json_texts(pa.array([{"x": 1.0, "s": ["a", None]}, None])).to_pylist()
        ['{"x":1.0,"s":["a",null]}', 'null']
    """
    kind = values.type
    if pt.is_null(kind):
        return pa.repeat(pa.scalar("null"), len(values))
    if pt.is_struct(kind):
        names = [kind.field(index).name for index in range(kind.num_fields)]
        texts = json_objects(names, values.flatten())
    elif pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        texts = _lists(values)
    elif pt.is_string(kind) or pt.is_large_string(kind):
        texts = _quoted(_escaped(values.cast(pa.string())))
    elif pt.is_timestamp(kind) or pt.is_date32(kind):
        zone = pt.is_timestamp(kind) and kind.tz is not None
        texts = _quoted((values.cast(pa.timestamp(kind.unit, "UTC")) if zone else values).cast(pa.string()))
    elif pt.is_floating(kind):
        texts = _floats(values)
    else:
        texts = values.cast(pa.string())
    if values.null_count:
        return pc.if_else(values.is_valid(), texts, "null")
    return texts


def json_objects(names: list[str], columns: list[pa.Array]) -> pa.Array:
    """An object for each row.

    Args:
        names: Of its values.
        columns: Their values.

    Returns:
        Strings.
    """
    parts: list[pa.Array | str] = []
    for number, (name, values) in enumerate(zip(names, columns, strict=True)):
        parts += [f"{',' if number else '{'}{json.dumps(name, ensure_ascii=False)}:", json_texts(values)]
    return pc.binary_join_element_wise(*parts, "}", "")


def _quoted(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', texts, '"', "")


def _escaped(values: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring_regex(values, _SPECIAL), min_count=0).as_py():
        return values
    values = pc.replace_substring(pc.replace_substring(values, "\\", "\\\\"), '"', '\\"')
    if pc.any(pc.match_substring_regex(values, _CONTROL), min_count=0).as_py():
        for code in range(0x20):
            values = pc.replace_substring(values, chr(code), f"\\u{code:04x}")
    return values


def _floats(values: pa.Array) -> pa.Array:
    if pt.is_float16(values.type):
        values = values.cast(pa.float32())
    # a point, or who reads 2 takes the column for one of integers
    texts = pc.replace_substring_regex(values.cast(pa.string()), r"^(-?\d+)$", r"\1.0")
    if not pc.all(pc.is_finite(values), min_count=0).as_py():
        texts = pc.replace_substring_regex(texts, "^-?nan$", "NaN")
        texts = pc.replace_substring_regex(texts, "^(-?)inf$", r"\1Infinity")
    return texts


def _lists(values: pa.Array) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(values), 0)
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths.to_numpy(zero_copy_only=False), out=ends[1:])
    inner = pa.LargeListArray.from_arrays(pa.array(ends), json_texts(values.flatten()))
    return pc.binary_join_element_wise("[", pc.binary_join(inner, ","), "]", "")
