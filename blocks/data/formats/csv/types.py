"""How the type of a CSV column widens when a value does not fit. Nothing is parsed here."""

import pyarrow as pa


def wider(kind: pa.DataType) -> pa.DataType:
    """The next type that holds the text of every value of `kind` and more.

    Example:
        >>> import pyarrow as pa
        >>> wider(pa.int64()), wider(pa.date32()), wider(pa.bool_())
        (DataType(double), TimestampType(timestamp[s]), DataType(string))
    """
    if pa.types.is_int64(kind):
        return pa.float64()
    if pa.types.is_date32(kind):
        return pa.timestamp("s")
    if pa.types.is_timestamp(kind) and kind.unit == "s":
        return pa.timestamp("us", kind.tz)
    return pa.string()


def join(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The narrowest type that holds the text of the values of both.

    Example:
        >>> import pyarrow as pa
        >>> join(pa.int64(), pa.float64()), join(pa.bool_(), pa.int64()), join(pa.null(), pa.date32())
        (DataType(double), DataType(string), DataType(date32[day]))
    """
    if pa.types.is_null(one) or one == other:
        return other
    if pa.types.is_null(other):
        return one
    above = [one]
    while above[-1] != pa.string():
        above.append(wider(above[-1]))
    while other not in above:
        other = wider(other)
    return other
