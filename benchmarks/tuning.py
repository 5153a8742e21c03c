"""Claim: `blocks.tune` finds settings that are at least 1% better than the default's, within a budget.

    BLOCKS_DATA=FOLDER python benchmarks/tuning.py [--sets wine,bike] [--budget 15min] [--trials 32] [--rows 20000]
        [--full]

Needs the folder of real data. On each set: `adapt`, `precompute`, the default's own `fit`, then `tune` from the same
store with the same seed; both are judged on the same test rows, which neither saw: root mean squared error, or log loss
of classes, by scikit-learn. `--rows` takes a sample of the table. `--full` searches once more without halving: the same
settings all on all rows for the last rung's epochs, the peer that halving is to come within 0.5% of in a quarter of the
rows trained on. Every finished set is kept in results/tuning.json; `--fresh` forgets them.
"""

import argparse
import json
import tempfile
from typing import Any

import numpy as np
import pyarrow as pa
from measure import RESULTS, publish
from quality import TASKS, Task, cpu_seconds, scores

import blocks
from blocks.tuning import search
from blocks.tuning.halving import Rung, rungs
from blocks.tuning.trials_table import summary_of

METRIC = {True: "log_loss", False: "rmse"}


def without_halving(rows: int, trials: int) -> tuple[Rung, ...]:
    """One rung: every trial on all rows for as many epochs as the last rung of halving has."""
    return (Rung(1.0, rows, rungs(rows, trials)[-1].epochs, trials),)


def sampled(source: blocks.Source, rows: int | None, seed: int) -> pa.Table:
    table = source.to_table()
    if rows is None or len(table) <= rows:
        return table
    return table.take(np.sort(np.random.default_rng(seed).choice(len(table), rows, replace=False)))


def score(task: Task, model: blocks.Model, test: blocks.Source) -> float:
    rows = test.to_table()
    answers = model.predict(rows.drop_columns([task.target]), verbose=0)
    return scores(task, answers, rows[task.target])[METRIC[task.classes]]


def tuned(model: blocks.Model, store: Any, options: argparse.Namespace) -> tuple[pa.Table, blocks.Model, float]:
    used = cpu_seconds()
    table, best = blocks.tune(model, store, budget=options.budget, trials=options.trials, seed=options.seed, verbose=0)
    return table, best, cpu_seconds() - used


def run(task: Task, options: argparse.Namespace) -> dict[str, Any]:
    """The default's fit and the search on one set."""
    splits = task.splits(options.seed)
    splits["train"] = blocks.read(sampled(splits["train"], options.rows, options.seed))
    model = blocks.Model(head=task.head(), seed=options.seed)
    model.adapt(splits["train"], verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        store = model.precompute(splits, folder, verbose=0)
        used = cpu_seconds()
        model.fit(store["train"], validation_data=store["valid"], seed=options.seed, verbose=0)
        found: dict[str, Any] = {
            "rows": store["train"].rows,
            "auto": score(task, model, splits["test"]),
            "auto_cpu_seconds": cpu_seconds() - used,
        }
        table, best, found["cpu_seconds"] = tuned(model, store, options)
        known = summary_of(table)
        found |= {
            "tuned": score(task, best, splits["test"]),
            "trials": len(table),
            "row_passes": known["row_passes"],
            "default_rank": known["default_rank"],
            "weights_of": table["weights_of"][0].as_py(),
            "test_loss": known["test"],
            "settings": json.loads(table["parameters"][0].as_py()),
        }
        if options.full:
            halving, search.rungs = search.rungs, without_halving
            try:
                table, best, found["full_cpu_seconds"] = tuned(model, store, options)
            finally:
                search.rungs = halving
            found |= {"full": score(task, best, splits["test"]), "full_row_passes": summary_of(table)["row_passes"]}
    return found


def claims(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    stated = []
    for name, one in found.items():
        what = f"{name}, {one['rows']:,} rows: {METRIC[TASKS[name].classes]} of the best of {one['trials']} over auto's"
        ours = {"ours": f"{one['tuned']:.4g}", "theirs": f"{one['auto']:.4g}"}
        stated.append({"claim": what, **ours, "ratio": one["tuned"] / one["auto"], "target": "<= 0.99"})
        if "full" in one:
            both = {"ours": f"{one['tuned']:.4g}", "theirs": f"{one['full']:.4g}"}
            ratio = one["tuned"] / one["full"]
            stated.append({"claim": f"{name}: halving over all", **both, "ratio": ratio, "target": "<= 1.005"})
            passes = {"ours": one["row_passes"], "theirs": one["full_row_passes"]}
            ratio = one["row_passes"] / one["full_row_passes"]
            stated.append({"claim": f"{name}: rows trained on", **passes, "ratio": ratio, "target": "<= 0.25"})
    return stated


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sets", default="wine,bike,flights,adult")
    parser.add_argument("--budget", default="15min")
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    path = RESULTS / "tuning.json"
    found = json.loads(path.read_text())["details"] if path.exists() and not options.fresh else {}
    for name in options.sets.split(","):
        found[name] = run(TASKS[name], options)
        publish("tuning", claims(found), found)


if __name__ == "__main__":
    main()
