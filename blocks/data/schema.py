"""Schemas: one schema for many files, a batch brought into a schema, and unknown column names.

How values enter the graph (float64, int64, string) lives in `raw_columns`.
"""

import difflib
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from blocks.data.encodings import decoded, natural_type
from blocks.errors import InvalidArgument, SchemaMismatch

_INDEX: Final = b"blocks.index"


def natural_schema(schema: pa.Schema, where: str) -> pa.Schema:
    """Natural types, every column nullable, no metadata but what blocks itself wrote and which columns are an index.

    Args:
        schema: any schema.
        where: the origin of the data, for the message.

    Raises:
        SchemaMismatch: if two columns have one name.
    """
    require_unique(schema.names, where)
    kept = {name: value for name, value in (schema.metadata or {}).items() if name in (b"blocks", _INDEX)}
    if index := [name for name in _pandas_index(schema) if name in schema.names]:
        kept[_INDEX] = json.dumps(index).encode()
    return pa.schema([pa.field(f.name, natural_type(f.type)) for f in schema], metadata=kept or None)


def index_columns(schema: pa.Schema) -> list[str]:
    """The columns of a natural schema that are the index of the pandas frame that the rows come from."""
    return list(json.loads((schema.metadata or {}).get(_INDEX, b"[]")))


def _pandas_index(schema: pa.Schema) -> list[str]:
    try:
        found = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
    except (ValueError, LookupError, TypeError):
        return []
    # an index of consecutive numbers is described there, and stored nowhere
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def require_unique(names: Sequence[str], where: str) -> None:
    """Refuses two columns of one name."""
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise SchemaMismatch(
            f"Column names must be unique; {where} has these more than once: {', '.join(map(repr, twice))}. "
            "Rename them (for CSV: column_names=[...], with skip_rows=1 where the first line holds names, not data)."
        )


def require_columns(wanted: Iterable[str], available: Sequence[str], what: str) -> None:
    """Refuses columns that do not exist, naming those that the first may have been meant for.

    Args:
        wanted: their names.
        available: those that there are.
        what: what wants or lacks them, for the message.

    Raises:
        InvalidArgument: if a name is no string.
        SchemaMismatch: if a column does not exist.
    """
    known, absent = set(available), []
    for name in wanted:
        if not isinstance(name, str):
            raise InvalidArgument(f"{what}: a column is named by a string. Received: {name!r}.")
        if name not in known:
            absent.append(name)
    if absent:
        close = difflib.get_close_matches(absent[0], available, n=3)
        hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"It has {_listed(available)}."
        raise SchemaMismatch(f"{what}: there is no column {', '.join(map(repr, absent))}. {hint}")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:12]))
    return f"{shown}, ... ({len(names)} columns)" if len(names) > 12 else shown or "no columns"


def unify(schemas: Sequence[tuple[str, pa.Schema]]) -> pa.Schema:
    """One schema for several files: columns by name, in order of appearance, each of a type that holds all.

    Args:
        schemas: pairs of a file's name and its natural schema.

    Raises:
        SchemaMismatch: if a column's types have no common type without loss; names file and column.
    """
    merged = schemas[0][1]
    for name, schema in schemas[1:]:
        if not set(merged.names) & set(schema.names) and len(schema.names):
            raise SchemaMismatch(
                f"Files that are read together must share columns; {name} has none of the columns of "
                f"{schemas[0][0]}: {_listed(schema.names)} against {_listed(merged.names)}. Read them apart."
            )
        fields = {f.name: f for f in merged}
        for field in schema:
            before = fields.get(field.name)
            if before is None or before.type == field.type:
                fields[field.name] = field
                continue
            one = _common(before.type, field.type)
            if one is None:
                raise SchemaMismatch(
                    f"A column must have one type in all files that are read together; {field.name!r} is "
                    f"{field.type} in {name} and {before.type} before it. Convert the files, or read them apart."
                )
            fields[field.name] = pa.field(field.name, one)
        merged = pa.schema(list(fields.values()), metadata=merged.metadata)
    return merged


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both, as far as a type can tell; None where there is none."""
    floating = pa.types.is_floating(one) or pa.types.is_floating(other)
    whole = [kind for kind in (one, other) if pa.types.is_integer(kind) or pa.types.is_decimal(kind)]
    if floating and whole and (pa.types.is_decimal(whole[0]) or whole[0].bit_width > 8):
        return pa.float64()  # Arrow's choice may be a narrower one, that rounds
    try:
        return pa.unify_schemas([pa.schema([("", one)]), pa.schema([("", other)])], promote_options="permissive")[
            0
        ].type
    except pa.ArrowException:
        return None


def require_exact(
    unified: pa.Schema, files: Sequence[tuple[str, pa.Schema]], ends: Callable[[int, str], tuple[int, int] | None]
) -> None:
    """Refuses integers that the column's type in all files together does not hold.

    Args:
        unified: the schema of all files.
        files: their names and schemas.
        ends: the least and the largest of a column's values in the file of an index, None where that is not known: then
            a value that does not fit is refused when it is met.

    Raises:
        SchemaMismatch: if there are some; names the column and the files.
    """
    for index, (name, schema) in enumerate(files):
        for field in schema:
            kind = unified.field(field.name).type
            if field.type == kind or not pa.types.is_integer(field.type):
                continue
            least, most = (-(2**53), 2**53) if pa.types.is_float64(kind) else (-(2**63), 2**63 - 1)
            found = ends(index, field.name)
            if found is None or (found[0] >= least and found[1] <= most):
                continue
            others = (other for other, schema in files if field.name in schema.names)
            other = next(other for other in others if dict(files)[other].field(field.name).type != field.type)
            raise SchemaMismatch(
                f"A column must have one type in all files that are read together; {field.name!r} is {field.type} in "
                f"{name}, with {found[0] if found[0] < least else found[1]}, and "
                f"{dict(files)[other].field(field.name).type} in {other}: {kind} does not hold both without losing "
                "digits. Write it with one type, or read the files apart."
            )


def conform(batch: pa.RecordBatch, schema: pa.Schema, *, encoded: bool = False) -> pa.RecordBatch:
    """The batch with exactly the columns of `schema`: selected by name, cast, or null where they are missing.

    Args:
        batch: a record batch.
        schema: natural types.
        encoded: leave string columns that are dictionaries as dictionaries of int32 indices.

    Raises:
        SchemaMismatch: if a column's values do not fit its type.
    """
    if batch.schema.equals(schema):
        return batch
    names = set(batch.schema.names)
    arrays = []
    for field in schema:
        if field.name not in names:
            arrays.append(pa.nulls(batch.num_rows, field.type))
            continue
        array = batch.column(field.name)
        try:
            arrays.append(_conformed(array, field.type, encoded))
        except pa.ArrowException as error:
            raise _refused(field.name, array, field.type, error) from None
    if not arrays:
        return batch.select([])
    return pa.RecordBatch.from_arrays(
        arrays, schema=pa.schema([pa.field(f.name, a.type) for f, a in zip(schema, arrays, strict=True)])
    )


def _conformed(array: pa.Array, kind: pa.DataType, encoded: bool) -> pa.Array:
    if array.type == kind:
        return array
    if pa.types.is_dictionary(array.type):
        if not (encoded and (pa.types.is_string(kind) or pa.types.is_large_string(kind))):
            return _conformed(decoded(array), kind, False)
        if array.dictionary.null_count:  # a null that hides behind an index would be missed by null counts
            return _conformed(decoded(array), kind, False).dictionary_encode()
        if array.type.index_type == pa.int32() and array.type.value_type == kind:
            return array
        return pa.DictionaryArray.from_arrays(array.indices.cast(pa.int32()), _conformed(array.dictionary, kind, False))
    array = decoded(array)
    if pa.types.is_decimal(array.type) and pa.types.is_floating(kind):
        return _rounded(array, kind)
    return array if array.type == kind else array.cast(kind)


def _rounded(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Decimals as floats. Fractions are rounded, as they are wherever a model takes them; whole numbers are refused."""
    floats = array.cast(kind)
    large = pc.greater(pc.abs(floats), 2.0**53)
    if pc.any(large).as_py():
        for number in array.filter(large).drop_null().to_pylist():
            if number == int(number) != int(float(number)):
                raise pa.ArrowInvalid(f"Whole number {number} is none of {kind}")
    return floats


def _refused(name: str, array: pa.Array, kind: pa.DataType, error: pa.ArrowException) -> SchemaMismatch:
    return SchemaMismatch(
        f"Column {name!r} is read as {kind}, which holds its values in all files and chunks. Received: {array.type} "
        f"that it does not hold ({str(error).splitlines()[0][:200]}). Write the column with one type, or read the "
        "files apart."
    )
