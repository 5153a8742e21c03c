"""Permutation importance: how much worse a metric gets when a column's values are shuffled among the rows."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.arguments import checked
from blocks.data import read
from blocks.data.sample import ROWS, sample
from blocks.data.schema import require_columns
from blocks.errors import BlocksWarning, InvalidArgument
from blocks.evaluate.answering import as_predictor
from blocks.evaluate.metric_direction import direction
from blocks.evaluate.metric_table import metrics

ROWS_AT_ONCE = 100_000


@checked()
def permutation_importance(
    model: Any,
    source: Any,
    *,
    metric: str | None = None,
    repeats: int = 5,
    groups: Mapping[str, Sequence[str]] | None = None,
    rows: int = ROWS,
    seed: int = 0,
    target: str | None = None,
) -> pa.Table:
    """How much a model's metric on held-out rows relies on each raw column.

    The values of a column are shuffled among the rows, `repeats` times. What a column adds beside others that tell the
    same does not show: shuffle such columns together, as one of `groups`.

    Args:
        model: As of `blocks.explain`.
        source: Rows with their target that the model was not trained on: anything that `blocks.read` takes.
        metric: One of `blocks.evaluate.metrics`; unless given `log_loss` of a classifier and
            `root_mean_squared_error` of a regressor.
        repeats: Shuffles of each column.
        groups: Columns by the name of their group, which are shuffled together, each in one group at most.
        rows: Rows that are drawn from the source and predicted anew with each shuffle.
        seed: Decides rows and shuffles.
        target: The column of truth, for a model that does not say.

    Returns:
        An Arrow table, the most important first: column (or group), importance (the mean over the shuffles of how much
        worse the metric got), low, high (the least and the most), standard_deviation (over the shuffles), metric,
        baseline (the metric of the rows as they are).

    Raises:
        InvalidArgument: The metric is unknown, undefined, or better neither higher nor lower; or a column stands in two
            groups.
        SchemaMismatch: A column is unknown.
        EmptySource: There are no rows.

    Example:
        >>> class Doubled:
        ...     def predict(self, rows):
        ...         return {"prediction": 2.0 * rows["x"].to_numpy()}
        >>> data = {"x": [1.0, 2.0, 3.0], "noise": [3.0, 1.0, 2.0], "y": [2.0, 4.0, 6.0]}
        >>> found = permutation_importance(Doubled(), data, target="y")
        >>> found["column"].to_pylist(), found["importance"].to_pylist()[1] < 1e-9
        (['x', 'noise'], True)

    Source: Breiman, "Random Forests" (2001); Fisher, Rudin, Dominici, "All Models are Wrong, but Many are Useful" (JMLR
    2019).
    """
    if repeats < 1:
        raise InvalidArgument(f"A column is shuffled once at least. Received: repeats={repeats!r}.")
    source = read(source)
    targets = [] if target is None else [target]
    answering = as_predictor(model, [name for name in source.schema.names if name != target], targets)
    require_columns(answering.inputs, source.schema.names, "permutation_importance")
    parts = _parts([name for name in source.schema.names if name in answering.inputs], groups or {})
    table = sample(source, rows, seed=seed)
    if metric is None:
        metric = _default(answering)

    mark = "shuffle"
    while mark in table.schema.names:
        mark += "_"

    def judged(tables: list[pa.Table]) -> np.ndarray:
        """The metric of each table; all of them are answered at once."""
        marked = [one.append_column(mark, pa.array([str(n)] * len(one))) for n, one in enumerate(tables)]
        found = metrics(
            answering, by=mark, data=pa.concat_tables(marked), metrics=[metric], bootstrap=0, max_groups=len(tables)
        )
        values = dict(zip(found["group"].to_pylist(), found["value"].to_pylist(), strict=True))
        of_tables = [values.get(f"{mark}={n}") for n in range(len(tables))]
        if len(values) != len(found) or None in of_tables:
            known = len(values) == len(found)
            raise InvalidArgument(
                f"Importance is by one metric that is defined for these rows. Received: {metric!r}, which is "
                f"{found['note'][0].as_py() if known else ', '.join(dict.fromkeys(found['metric'].to_pylist()))}."
            )
        return np.array(of_tables, np.float64)

    baseline = float(judged([table])[0])
    worse = _sign_of_worse(metric)
    random = np.random.default_rng(seed)
    at_once = max(1, ROWS_AT_ONCE // len(table))
    changes: dict[str, np.ndarray] = {}
    with warnings.catch_warnings():
        # said once, of the rows as they are
        warnings.simplefilter("ignore", BlocksWarning)
        for part, columns in parts.items():
            values: list[float] = []
            while len(values) < repeats:
                tables = [_shuffled(table, columns, random) for _ in range(min(at_once, repeats - len(values)))]
                values += (worse * (judged(tables) - baseline)).tolist()
            changes[part] = np.array(values)
    order = sorted(changes, key=lambda part: -changes[part].mean())
    return pa.table(
        {
            "column": pa.array(order, pa.string()),
            "importance": [changes[part].mean() for part in order],
            "low": [changes[part].min() for part in order],
            "high": [changes[part].max() for part in order],
            "standard_deviation": [changes[part].std() for part in order],
            "metric": [metric] * len(order),
            "baseline": [baseline] * len(order),
        }
    )


def _shuffled(table: pa.Table, columns: Sequence[str], random: np.random.Generator) -> pa.Table:
    """The rows with the values of some columns, together, in another order."""
    order = pa.array(random.permutation(len(table)))
    for name in columns:
        place = table.schema.names.index(name)
        table = table.set_column(place, table.schema.field(name), table.column(name).take(order))
    return table


def _parts(columns: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """What is shuffled together, by name."""
    grouped = [name for names in groups.values() for name in names]
    require_columns(grouped, columns, "groups")
    twice = sorted({name for name in grouped if grouped.count(name) > 1})
    alone = [name for name in columns if name not in grouped]
    if twice or set(groups) & set(alone):
        raise InvalidArgument(
            "A column is in one group at most, and a group has a name of its own. "
            f"Received: {', '.join(map(repr, twice or sorted(set(groups) & set(alone))))} twice."
        )
    return {**{name: list(names) for name, names in groups.items()}, **{name: [name] for name in alone}}


def _sign_of_worse(metric: str) -> float:
    """1 where a metric that rises gets worse, -1 where one that falls does."""
    better = direction(metric)
    if better == "neither":
        raise InvalidArgument(
            f"Importance is by a metric of which more or less is better. Received: {metric!r}, of which neither is. "
            "Take a loss or an error: metric='mean_absolute_error', say."
        )
    return 1.0 if better == "lower" else -1.0


def _default(answering: Any) -> str:
    heads = answering.describe()["heads"]
    if len(heads) != 1:
        raise InvalidArgument(
            f"A model with the heads {', '.join(head['name'] for head in heads)} is judged by a metric of one of them. "
            "Name it: metric='head_metric'."
        )
    return "root_mean_squared_error" if heads[0].get("classes") is None else "log_loss"
