"""Compare: models trained anew on one store, with the same seeds and budget; or prediction tables, as they are."""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import keras
import numpy as np
import pyarrow as pa

from blocks.arguments import checked
from blocks.baselines import Baseline
from blocks.errors import InvalidArgument
from blocks.evaluate.model_ranking import VALID, Comparison
from blocks.evaluate.paired_differences import compare_tables
from blocks.evaluate.tables.prediction_table import OPTIONS
from blocks.model import Model
from blocks.progress import Progress, Verbose
from blocks.store import Store, StoreSplit

__all__ = ["Comparison", "compare"]

Contestant = Model | Callable[..., Baseline]


@checked()
def train_and_compare(
    models: Mapping[str, Contestant] | Sequence[Contestant],
    store: Store | Mapping[str, StoreSplit],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int | None = None,
    batch_size: int | None = None,
    seconds: float | None = None,
    train: str = "train",
    valid: str | None = "valid",
    test: str = "test",
    verbose: Verbose = "auto",
) -> Comparison:
    """Train every model anew with every seed, and judge it; see `compare`."""
    contestants = _by_name(models)
    splits = {name: _split(store, name) for name in (train, test, *([valid] if valid else []))}
    head = next((one.head for one in contestants.values() if isinstance(one, Model)), None)
    if head is None:
        raise InvalidArgument(
            "compare takes one blocks.Model at least, whose head all share. Received: baselines alone."
        )
    runs = []
    with Progress("compare", len(contestants) * len(seeds), verbose, unit="fits") as progress:
        for seed in seeds:
            for name, one in contestants.items():
                start = time.perf_counter()
                if isinstance(one, Model):
                    model = one.replace(seed=seed)
                    history = model.fit(
                        splits[train],
                        validation_data=splits[valid] if valid else None,
                        epochs=epochs,
                        batch_size=batch_size,
                        seed=seed,
                        verbose=0,
                        callbacks=[] if seconds is None else [_Budget(start + seconds)],
                    )
                    passes, parameters = len(history.epoch), _trained(model.core)
                    judged: Any = model
                else:
                    judged, passes, parameters = one(splits[train], head, seed=seed), 1, 0
                taken = time.perf_counter() - start
                silent = {"verbose": 0} if isinstance(one, Model) else {}
                metrics = judged.evaluate(splits[test], **silent)
                validated = judged.evaluate(splits[valid], **silent) if valid else {}
                runs.append(
                    {
                        "model": name,
                        "seed": int(seed),
                        **{f"{VALID}{key}": float(value) for key, value in validated.items()},
                        **{key: float(value) for key, value in metrics.items()},
                        "parameters": parameters,
                        "epochs": passes,
                        "seconds": taken,
                        "rows_per_second": splits[train].rows * passes / taken,
                    }
                )
                progress.advance(1)
    return Comparison(pa.Table.from_pylist(runs))


_OPTIONS = [
    name
    for function in (train_and_compare, compare_tables)
    for name, one in inspect.signature(function).parameters.items()
    if one.kind is one.KEYWORD_ONLY
]


@overload
def compare(
    contestants: Mapping[str, Contestant] | Sequence[Contestant],
    store: Store | Mapping[str, StoreSplit],
    **options: Any,
) -> Comparison: ...


@overload
def compare(contestants: Mapping[str, Any] | Sequence[Any], store: None = None, **options: Any) -> pa.Table: ...


@checked(also=[*_OPTIONS, *OPTIONS])
def compare(contestants: Any, store: Any = None, **options: Any) -> Any:
    """Which is better: of models trained anew on a store, or of predictions as they are.

    With a store, every model is trained anew with every seed, ranked by the validation rows, and judged on the test
    rows. The seed decides weights, dropout and the order of rows; the models given are left as they are. All are judged
    by the metrics of the first model's head, as `Model.evaluate` gives them, and ranked by its loss: a choice by the
    test rows would make their metrics too good.

    Without one nothing is trained: prediction tables, or with `data` models as they are, are compared on the same rows,
    by paired differences of each metric, overall and by group. Rows are joined by the tables' keys; without keys, by
    their order, and then targets must agree. Tables in the same order are compared in bounded memory; others are joined
    in memory. Rows that one of the two cannot judge are left out of both. Intervals come from the same replicates for
    both (the paired bootstrap over random groups of rows). Those of areas come from the difference of each row's
    influences (for the ROC area DeLong's paired test). The `p_value` of `accuracy` is McNemar's: exact up to 1,000 rows
    that one has right and the other wrong, by chi-squared with the continuity correction beyond; it does not know
    weights.

    Args:
        contestants: By name, or in order. To be trained: adapted models that fit the store, and
            `blocks.baselines.constant`, `linear` or `boosted`; in a sequence a model goes by its extractor, a baseline
            by its own name. As they are: prediction tables, each of which is compared with the first; or with `data`
            models, which answer its rows several times: write tables of much data first.
        store: The store to train on, or its splits by name; None for predictions as they are.
        options: With a store.
            `seeds`: one fit of each model for each, 0, 1 and 2 unless given.
            `epochs`, `batch_size`: as of `Model.fit`; epochs for as long as it helps unless given.
            `seconds`: of each fit, at most; it ends with the epoch under way. Then results depend on the machine.
            `train`, `valid`, `test`: names of the splits to train on, to stop and rank by (None for neither: models
            then stay in their order), and to judge the choice by.
            `verbose`: how much to show, as of Keras: "auto", 0, 1 or 2.

            Without one.
            `by`: columns that make groups, as of `blocks.evaluate.metrics`; of the first table.
            `metrics`: the names wanted; all unless given.
            `confidence`, `bootstrap` (1 at least), `seed`, `few`, `max_groups`, and the options of a table, `data`,
            `head`, `target`, `classes`, `sample_weight`, `chunk_rows`: as of `blocks.evaluate.metrics`.

    Returns:
        With a store, a `Comparison`. Without one, an Arrow table: group, metric, baseline, other, baseline_value,
        other_value, difference (other less baseline), low, high, p_value, verdict ("other is better", "other is worse",
        "within noise" where the interval holds 0; "other is higher" or "lower" where neither is better), rows, few.

    Raises:
        InvalidArgument: Nothing to compare, a name twice, a split that is not there, or something else than these among
            the contestants; there is one table alone, or rows do not fit together.
        NotAdapted, StoreMismatch: As of `Model.fit`.

    Example:
        >>> import tempfile, blocks
        >>> from blocks import classifiers, feature_extractors
        >>> rows = {"x": [float(i % 9) for i in range(90)], "label": [i % 9 > 4 for i in range(90)]}
        >>> splits = blocks.read(rows).split(train=0.6, valid=0.2, test=0.2)
        >>> model = blocks.Model(feature_extractor=feature_extractors.MLP([4]), head=classifiers.Softmax("label"))
        >>> summary = model.adapt(splits["train"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = model.precompute(splits, folder)
        ...     found = blocks.compare([model, blocks.baselines.constant], store, seeds=[0], epochs=1)
        >>> found.table["rank"].to_pylist(), sorted(found.table["parameters"].to_pylist())
        ([1, 2], [0, 18])
        >>> price = [1.0, 2.0, 3.0, 4.0] * 9
        >>> old = {"price": price, "prediction": [2.0, 3.0, 4.0, 5.0] * 9}
        >>> new = {"price": price, "prediction": [1.0, 2.0, 3.0, 4.5] * 9}
        >>> found = blocks.compare({"old": old, "new": new}, metrics=["mean_absolute_error"], target="price")
        >>> found.select(["difference", "verdict"]).to_pylist()
        [{'difference': -0.875, 'verdict': 'other is better'}]
    """
    if store is not None:
        return train_and_compare(contestants, store, **options)
    as_they_are = list(contestants.values() if isinstance(contestants, Mapping) else contestants)
    if options.get("data") is None and any(callable(one) for one in as_they_are):
        raise InvalidArgument(
            "Models are compared trained anew on a store, compare(models, store), or as they are on rows, "
            "compare(models, data=rows); prediction tables by themselves. Received: models alone."
        )
    return compare_tables(contestants, **options)


class _Budget(keras.callbacks.Callback):
    """Ends training with the epoch in which the time runs out."""

    def __init__(self, end: float) -> None:
        super().__init__()
        self._end = end

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if time.perf_counter() >= self._end:
            self.model.stop_training = True


def _by_name(models: Mapping[str, Contestant] | Sequence[Contestant]) -> dict[str, Contestant]:
    pairs = list(models.items()) if isinstance(models, Mapping) else [(_name(one), one) for one in models]
    names = [name for name, _ in pairs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if not pairs or doubled:
        raise InvalidArgument(
            "compare takes models by distinct names: {'small': model, 'boosted': blocks.baselines.boosted}. Received: "
            + (f"twice {', '.join(doubled)}." if doubled else "none.")
        )
    for name, one in pairs:
        if not isinstance(one, Model) and not callable(one):
            raise InvalidArgument(
                f"compare takes blocks.Models and baselines. Received: {name!r}, a {type(one).__name__}."
            )
    return dict(pairs)


def _name(one: Any) -> str:
    if isinstance(one, Model):
        return type(one.feature_extractor).__name__
    return getattr(one, "__name__", type(one).__name__)


def _split(store: Any, name: str) -> StoreSplit:
    if not isinstance(store, Store | Mapping):
        raise InvalidArgument(f"compare trains on a store, or on its splits by name. Received: {store!r:.80}.")
    there = list(store) if isinstance(store, Mapping) else list(store.splits)
    if name not in there:
        raise InvalidArgument(f"compare trains and judges on splits of a store. Received: {name!r}; it has {there}.")
    return store[name]


def _trained(core: keras.Model) -> int:
    return int(sum(np.prod(weight.shape) for weight in core.trainable_variables))
