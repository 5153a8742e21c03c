"""Decisions: candidates, cumulative gain and profit, and the threshold that earns most, judged on other rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import pyarrow as pa

from blocks.arguments import checked
from blocks.errors import EmptySource, InvalidArgument, SchemaMismatch
from blocks.evaluate.scoring.bootstrap import BUCKETS, buckets
from blocks.evaluate.scoring.estimate import bucket_sums, estimates
from blocks.evaluate.scoring.head_reader import HeadReader
from blocks.evaluate.scoring.summed_table import checked_settings
from blocks.evaluate.tables.prediction_table import UNWEIGHTED, PredictionTable, TableOptions
from blocks.evaluate.worth import Worth, checked_money, judged_rows, total_and_mean
from blocks.statistics import hash_rows
from blocks.statistics.score_table import ScoreTable
from blocks.targets.description import HeadDescription


@checked(also=UNWEIGHTED)
def top_n(
    table: Any,
    n: int,
    *,
    confidence: float = 0.0,
    positive: Any = None,
    **options: Unpack[TableOptions],
) -> pa.Table:
    """The best candidates: the n rows of the highest score, of those whose score reaches a confidence.

    Args:
        table: A prediction table, as of `metrics`; its target may be missing.
        n: Rows at most.
        confidence: The least score.
        positive: The class whose probability is the score; the second of two classes unless given. A regressor's score
            is its prediction.
        options: As of `metrics`; weights do not enter.

    Returns:
        The rows, every column, and `score`, from the highest; of equal ones, the first in the table first.

    Example:
        >>> rows = {"id": [1, 2, 3], "sold": ["no"] * 3, "probabilities": [[0.2, 0.8], [0.9, 0.1], [0.4, 0.6]]}
        >>> top_n(pa.table(rows), 5, confidence=0.5, target="sold", classes=["no", "yes"])["id"].to_pylist()
        [1, 3]
    """
    if n < 1:
        raise InvalidArgument(f"n is a positive number of rows. Received: {n!r}.")
    opened = PredictionTable.of(table, **options)
    reader = HeadReader(opened.chosen_head, opened.schema)
    best: pa.Table | None = None
    for start, chunk in opened.placed_chunks(opened.schema.names):
        score = _scores(reader, chunk, positive)
        reached = np.flatnonzero(np.nan_to_num(score, nan=-np.inf) >= confidence)
        places = reached[np.argsort(-score[reached], kind="stable")[:n]]
        found = pa.Table.from_batches([chunk]).take(pa.array(places))
        found = found.append_column("score", pa.array(score[places])).append_column("place", pa.array(start + places))
        both = found if best is None else pa.concat_tables([best, found], promote_options="permissive")
        best = both.sort_by([("score", "descending"), ("place", "ascending")]).slice(0, n).combine_chunks()
    if best is None:
        raise EmptySource(f"There is no row to choose from. Received: {opened!r}.")
    return best.drop(["place"])


@dataclass(frozen=True)
class BestThreshold:
    """What `best_threshold` found.

    Attributes:
        threshold: A row is taken for the class when its probability reaches this; infinite where no row should be.
        tuned: Mean money at the threshold, on the rows that it was chosen on: too high an estimate.
        judged: The same on the other rows: what to expect.
        low: Lower end of the interval of `judged`.
        high: Upper end.
        at_half: Mean money on the other rows at a threshold of 0.5.
        rows: Of the other rows.
    """

    threshold: float
    tuned: float
    judged: float
    low: float
    high: float
    at_half: float
    rows: int


@checked(also=UNWEIGHTED)
def gains(
    table: Any,
    fn: Worth | None = None,
    *,
    positive: Any = None,
    points: int = 100,
    **options: Unpack[TableOptions],
) -> pa.Table:
    """Cumulative gain and profit: what one gets by acting on the rows of the highest scores first.

    Args:
        table: A classifier's prediction table, or with `data` a model, as of `metrics`.
        fn: Worth of a decision; the profit of acting on a row is `fn` with the class as its label, less `fn` with the
            likeliest other class. None for no profit.
        positive: The class to find; the second of two classes unless given.
        points: Points at most.
        options: As of `metrics`; weights do not enter.

    Returns:
        An Arrow table: chosen (share of rows), rows, threshold, gain (share of the class that is among them), lift
        (gain over chosen), profit (money, null without `fn`). Exact up to 65,536 distinct scores.

    Example:
        >>> p = [[0.1, 0.9], [0.4, 0.6], [0.7, 0.3], [0.9, 0.1]]
        >>> table = pa.table({"sold": ["yes", "no", "no", "no"], "probabilities": p})
        >>> gains(table, target="sold", classes=["no", "yes"])["lift"].to_pylist()
        [4.0, 2.0, 1.3333333333333333, 1.0]
    """
    opened = PredictionTable.of(table, **options)
    scores, _, _ = _acted(opened, fn, positive)
    rows, hits, money = (np.cumsum(column[::-1]) for column in scores.sums.T)
    kept = np.unique(np.linspace(0, len(rows) - 1, min(points, len(rows))).round().astype(int))
    chosen, gain = rows / rows[-1], hits / max(hits[-1], 1e-300)
    profit = pa.array(money[kept]) if fn is not None else pa.nulls(len(kept), pa.float64())
    return pa.table(
        {
            "chosen": chosen[kept],
            "rows": rows[kept].astype(np.int64),
            "threshold": scores.scores[::-1][kept],
            "gain": gain[kept],
            "lift": (gain / chosen)[kept],
            "profit": profit,
        }
    )


@checked(also=UNWEIGHTED)
def best_threshold(
    tune: Any,
    judge: Any,
    fn: Worth,
    *,
    positive: Any = None,
    confidence: float = 0.95,
    bootstrap: int = 1000,
    seed: int = 0,
    **options: Unpack[TableOptions],
) -> BestThreshold:
    """The threshold that earns most on some rows, and what it earns on others.

    Args:
        tune: A classifier's prediction table to choose on, as of `metrics`.
        judge: One of other rows, to say what the choice is worth. Equal rows are refused: by the tables' keys, which
            are held as 8 bytes a row, or where there are none by their fingerprints.
        fn: Worth of a decision: called with the class as label, and with the likeliest other class.
        positive: The class; the second of two classes unless given.
        confidence: Of the interval.
        bootstrap: Replicates.
        seed: Of the replicates.
        options: As of `metrics`; weights do not enter.

    Returns:
        A `BestThreshold`.

    Raises:
        InvalidArgument: The two tables share rows.

    Example:
        >>> from blocks.evaluate import cost_matrix
        >>> p = [[0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8]]
        >>> a = pa.table({"sold": ["no", "no", "yes", "yes"], "probabilities": p})
        >>> b = pa.table({"sold": ["no", "yes", "yes", "yes"], "probabilities": p})
        >>> earned = cost_matrix({"yes": {"yes": 5.0, "no": 0.0}, "no": {"yes": -1.0, "no": 0.0}})
        >>> found = best_threshold(a, b, earned, target="sold", classes=["no", "yes"])
        >>> found.threshold, found.tuned, found.judged
        (0.4, 2.5, 2.5)
    """
    settings = checked_settings(confidence, bootstrap, seed)
    tuning, judging = (PredictionTable.of(table, **options) for table in (tune, judge))
    _refuse_shared(tuning, judging)
    scores, base, rows = _acted(tuning, fn, positive)
    earned = np.append(0.0, np.cumsum(scores.sums[::-1, 2]))
    best = int(np.argmax(earned))
    threshold = float(np.append(np.inf, scores.scores[::-1])[best])
    sums = np.zeros((BUCKETS, 3))
    for score, _, gained, without, positions in _decisions(judging, fn, positive):
        bucket = buckets(positions, BUCKETS)
        for column, values in enumerate((None, without + gained * (score >= threshold))):
            sums[:, column : column + 1] += bucket_sums(bucket, BUCKETS, values)
        sums[:, 2:] += bucket_sums(bucket, BUCKETS, without + gained * (score >= 0.5))
    if not sums[:, 0].sum():
        raise EmptySource(f"There is no row to judge on. Received: {judging!r}.")
    found = estimates({"sums": sums[:, :2]}, total_and_mean, settings)["mean"]
    count = float(sums[:, 0].sum())
    return BestThreshold(
        threshold,
        (base + float(earned[best])) / rows,
        found.value,
        found.low,
        found.high,
        float(sums[:, 2].sum()) / count,
        int(count),
    )


def _refuse_shared(tuning: PredictionTable, judging: PredictionTable) -> None:
    keys = tuning.description.keys
    if keys and keys == judging.description.keys:
        hashes = []
        for opened in (tuning, judging):
            parts = [hash_rows(chunk.columns) for _, chunk in opened.placed_chunks(keys)]
            hashes.append(np.unique(np.concatenate([np.zeros(0, np.uint64), *parts])))
        shared = len(np.intersect1d(hashes[0], hashes[1], assume_unique=True))
        if shared:
            raise InvalidArgument(
                f"A threshold is judged on other rows than it was chosen on. Received: {shared:,} rows in both, by "
                f"{', '.join(keys)}. Choose on one split and judge on another."
            )
    elif tuning.fingerprint() == judging.fingerprint():
        raise InvalidArgument(
            f"A threshold is judged on other rows than it was chosen on. Received: {tuning!r} for both."
        )


def _acted(table: PredictionTable, fn: Worth | None, positive: Any) -> tuple[ScoreTable, float, int]:
    """By score: rows, rows of the class, money gained by acting; what not acting earns, and the number of rows."""
    scores, base, rows = ScoreTable(3), 0.0, 0
    for score, is_class, gained, without, _ in _decisions(table, fn, positive):
        scores.update(score, np.stack([np.ones(len(score)), is_class, gained], axis=1))
        base += float(without.sum())
        rows += len(score)
    if not rows:
        raise EmptySource(f"There is no row to act on. Received: {table!r}.")
    return scores, base, rows


def _decisions(
    table: PredictionTable, fn: Worth | None, positive: Any
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Of each chunk: score, whether of the class, money gained by acting, money without acting, positions."""
    chosen = table.chosen_head
    c = _class_index(chosen, positive)
    names = np.array(chosen.classes)
    for chunk, truth, answers, positions in judged_rows(table):
        p = answers["probabilities"]
        gained = without = np.zeros(len(p))
        if fn is not None:
            others = np.where(np.arange(p.shape[1]) == c, -1.0, p).argmax(axis=1)
            acting = {**answers, "label": np.repeat(names[c : c + 1], len(p))}
            without = checked_money(fn, truth, {**answers, "label": names[others]}, chunk)
            gained = checked_money(fn, truth, acting, chunk) - without
        yield p[:, c], (truth == names[c]).astype(np.float64), gained, without, positions


def _scores(reader: HeadReader, chunk: pa.RecordBatch, positive: Any) -> np.ndarray:
    scores = reader.scores(chunk)
    return scores[:, _class_index(reader.head, positive)] if reader.is_classifier else scores


def _class_index(head: HeadDescription, positive: Any) -> int:
    classes = list(head.classes or ())
    if positive is None and len(classes) == 2:
        return 1
    if positive not in classes:
        raise (InvalidArgument if classes else SchemaMismatch)(
            f"positive names one of the classes {classes}. Received: {positive!r}."
        )
    return classes.index(positive)
