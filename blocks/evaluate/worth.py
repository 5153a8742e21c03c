"""Worth: predictions in money, by a user's own function. What to act on lives in `decisions`."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Unpack

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blocks.arguments import checked
from blocks.errors import EmptySource, InvalidArgument
from blocks.evaluate.scoring.bootstrap import BUCKETS, buckets
from blocks.evaluate.scoring.classification import ClassRows
from blocks.evaluate.scoring.estimate import Arrays, bucket_sums, estimates
from blocks.evaluate.scoring.head_reader import HeadReader
from blocks.evaluate.scoring.regression import NumberRows
from blocks.evaluate.scoring.summed_table import FEW, checked_settings
from blocks.evaluate.tables.grouping import ALL, By
from blocks.evaluate.tables.prediction_table import UNWEIGHTED, PredictionTable, TableOptions

Worth = Callable[[np.ndarray, dict[str, np.ndarray], pa.RecordBatch], Any]
"""(target, answer, row) to money, all of a chunk of rows at once: the truth as the source has it, (rows,); the answers
by name, `probabilities` (rows, classes), `label` (rows,), `prediction` (rows,), ...; every column of the table."""


@checked()
def cost_matrix(money: Mapping[Any, Mapping[Any, float]]) -> Worth:
    """What each decision is worth, as a function for `value`, `gains` and `best_threshold`.

    Args:
        money: By target, then by label: {"yes": {"yes": 100.0, "no": 0.0}, "no": {"yes": -20.0, "no": 0.0}}.

    Returns:
        A function of (target, answer, row).

    Raises:
        InvalidArgument: When it meets a target or label that the matrix does not have.

    Example:
        >>> earned = cost_matrix({"yes": {"yes": 5.0, "no": 0.0}, "no": {"yes": -1.0, "no": 0.0}})
        >>> earned(np.array(["yes", "no"]), {"label": np.array(["yes", "yes"])}, None).tolist()
        [5.0, -1.0]
    """
    labels = list(dict.fromkeys(label for row in money.values() for label in row))
    dense = np.array([[row.get(label, np.nan) for label in labels] for row in money.values()], np.float64)

    def earned(target: np.ndarray, answer: dict[str, np.ndarray], row: Any) -> np.ndarray:
        found = dense[_places(target, list(money), "target"), _places(answer["label"], labels, "label")]
        if np.isnan(found).any():
            raise InvalidArgument(f"A cost matrix has money for every target and label. Received: {dict(money)}.")
        return found

    return earned


def _places(values: np.ndarray, known: list[Any], what: str) -> np.ndarray:
    column = pa.array(values)
    found = pc.index_in(column, value_set=pa.array(known).cast(column.type))
    if found.null_count:
        odd = column.filter(found.is_null())[0].as_py()
        raise InvalidArgument(f"The cost matrix has the {what}s {known}. Received: {odd!r}.")
    return found.to_numpy()


@checked(also=UNWEIGHTED)
def value(
    table: Any,
    fn: Worth,
    by: By = None,
    *,
    confidence: float = 0.95,
    bootstrap: int = 1000,
    seed: int = 0,
    few: int = FEW,
    max_groups: int = 100,
    **options: Unpack[TableOptions],
) -> pa.Table:
    """What predictions are worth: total and mean money, overall and by group, with intervals.

    Args:
        table: A prediction table, or with `data` a model, as of `metrics`.
        fn: Your function of (target, answer, row) to money, over a chunk of rows at once; see `Worth`. `cost_matrix`
            makes one.
        by: Columns that make groups, as of `metrics`.
        confidence: Of the intervals.
        bootstrap: Replicates; 0 for no intervals.
        seed: Of the replicates.
        few: Groups with fewer rows are flagged.
        max_groups: More groups are refused.
        options: As of `metrics`; weights do not enter.

    Returns:
        An Arrow table: group, metric ("total" or "mean"), value, low, high, rows, few. A total's interval takes the
        number of rows as chance too.

    Raises:
        InvalidArgument: `fn` gives anything but one finite number a row.

    Example:
        >>> rows = {"price": [10.0, 20.0], "prediction": [12.0, 19.0]}
        >>> found = value(pa.table(rows), lambda target, answer, row: target - answer["prediction"], target="price")
        >>> found["value"].to_pylist()
        [-1.0, -0.5]
    """
    settings = checked_settings(confidence, bootstrap, seed)
    opened = PredictionTable.of(table, by, **options)
    grouping = opened.grouping(by, max_groups)
    sums: dict[str, np.ndarray] = {}
    for chunk, truth, answers, positions in judged_rows(opened):
        money = checked_money(fn, truth, answers, chunk)
        names, codes = grouping.groups(chunk)
        grouping.check(len({*sums, *names}))
        bucket = buckets(positions, BUCKETS)
        for i, name in enumerate(names):
            inside = codes == i
            counted = bucket_sums(bucket[inside], BUCKETS, None), bucket_sums(bucket[inside], BUCKETS, money[inside])
            sums[name] = sums.get(name, np.zeros((BUCKETS, 2))) + np.hstack(counted)
    if not sums:
        raise EmptySource(f"There is no row to value. Received: {opened!r}.")
    total = {ALL: np.sum(list(sums.values()), axis=0)}
    columns: dict[str, list[Any]] = {name: [] for name in ("group", "metric", "value", "low", "high", "rows", "few")}
    for name, by_bucket in {**total, **{name: sums[name] for name in sorted(sums) if name}}.items():
        rows = int(by_bucket[:, 0].sum())
        for metric, found in estimates({"sums": by_bucket}, total_and_mean, settings).items():
            ends = [None if not np.isfinite(end) else end for end in (found.low, found.high)]
            for column, item in zip(columns, (name, metric, found.value, *ends, rows, rows < few), strict=True):
                columns[column].append(item)
    return pa.table(columns)


def total_and_mean(sums: Arrays) -> dict[str, np.ndarray]:
    """Total and mean money of sums of rows and money, (n, 2)."""
    rows, money = sums["sums"].T
    return {"total": money, "mean": money / rows}


def judged_rows(
    table: PredictionTable,
) -> Iterator[tuple[pa.RecordBatch, np.ndarray, dict[str, np.ndarray], np.ndarray]]:
    """Chunks of the rows that can be judged: with their truth, answers and positions."""
    head = table.chosen_head
    reader = HeadReader(head, table.schema)
    if reader.is_multilabel or reader.is_forecast or len(head.targets) > 1:
        many = f"{head.targets[0]!r}, of many steps" if reader.is_forecast else ", ".join(head.targets)
        raise InvalidArgument(f"Worth is of one target. Received: {many}.")
    for start, chunk in table.placed_chunks(table.schema.names):
        found = reader.read(chunk, start)
        kept, rows = found.kept[""], found.rows[""]
        if len(kept) < len(chunk):
            chunk = chunk.take(pa.array(kept))
        if isinstance(rows, ClassRows):
            names = np.array(head.classes)
            answers = {"probabilities": rows.probabilities, "label": names[rows.label]}
            yield chunk, names[rows.target], answers, rows.positions
        elif isinstance(rows, NumberRows):
            answers = {"prediction": rows.prediction, "quantiles": rows.quantiles, "low": rows.low, "high": rows.high}
            answers["standard_deviation"] = rows.deviation
            yield chunk, rows.target, {k: v for k, v in answers.items() if v is not None}, rows.positions


def checked_money(fn: Worth, truth: np.ndarray, answers: dict[str, np.ndarray], chunk: pa.RecordBatch) -> np.ndarray:
    """What a user's function gives, as (rows,) float64.

    Raises:
        InvalidArgument: It is anything but one finite number a row.
    """
    found = fn(truth, answers, chunk)
    money = np.asarray(found.to_numpy(zero_copy_only=False) if isinstance(found, pa.Array) else found, np.float64)
    if money.shape != (len(chunk),) or not np.isfinite(money).all():
        raise InvalidArgument(
            f"A worth is one finite number for each of the {len(chunk)} rows of a chunk. Received: shape {money.shape}"
            f"{'' if np.isfinite(money).all() else ', not all finite'}."
        )
    return money
