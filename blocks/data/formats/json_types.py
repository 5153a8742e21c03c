"""Types of columns that Arrow's reader of JSON does not know, and those it knows that hold the same values."""

import pyarrow as pa
import pyarrow.types as pt


def parsed_as(kind: pa.DataType, *, dates: bool) -> pa.DataType:
    """The type to parse values of a type as; a cast then makes the type of them.

    Args:
        kind: Of the column.
        dates: Whether dates are texts, as 2024-02-29, rather than days since 1970.

    Example:
        >>> parsed_as(pa.list_(pa.float16(), 2), dates=False)
        ListType(list<item: float>)
        >>> parsed_as(pa.struct([("day", pa.date32())]), dates=True)
        StructType(struct<day: timestamp[s]>)
    """
    if pt.is_struct(kind):
        fields = [kind.field(index) for index in range(kind.num_fields)]
        return pa.struct([field.with_type(parsed_as(field.type, dates=dates)) for field in fields])
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(parsed_as(kind.value_type, dates=dates)))
    if pt.is_date32(kind) and dates:
        return pa.timestamp("s")
    return pa.float32() if pt.is_float16(kind) else kind


def as_declared(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with those of its columns that a schema knows, of the types that it says.

    Raises:
        pyarrow.ArrowInvalid: A value is none of the type.
    """
    for at, name in enumerate(table.schema.names):
        if name in schema.names and table.schema.field(name).type != schema.field(name).type:
            table = table.set_column(at, name, table[name].cast(schema.field(name).type))
    return table
