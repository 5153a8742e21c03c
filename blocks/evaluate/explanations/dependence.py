"""Partial dependence: a model's mean answer when one or two raw columns are set to a value in every row."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.arguments import checked
from blocks.data import read
from blocks.data.arrow_types import is_number, is_time
from blocks.data.sample import sample
from blocks.data.schema import require_columns
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.evaluate.answering import as_predictor
from blocks.evaluate.explanations.outputs import component_names, component_of, output_of
from blocks.evaluate.explanations.perturbed_rows import FEW, is_missing
from blocks.features.names import aside

ROWS = 1000
RESULTS = ("class", "mean", "low", "high")


@checked()
def partial_dependence(
    model: Any,
    source: Any,
    columns: str | Sequence[str],
    *,
    grid: int | Mapping[str, Sequence[Any]] = 20,
    target: Any = None,
    output: str | None = None,
    rows: int = ROWS,
    seed: int = 0,
) -> pa.Table:
    """The mean answer over rows in which one or two columns are set to each of some values.

    It tells how the model answers, not how the world does; where columns go together, some of the rows never occur.

    Args:
        model: As of `blocks.explain`.
        source: Rows to average over: anything that `blocks.read` takes.
        columns: One column, or two.
        grid: How many values of each column: quantiles of numbers and times, the most frequent others; a missing value
            is one of them where the rows have any. Or the values themselves, by column.
        target: A class; all of them unless given.
        output: The answer, of a model with several.
        rows: Rows that are drawn from the source.
        seed: Decides which.

    Returns:
        An Arrow table, a row for each value, or pair, and class: the columns, class (null where the answer is one
        number), mean, low, high (10% and 90% of the rows' answers lie below). A raw column of one of these names is
        called raw_class and so on.

    Raises:
        InvalidArgument: More than two columns, or an unknown class or answer.
        SchemaMismatch: The model does not read a column, or a value does not fit its type.
        EmptySource: There are no rows.

    Example:
        >>> class Doubled:
        ...     def predict(self, rows):
        ...         return {"prediction": 2.0 * rows["x"].to_numpy()}
        >>> partial_dependence(Doubled(), {"x": [1.0, 2.0], "y": [0, 0]}, "x", grid={"x": [5.0]}).to_pylist()
        [{'x': 5.0, 'class': None, 'mean': 10.0, 'low': 10.0, 'high': 10.0}]

    Source: Friedman, "Greedy Function Approximation" (Annals of Statistics 2001).
    """
    names = [columns] if isinstance(columns, str) else list(columns)
    if len(set(names)) not in (1, 2) or len(set(names)) != len(names):
        raise InvalidArgument(f"Partial dependence is on one column or two. Received: {names!r}.")
    source = read(source)
    answering = as_predictor(model, source.schema.names)
    require_columns(answering.inputs, source.schema.names, "partial_dependence")
    require_columns(names, list(answering.inputs), "partial_dependence, of what the model reads")
    table = sample(source, rows, columns=[name for name in source.schema.names if name in answering.inputs], seed=seed)
    values = [_grid(table, name, grid) for name in names]
    places: list[tuple[int, ...]] = []
    found: dict[str, list[Any]] = {name: [] for name in RESULTS}
    for point in itertools.product(*(range(len(one)) for one in values)):
        changed = table
        for name, one, place in zip(names, values, point, strict=True):
            repeated = pa.repeat(one[place], len(table))
            changed = changed.set_column(table.schema.names.index(name), table.schema.field(name), repeated)
        answers = answering.answers(changed.combine_chunks().to_batches()[0])
        key = output_of(answers, output)
        of_rows = answers[key].astype(np.float64).reshape(len(table), -1)
        classes = [None]
        if answers[key].ndim == 2:
            classes = component_names(answering.describe(), key, of_rows.shape[1])
        for column in range(len(classes)) if target is None else [component_of(classes, key, target)]:
            places.append(point)
            low, high = np.quantile(of_rows[:, column], [0.1, 0.9])
            mean = of_rows[:, column].mean()
            class_name = None if classes[column] is None else str(classes[column])
            for name, value in zip(RESULTS, (class_name, float(mean), float(low), float(high)), strict=True):
                found[name].append(value)
    taken = np.array(places).T
    others = {*RESULTS, *names}
    raw = {
        aside(f"raw_{name}", others) if name in RESULTS else name: one.take(pa.array(place))
        for name, one, place in zip(names, values, taken, strict=True)
    }
    return pa.table({**raw, **found, "class": pa.array(found["class"], pa.string())})


def _grid(table: pa.Table, name: str, grid: int | Mapping[str, Sequence[Any]]) -> pa.Array:
    """The values that a column is set to, of its type."""
    values = table.column(name).combine_chunks()
    if isinstance(grid, Mapping):
        if name not in grid:
            raise InvalidArgument(f"grid has the values of each column. Received: none for {name!r}.")
        try:
            return pa.array(list(grid[name]), values.type)
        except (pa.ArrowException, TypeError) as error:
            raise SchemaMismatch(f"grid holds values of {name!r}, which is {values.type}: {error}") from error
    if grid < 1:
        raise InvalidArgument(f"grid is how many values, or the values by column. Received: {grid!r}.")
    if pa.types.is_nested(values.type):
        raise InvalidArgument(
            f"Partial dependence is on columns of one value a row. Received: {name!r} of type {values.type}. Give "
            f"values to set it to: grid={{{name!r}: [...]}}, or see blocks.evaluate.permutation_importance."
        )
    missing = is_missing(values)
    present = values.filter(pa.array(~missing))
    counts = present.value_counts()
    if len(counts) > FEW and (is_number(values.type) or is_time(values.type)):
        ordered = present.take(pc.sort_indices(present))
        places = np.linspace(0, len(ordered) - 1, grid).round().astype(np.int64)
        found = ordered.take(pa.array(places)).unique()
    else:
        common = pc.sort_indices(counts.field("counts"), sort_keys=[("", "descending")])[:grid]
        found = counts.field("values").take(common)
        if is_number(values.type) or is_time(values.type):
            found = found.take(pc.sort_indices(found))
    return pa.concat_arrays([found, pa.nulls(1, values.type)]) if missing.any() else found
