"""Types of columns, and what a `tf.train.Example` has for them: lists of int64, of float32 and of bytes."""

from typing import Final

import pyarrow as pa
import pyarrow.types as pt

KINDS: Final = {"int64_list": pa.int64(), "float_list": pa.float32(), "bytes_list": pa.binary()}
"""The type of a value by the field of `tf.train.Feature` that holds it."""


def kind_of(kind: pa.DataType) -> str | None:
    """The field of `tf.train.Feature` that holds values of a type or lists of them, None where none does.

    Example:
        >>> kind_of(pa.list_(pa.date32())), kind_of(pa.list_(pa.list_(pa.int64()))), kind_of(pa.uint8())
        ('int64_list', None, 'int64_list')
    """
    if is_list(kind):
        return None if is_list(kind.value_type) else kind_of(kind.value_type)
    if pt.is_floating(kind):
        return "float_list"
    if pt.is_string(kind) or pt.is_large_string(kind) or pt.is_binary(kind):
        return "bytes_list"
    whole = pt.is_integer(kind) or pt.is_boolean(kind) or pt.is_date32(kind) or pt.is_timestamp(kind)
    return "int64_list" if whole and kind != pa.uint64() else None


def stored_as(kind: pa.DataType) -> pa.DataType:
    """The type that values of a type have in an Example; a reader that is not told makes this of them.

    Example:
        >>> stored_as(pa.timestamp("us")), stored_as(pa.string()), stored_as(pa.list_(pa.float64()))
        (DataType(int64), DataType(string), ListType(list<item: float>))
    """
    if is_list(kind):
        inner = kind.value_field.with_type(stored_as(kind.value_type))
        return pa.list_(inner, kind.list_size) if pt.is_fixed_size_list(kind) else pa.list_(inner)
    return pa.string() if pt.is_large_string(kind) or pt.is_string(kind) else KINDS[kind_of(kind) or "bytes_list"]


def as_declared(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Values as they are read, as those of the type that is declared for them.

    Raises:
        pyarrow.ArrowInvalid: One is none of this type.
    """
    if pt.is_date32(kind):
        return values.cast(pa.int32()).cast(kind)
    if is_list(kind) and pt.is_date32(kind.value_type):
        return values.cast(pa.list_(pa.int32())).cast(kind)
    return values.cast(kind)


def is_list(kind: pa.DataType) -> bool:
    """Whether values are lists of whatever length."""
    return bool(pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind))
