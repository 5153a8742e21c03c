"""Rules of what makes a row unusable: Arrow expressions, and functions of a batch."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.data.source_steps import Filter, evaluated
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.inspection.cleaning.alignment import MOST_RULES, Rule


def rules_of(table: str, given: Any, schema: pa.Schema) -> tuple[Rule, ...]:
    """The rules of a table, checked.

    Args:
        table: Its name.
        given: Names, in any words, to Arrow expressions or functions.
        schema: Of its rows.

    Raises:
        InvalidArgument: They are none.
        SchemaMismatch: A rule does not fit the columns.
    """
    if not isinstance(given, Mapping):
        raise InvalidArgument(
            f"Rules are a dict from a name to an Arrow expression or a function. Received for {table}: {given!r}."
        )
    if len(given) > MOST_RULES:
        raise InvalidArgument(
            f"A table has at most {MOST_RULES} rules. Received for {table}: {len(given)}. Join some by |."
        )
    return tuple(_rule(table, name, rule, schema) for name, rule in given.items())


def _rule(table: str, name: Any, rule: Any, schema: pa.Schema) -> Rule:
    if not isinstance(name, str) or not name.strip():
        raise InvalidArgument(f"A rule's name is its reason in words. Received for {table}: {name!r}.")
    if isinstance(rule, pc.Expression):
        try:
            columns = tuple(Filter.checked(rule, schema).columns)
        except (InvalidArgument, SchemaMismatch) as error:
            raise type(error)(f"The rule {name!r} of {table}: {error}") from None
        # what looks at no column is still said of every row
        columns = columns or tuple(schema.names[:1])
        return Rule(name, columns, functools.partial(_expressed, rule), str(rule))
    if callable(rule):
        described = f"{getattr(rule, '__module__', '')}.{getattr(rule, '__qualname__', type(rule).__name__)}"
        return Rule(name, None, functools.partial(_called, rule, f"{name!r} of {table}"), described)
    raise InvalidArgument(
        "A rule is an Arrow expression, such as pc.field('age') < 0, or a function from a batch to an array of "
        f"booleans. Received for {name!r} of {table}: {type(rule).__name__}."
    )


def _expressed(expression: pc.Expression, batch: pa.RecordBatch) -> np.ndarray:
    return _truths(evaluated(expression, pa.Table.from_batches([batch])).combine_chunks())


def _called(function: Callable[[pa.RecordBatch], Any], what: str, batch: pa.RecordBatch) -> np.ndarray:
    given = function(batch)
    try:
        found = given.combine_chunks() if isinstance(given, pa.ChunkedArray) else pa.array(given)
    except (pa.ArrowException, TypeError, ValueError):
        found = None
    if found is None or found.type not in (pa.bool_(), pa.null()) or len(found) != len(batch):
        told = type(given).__name__ if found is None else f"{len(found)} values of type {found.type}"
        raise InvalidArgument(
            f"The rule {what} gives an array of booleans, one a row. Received: {told} for {len(batch)} rows."
        )
    return _truths(found)


def _truths(found: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(found.cast(pa.bool_()), False))
