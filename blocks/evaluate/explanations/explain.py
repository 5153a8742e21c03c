"""`blocks.explain`: one row's answer in terms of its raw columns, by LIME or the user's own explainer."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.arguments import checked
from blocks.data import Source, read
from blocks.data.sample import sample
from blocks.data.schema import require_columns
from blocks.errors import InvalidArgument, SchemaMismatch
from blocks.evaluate.answering import as_predictor
from blocks.evaluate.explanations.explanation import Explainer, Explanation
from blocks.evaluate.explanations.lime import Lime
from blocks.evaluate.explanations.outputs import component_names, component_of, output_of


@checked()
def explain(
    model: Any,
    row: Any,
    *,
    background: Any,
    target: Any = None,
    output: str | None = None,
    n_samples: int = 4096,
    seed: int = 0,
    method: Explainer | None = None,
) -> Explanation:
    """What each raw value of a row adds to the model's answer for it.

    Categories are named by their strings, missing values stay missing, a text is explained by its words, an encoded
    picture by its regions, a window by its stretches. The same seed gives the same explanation. That from a
    SavedModel is the model's own, but for the last digits.

    Args:
        model: A `blocks.Model`; the folder of an exported SavedModel, which needs TensorFlow alone; or an object whose
            `predict` takes an Arrow table of raw rows and gives a dict of answers.
        row: One row: a dict of raw values, or a table of a single row. Columns that the model does not read may be
            there.
        background: Rows to draw other values from: anything that `blocks.read` takes. 10,000 of its first 1,000,000
            rows are drawn, by the seed.
        target: The class to explain; the model's most probable one unless given. Only for answers with classes.
        output: The answer to explain, of a model with several ("price_prediction").
        n_samples: Rows that LIME draws and predicts, rounded up to a power of two.
        seed: Another seed, other rows.
        method: Another explainer than `Lime`; then `n_samples` is its own matter.

    Returns:
        The explanation: contributions in the answer's unit, the strongest first; printable.

    Raises:
        SchemaMismatch: Row or background lack a column, or a value does not fit the background's type.
        InvalidArgument: An unknown class or answer, or several rows.
        EmptySource: There is no background.

    Example:
        >>> import numpy as np, blocks
        >>> class Doubled:
        ...     def predict(self, rows):
        ...         return {"prediction": 2.0 * rows["x"].to_numpy()}
        >>> rows = {"x": np.arange(100.0), "city": ["Oslo", "Rome"] * 50}
        >>> found = blocks.explain(Doubled(), {"x": 90.0, "city": "Oslo"}, background=rows)
        >>> found.contributions[0].column, found.prediction
        ('x', 180.0)
    """
    source = read(background)
    values = _values(row)
    answering = as_predictor(model, [name for name in source.schema.names if name in values])
    require_columns(answering.inputs, source.schema.names, "The background")
    columns = [name for name in source.schema.names if name in answering.inputs]
    table = _table(values, source.schema, columns)

    def answers(rows: pa.Table) -> dict[str, np.ndarray]:
        return answering.answers(rows.combine_chunks().to_batches()[0])

    first = answers(table)
    name = output_of(first, output)
    place = None
    if first[name].ndim == 2:
        names = component_names(answering.describe(), name, first[name].shape[1])
        place = int(np.argmax(first[name][0])) if target is None else component_of(names, name, target)
        target = names[place]
    elif target is not None:
        raise InvalidArgument(f"{name} is one number and has no class. Received: target={target!r}. Leave it out.")

    def predict(rows: pa.Table) -> np.ndarray:
        values = answers(rows)[name]
        return (values if place is None else values[:, place]).astype(np.float64)

    method = Lime(n_samples=n_samples, seed=seed) if method is None else method
    found = method.explain(predict, table, sample(source, columns=columns, seed=seed))
    return dataclasses.replace(found, output=name, target=target)


def _values(row: Any) -> dict[str, Any]:
    """The raw values of one row by column."""
    if isinstance(row, Mapping):
        return dict(row)
    try:
        table = row.to_table() if isinstance(row, Source) else pa.table(row)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            f"A row is a dict of values by column, or a table of one. Received: {row!r:.80}."
        ) from error
    if len(table) != 1:
        raise InvalidArgument(f"One row is explained at a time. Received: {len(table):,} rows.")
    return {name: table.column(name)[0].as_py() for name in table.schema.names}


def _table(values: Mapping[str, Any], schema: pa.Schema, columns: list[str]) -> pa.Table:
    """A row as a table of the columns wanted, in the types of a schema."""
    absent = [name for name in columns if name not in values]
    if absent:
        raise SchemaMismatch(f"The row lacks {', '.join(map(repr, absent))}. A missing value is None.")
    arrays = []
    for name in columns:
        value, kind = values[name], schema.field(name).type
        try:
            arrays.append(pa.array([value.item() if isinstance(value, np.generic) else value], kind))
        except (pa.ArrowException, TypeError) as error:
            raise SchemaMismatch(
                f"Column {name!r} is {kind} in the background. Received: {value!r}, of which Arrow says: {error}"
            ) from error
    return pa.Table.from_arrays(arrays, names=columns)
