"""The search: trials through the rungs of halving within a budget, the best fitted anew, and judged once."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from blocks.arguments import check_whole_number, checked
from blocks.block import fingerprint
from blocks.data.splitting.durations import nanoseconds
from blocks.errors import CorruptShard, InvalidArgument, StoreMismatch
from blocks.files.durable import remove_tree
from blocks.files.lock import locked
from blocks.model import Model
from blocks.progress import Progress, Verbose, announce, check_verbose
from blocks.store import Store, StoreSplit
from blocks.training import defaults
from blocks.training.training_rows import training_rows
from blocks.tuning import trial_training as training
from blocks.tuning.halving import DEFAULT, FACTOR, Rung, promoted, rungs
from blocks.tuning.held_out_loss import interval, losses_of_groups
from blocks.tuning.row_prefixes import prefix
from blocks.tuning.search_space import Space, checked_space, is_point
from blocks.tuning.trial_records import Record, TrialRecords, opened, optuna
from blocks.tuning.trials_table import trials_table

FINALISTS = 3
"""Trials that are fitted anew at the end, the default aside."""

REFIT = "refit"

VERSION = 1


@checked()
def tune(
    model: Model,
    store: Store,
    *,
    budget: Any = None,
    trials: int = 32,
    space: Mapping[str, Any] | None = None,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    train: str = "train",
    valid: str = "valid",
    test: str | None = "test",
    verbose: Verbose = "auto",
) -> tuple[pa.Table, Model]:
    """Search for better settings of a model's feature extractor and optimizer, on a store that stays as it is.

    Settings are drawn by Optuna's TPE. Successive halving trains many trials on few rows, a third of them on three
    times as many, and so on to all rows and then to more epochs; each goes on with the weights that it has, which holds
    since fewer rows are part of more. Trials are compared by the loss on the validation rows at the end of a whole
    schedule. The model as it is given, the default, is trial 0 and always goes on. At the end the best are fitted anew
    on all training rows as `fit` does it by itself, the best of these by the validation rows is chosen, and it and the
    default are judged on the test rows, once.

    Args:
        model: Adapted, and of the store. It is left as it is.
        store: Of training and validation rows, and test rows if there are any. It is only read; one that changes
            meanwhile is refused.
        budget: The time that all of it may take: "10min", "2h", or seconds; None for as long as it takes. A trial that
            would not fit is not begun, and what runs is stopped. Then what is found depends on the machine.
        trials: How many settings to try, the default among them.
        space: What to try instead of the extractor's own `space()` and the default optimizer's: by the name of an
            argument of the extractor, "learning_rate" or "weight_decay", ("float", low, high, log), ("int", low, high,
            log) or ("choice", [values]). It is widened by what the model has now.
        seed: Decides settings, rows, weights and orders.
        folder: Where the search is kept: killed at any moment, the same call goes on there, without repeating what was
            done; one with more budget does too. None for none.
        train: The split to train on.
        valid: The split to choose by.
        test: The split to judge the choice by; None, or one that is not there, for no judgement.
        verbose: How much to show, as of Keras: "auto", 0, 1 or 2.

    Returns:
        An Arrow table, the best first: rank, trial, default, state ("best", "refitted", "stopped" at a rung, "failed",
        "out of time"), validation_loss and weights_of (the number of the rung that it is ranked by, or "refit", the fit
        at the end, whichever of the two was better), rungs passed, rows, epochs, seconds, parameters (JSON), error,
        test_loss with test_low and test_high (95%): of the best, and of the default as `fit` leaves it.
        `blocks.tuning.trials_table.as_text` says it in words. And the best model, fitted.

    Raises:
        InvalidArgument: There is nothing to try or no such split, Optuna is not installed, every trial failed, or the
            folder holds another search.
        NotAdapted, StoreMismatch: As of `Model.fit`.
        StoreError: The store changed meanwhile, or is damaged.
        StoreLocked: Another process goes on with the same search.

    Example:
        >>> import tempfile, blocks
        >>> from blocks import classifiers, feature_extractors
        >>> rows = {"x": [float(i % 9) for i in range(90)], "label": [i % 9 > 4 for i in range(90)]}
        >>> splits = blocks.read(rows).split(train=0.6, valid=0.2, test=0.2)
        >>> model = blocks.Model(feature_extractor=feature_extractors.MLP([4]), head=classifiers.Softmax("label"))
        >>> summary = model.adapt(splits["train"])
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     store = model.precompute(splits, f"{parent}/store")
        ...     found, best = blocks.tune(model, store, trials=2, space={"units": ("choice", [[8], [16]])})
        >>> found["trial"].length(), found["rank"].to_pylist(), best.fitted
        (2, [1, 2], True)

    Source: Li et al., "Hyperband" (2018), whose bracket of the most trials this is; Bergstra et al., "Algorithms for
        Hyper-Parameter Optimization" (2011), of TPE.
    """
    optuna()
    seconds = _seconds(budget)
    trials, seed = check_whole_number("trials", trials, 1), check_whole_number("seed", seed)
    verbose = check_verbose(verbose)
    if not isinstance(store, Store):
        raise InvalidArgument(f"tune takes a store: blocks.open_store(path). Received: a {type(store).__name__}.")
    for name in (train, valid):
        if name not in store.splits:
            raise InvalidArgument(
                f"tune trains on one split and chooses by another. Received: {name!r}; the store has {store.splits}."
            )
    model._require_core("tune")
    now = training.current(model)
    own = {**model.feature_extractor.space(), **model.head.space()}
    own |= defaults.space() if training.is_automatic(model) else {}
    points = checked_space(own if space is None else space, model.feature_extractor, now)
    if not is_point(points, now):
        outside = {name: now.get(name) for name, one in points.items() if not is_point({name: one}, now)}
        raise InvalidArgument(
            f"A search space holds what the model has, since the default is tried too. Received: one without {outside}."
            " Give a choice, ('choice', [values])."
        )
    with _kept(folder) as place, locked(place), opened(place, points, seed, {n: now[n] for n in points}) as records:
        splits = {
            name: store[name] for name in (train, valid, *([test] if test is not None and test in store.splits else []))
        }
        records.require(
            {
                "version": VERSION, "store": store.identity, "splits": list(splits), "trials": trials, "seed": seed,
                "space": points, "model": fingerprint(model.head, _unlearned(model)),
                "optimizer": training.optimizer_of(model),
            }
        )  # fmt: skip
        return _Search(model, store, splits, points, records, place, trials, seed, seconds, verbose).run()


class _Search:
    def __init__(
        self,
        model: Model,
        store: Store,
        splits: Mapping[str, StoreSplit],
        space: Space,
        records: TrialRecords,
        folder: Path,
        trials: int,
        seed: int,
        budget: float | None,
        verbose: int,
    ) -> None:
        self.model, self.store, self.records, self.folder = model, store, records, folder
        self.train, self.valid, *more = splits.values()
        self.test = more[0] if more else None
        self.trials, self.seed, self.verbose = trials, seed, verbose
        self.rungs = rungs(self.train.rows, trials)
        self.weights = folder / "weights"
        self.weights.mkdir(exist_ok=True)
        begin = time.monotonic() - records.seconds  # what a run before took counts
        ends = self._shares()
        self.ends = [float("inf") if budget is None else begin + budget * end for end in ends]

    def _shares(self) -> list[float]:
        """By rung, and for the fits at the end, by which share of the budget they are to be done."""
        rows, works = self.train.rows, [rung.row_passes for rung in self.rungs]
        refit = min(FINALISTS + 1, self.trials) * rows * defaults.fixed_epochs(rows)
        works.append(max(min(refit, sum(works) // 2), 1))  # more trials are worth more than the last epochs
        return [sum(works[: index + 1]) / sum(works) for index in range(len(works))]

    def run(self) -> tuple[pa.Table, Model]:
        total = sum(rung.trials for rung in self.rungs) + min(FINALISTS, self.trials)
        with Progress("tune", total, self.verbose, unit="fits") as self.progress:
            for index, rung in enumerate(self.rungs):
                self._climb(index, rung)
            finalists = self._finalists()
            for place, number in enumerate(finalists):
                self._refit(number, len(finalists) - place)
        self._require_unchanged(whole=True)
        order = self._order(finalists)
        if not order:
            first = next((one.error for one in self.records.of(DEFAULT).values() if one.error), "time ran out")
            raise InvalidArgument(f"tune needs one trial at least that can be trained. The default: {first}.")
        finals = {number: one for number in order if (one := self._final(number)) is not None}
        best = self._model(order[0], finals[order[0]][1])
        summary = {
            "default_rank": order.index(DEFAULT) + 1 if DEFAULT in order else None,
            "best": order[0],
            "row_passes": sum(one.rows * one.epochs for n in range(self.records.begun) for one in self._of(n)),
            "test": self._judged(finals, best),
            "seed": self.seed,
        }
        settings = {number: self.records.settings(number) for number in range(self.records.begun)}
        records = {number: self.records.of(number) for number in settings}
        refitted = [number for number in finalists if (number, REFIT) in self.records]
        self._sweep(finalists)
        return trials_table(settings, records, finals, refitted, summary), best

    def _of(self, number: int) -> list[Record]:
        return list(self.records.of(number).values())

    # -- rungs -------------------------------------------------------------------------------------------------------

    def _climb(self, index: int, rung: Rung) -> None:
        """Train who is to be trained at a rung, the default first, while there is time."""
        if index == 0:
            going: Any = range(self.trials)
        else:
            before = self.records.losses(str(index - 1))
            best = promoted(before, min(rung.trials, max(len(before) // FACTOR, 1)))
            going = sorted(best, key=lambda number: number != DEFAULT)
        rows: StoreSplit | None = None
        for number in going:
            if not self.records.done(number, str(index)):
                end = self.ends[-1] if number == DEFAULT else self.ends[index]
                if time.monotonic() + self._expected(index) > end:
                    continue
                self._require_unchanged()
                if rows is None:
                    rows = prefix(self.train, rung.share, self.seed, self.folder / f"rows-{rung.rows}")
                before_it = self.records.of(number).get(str(index - 1))
                start = None if before_it is None or before_it.weights is None else self.weights / before_it.weights
                self._train(number, str(index), rows, rung.epochs, start, self.ends[-1])
            if index == 0 and self.records.done(number, "0"):
                self.records.settle(number, "0")
            self.progress.advance(1)

    def _train(
        self, number: int, rung: str, rows: StoreSplit, epochs: int | None, start: Path | None, deadline: float
    ) -> None:
        settings = self.records.settings(number)
        weights = self.weights / f"{number}-{rung}.npz"
        begin = time.monotonic()
        try:
            trial = training.made(self.model, settings, self.seed)
        except Exception as error:  # settings that do not fit together
            record = Record(rows.rows, 0, time.monotonic() - begin, error=f"{type(error).__name__}: {error}"[:2000])
        else:
            record = training.train(
                trial, rows, self.valid, epochs=epochs, seed=self.seed, deadline=deadline, weights=weights,
                start=start if start is not None and start.exists() else None,
                rate_falls=training.is_automatic(self.model),
            )  # fmt: skip
        self.records.add(number, rung, record)
        if record.error is not None:
            announce(f"tune: trial {number} failed: {record.error.splitlines()[0]:.200}", self.verbose)
        if start is not None and record.loss is not None and rung != REFIT:
            start.unlink(missing_ok=True)

    def _expected(self, index: int) -> float:
        """Seconds that a trial of a rung takes, by those of that rung, or by the slowest a row of those before."""
        here = [one for number in range(self.trials) if (one := self.records.of(number).get(str(index)))]
        if here:
            return sum(one.seconds for one in here) / len(here)
        rung = self.rungs[index]
        rates = [one.seconds / (one.rows * one.epochs) for n in range(self.trials) for one in self._of(n) if one.epochs]
        # what a fit takes before its first step makes few rows look slow: of many it is a mean, not the most
        return sum(rates) / len(rates) * rung.rows * rung.epochs if rates else 0.0

    # -- the end -----------------------------------------------------------------------------------------------------

    def _standing(self) -> list[int]:
        """Trials that have a loss: who came further first, then by it."""
        found = []
        for index in reversed(range(len(self.rungs))):
            losses = self.records.losses(str(index))
            found += [number for number in promoted(losses, len(losses)) if number not in found]
        return found

    def _finalists(self) -> list[int]:
        return [number for place, number in enumerate(self._standing()) if place < FINALISTS or number == DEFAULT]

    def _refit(self, number: int, left: int) -> None:
        now, end = time.monotonic(), self.ends[-1]
        if not self.records.done(number, REFIT) and now < end:
            self._require_unchanged()
            self._train(number, REFIT, self.train, None, None, now + (end - now) / left)
        self.progress.advance(1)

    def _final(self, number: int) -> tuple[str, Record] | None:
        """The better of a trial's fit at the end and its last rung, if that was of all rows; else its last rung."""
        found = [(rung, one) for rung, one in self.records.of(number).items() if one.loss is not None]
        whole = [(rung, one) for rung, one in found if one.rows == self.train.rows and self._weights(one).exists()]
        return min(whole or found[-1:], key=lambda pair: pair[1].loss or 0.0, default=None)

    def _weights(self, record: Record) -> Path:
        return self.weights / str(record.weights)

    def _order(self, finalists: list[int]) -> list[int]:
        """All trials that have a loss, the best first: those that were fitted anew, then as they stood."""
        finals = {number: self._final(number) for number in finalists if (number, REFIT) in self.records}
        losses = {number: one[1].loss for number, one in finals.items() if one is not None and one[1].loss is not None}
        first = promoted(losses, len(losses))
        return first + [number for number in self._standing() if number not in first]

    def _model(self, number: int, record: Record) -> Model:
        made = training.made(self.model, self.records.settings(number), self.seed)
        training.read_weights(made, self._weights(record))
        made._trained_on = (str(training_rows(self.train).fingerprint),)
        return made

    def _judged(self, finals: Mapping[int, tuple[str, Record]], best: Model) -> dict[str, Any]:
        """Losses on the test rows with intervals, of the best and the default: once, since it is noted."""
        if self.test is None:
            return {}
        chosen, noted = next(iter(finals)), self.records.noted("test")
        if noted is not None and noted["best of"] == chosen:
            return dict(noted)
        values, weights = losses_of_groups(best, self.test)
        found: dict[str, Any] = {"best of": chosen, "best": interval(values, weights)}
        if DEFAULT in finals:
            # what the user would have without a search: the default as `fit` leaves it
            alone = self.records.of(DEFAULT).get(REFIT)
            record = finals[DEFAULT][1] if alone is None or alone.loss is None else alone
            others = losses_of_groups(self._model(DEFAULT, record), self.test)[0]
            found["default"] = interval(others, weights)
            found["difference"] = interval(values - others, weights)
        self.records.note("test", found)
        return found

    def _sweep(self, finalists: list[int]) -> None:
        """Remove copies of rows, and weights of trials that are out."""
        for part in self.folder.glob("rows-*"):
            remove_tree(part)
        for file in self.weights.glob("*.npz"):
            if file.name.partition("-")[0] not in map(str, finalists):
                file.unlink()

    def _require_unchanged(self, whole: bool = False) -> None:
        """Refuse a store that is no longer what it was: another manifest or size; with `whole`, another byte."""
        if Store(self.store.path).identity != self.store.identity:
            raise StoreMismatch(
                f"A search has one store, which stays as it is. Received: '{self.store.path}', which was written again "
                "meanwhile. Search anew in another folder."
            )
        if whole and (problems := self.store.check()):
            raise CorruptShard(
                f"A search has one store, which stays as it is. Received: '{self.store.path}', which is damaged: "
                f"{'; '.join(problems[:3])}. Repair it: blocks.open_store(path, repairing=True).repair(...)."
            )


@contextmanager
def _kept(folder: str | os.PathLike[str] | None) -> Iterator[Path]:
    """The folder of a search; a temporary one stays where the user stops it, and they are told."""
    place = Path(tempfile.mkdtemp(prefix="blocks-tune-")) if folder is None else Path(folder).absolute()
    place.mkdir(parents=True, exist_ok=True)
    stopped = False
    try:
        yield place
    except KeyboardInterrupt:
        stopped = True
        print(f"tune: stopped; the same call with folder={str(place)!r} goes on", file=sys.stderr)
        raise
    finally:
        if folder is None and not stopped:
            remove_tree(place)


def _unlearned(model: Model) -> Any:
    """The extractor by its configuration alone: what it learned from rows does not matter."""
    return type(model.feature_extractor).from_config(model.feature_extractor.get_config())


def _seconds(budget: Any) -> float | None:
    if budget is None:
        return None
    if isinstance(budget, int | float) and not isinstance(budget, bool):
        if budget > 0:
            return float(budget)
    elif (found := nanoseconds(budget, "budget") / 1e9) > 0:
        return found
    raise InvalidArgument(f"budget is a time, '10min' or seconds, above 0. Received: {budget!r}.")
