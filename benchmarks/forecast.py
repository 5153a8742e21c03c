"""Claim: forecasts of one long table by one shared network are as good as the published ones, in seconds.

    python benchmarks/forecast.py [--quick]

ETTh1's seven columns as entities of one long table, standardised by their training part (8,640 hours of 12 months;
2,880 each for validation and test), windows of 336 hours that reach back over a part's border, every start of the
test part: mean squared errors over all columns at 96 and 720 hours, three seeds, beside naive and seasonal naive
forecasts and what papers print. A linear model in `ReversibleNorm`, with and without a drift of its own: that series
go on as they went in training is what one would not say beforehand; but by the validation rows, whose error is printed
too, drift would be kept. Then hourly exchange rates, split by date: whether trades win, from windows of 24 hours by
extractors over time, log loss against the classes' shares. CPU seconds are of fit alone. `--quick`: one seed of 96
hours.

The folder of the real data is the one that BLOCKS_DATA names; without it this is skipped.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.csv
from measure import publish

import blocks
from blocks import baselines, classifiers, preprocessors, regressors
from blocks.feature_extractors import GRU, MLP, TCN, DLinear, ReversibleNorm

HOURS, TRAIN, LENGTH, DAY = 14_400, 8_640, 336, 24
EPOCHS, BATCH, RATE = 4, 256, 0.003
PUBLISHED = {96: ("DLinear .375, NLinear .374, PatchTST/64 .370", 0.375), 720: ("DLinear .472, NLinear .440", 0.44)}
HORIZON = 12


def long_table(folder: Path) -> pa.Table:
    """ETTh1 by column and hour, each column standardised by its training part."""
    wide = pyarrow.csv.read_csv(folder / "etth1" / "ETTh1.csv").slice(0, HOURS)
    names = wide.column_names[1:]
    values = np.stack([wide[name].to_numpy() for name in names])
    known = values[:, :TRAIN]
    values = (values - known.mean(axis=1, keepdims=True)) / known.std(axis=1, keepdims=True)
    dates = np.tile(wide["date"].cast(pa.timestamp("us")).to_numpy(), len(names))
    return pa.table({"column": np.repeat(names, HOURS), "date": dates, "value": values.reshape(-1)})


def windows_of(rows: pa.Table, horizon: int) -> dict[str, blocks.Source]:
    """The parts' windows; those of validation and test reach back over the border."""
    parts = blocks.read(rows).split(train=0.6, valid=0.2, test=0.2, time="date")
    ask: dict[str, Any] = {"by": "column", "order": "date", "every": "1h", "columns": ["value"], "target": "value"}
    return {
        name: blocks.windows(part, length=LENGTH, horizon=horizon, history=name != "train", **ask)
        for name, part in parts.items()
    }


def forecast(windows: dict[str, blocks.Source], folder: Path, drift: bool, seed: int) -> dict[str, float]:
    """Errors of the shared linear model."""
    model = blocks.Model(
        preprocessors.Columns({"value": preprocessors.Standardize()}),
        ReversibleNorm(DLinear(None, basis="cosines"), "value"),
        regressors.Horizons("value_ahead", quantiles=None, season=DAY, drift=drift),
        seed=seed,
    )
    model.adapt(windows["train"], verbose=0)
    # windows come in the order of time: the finer the chunks, the better they mix
    store = model.precompute(windows, folder, rows_per_chunk=128, verbose=0)
    steps = EPOCHS * (store["train"].rows // BATCH)
    model.compile(optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, steps)))
    start = time.process_time()
    model.fit(store["train"], epochs=EPOCHS, batch_size=BATCH, seed=seed, verbose=0)
    spent = time.process_time() - start
    errors = {
        name: model.evaluate(store[name], verbose=0)["root_mean_squared_error"] ** 2 for name in ("valid", "test")
    }
    size = sum(file.stat().st_size for file in folder.rglob("*.h5")) / 2**20
    rows = {name: store[name].rows for name in ("train", "test")}
    return {"mse": errors["test"], "valid_mse": errors["valid"], "cpu_seconds": spent, "store_mib": size, **rows}


def naive_errors(windows: dict[str, blocks.Source]) -> dict[str, float]:
    """Errors of naive forecasts."""
    head = regressors.Horizons("value_ahead", quantiles=None, season=DAY)
    made = {"naive": baselines.naive, "seasonal_naive": baselines.seasonal_naive}
    return {name: make(windows["train"], head).evaluate(windows["test"])["root_mean_squared_error"] ** 2
            for name, make in made.items()}  # fmt: skip


def trades(folder: Path) -> dict[str, blocks.Source]:
    """Windows of exchange rates, in units that are alike for all pairs, and what became of the trade at their end."""

    def rows(database: str, query: str) -> pa.Table:
        uri = f"sqlite:///{folder}/fx_classify_demo/fx_classify_{database}.db"
        return blocks.read(uri, query=query, column_types={"date": "timestamp[us]"}).to_table()

    prices = rows("raw_data", "select date, pair, open, high, low, close from test_hourly_exchange_rate")
    known = rows("train_data", "select date, pair from targets where target != 'wait'")
    truth = rows("train_data_clean", "select date, pair, target from targets").join(
        known, ["date", "pair"], None, "inner"
    )
    prices = prices.join(truth, ["date", "pair"]).sort_by([("pair", "ascending"), ("date", "ascending")])
    price = {name: prices[name].to_numpy() for name in ("open", "high", "low", "close")}
    hour = (prices["date"].to_numpy().astype("datetime64[h]").astype(int) % DAY).astype(str)
    steps = {
        "move": np.log(price["close"] / price["open"]),
        "range": np.log(price["high"] / price["low"]),
        "place": (price["close"] - price["low"]) / np.maximum(price["high"] - price["low"], 1e-9),
    }
    table = pa.table({**{name: prices[name] for name in ("date", "pair", "target")}, "hour": hour, **steps})
    parts = blocks.windows(
        table, length=DAY, by="pair", order="date", every="1h", columns=list(steps), static=["hour", "target"]
    ).to_table()  # fmt: skip
    usable = parts.filter(pa.compute.is_valid(parts["target"]))
    return blocks.read(usable).split(train=0.7, valid=0.1, test=0.2, time="date", horizon=f"{HORIZON}h")


def trade_losses(parts: dict[str, blocks.Source], extractor: Any, folder: Path, seed: int) -> dict[str, float]:
    """Log loss on the test rows; the number of epochs is chosen by the validation rows."""
    steps = [preprocessors.Log1p(), preprocessors.Standardize()]
    columns = {"move": preprocessors.Standardize(), "range": steps, "place": preprocessors.Standardize()}
    columns |= {"pair": preprocessors.Vocabulary(), "hour": preprocessors.Vocabulary()}
    model = blocks.Model(preprocessors.Columns(columns), extractor, classifiers.Softmax("target"), seed=seed)
    model.adapt(parts["train"], verbose=0)
    store = model.precompute(parts, folder, verbose=0)
    model.compile(optimizer=keras.optimizers.AdamW(1e-3, weight_decay=1e-2))
    stop = keras.callbacks.EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    start = time.process_time()
    model.fit(store["train"], validation_data=store["valid"], epochs=30, batch_size=64, seed=seed, verbose=0,
              callbacks=[stop])  # fmt: skip
    spent = time.process_time() - start
    return {"log_loss": model.evaluate(store["test"], verbose=0)["loss"], "cpu_seconds": spent}


EXTRACTORS = {
    "MLP": lambda: MLP([32], dropout=0.3),
    "DLinear": lambda: DLinear(5),
    "TCN": lambda: TCN(16, dilations=[1, 2, 4], dropout=0.3),
    "GRU": lambda: GRU(16, dropout=0.3),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed of 96 hours")
    options = parser.parse_args()
    if "BLOCKS_DATA" not in os.environ:
        print("forecast: skipped, BLOCKS_DATA does not name the folder of real data")
        return 0
    folder = Path(os.environ["BLOCKS_DATA"])
    seeds = range(1 if options.quick else 3)
    details: dict[str, Any] = {}
    claims = []
    rows = long_table(folder)
    with tempfile.TemporaryDirectory() as made:
        for horizon in (96,) if options.quick else (96, 720):
            windows = windows_of(rows, horizon)
            details[f"{horizon} naive"] = naive_errors(windows)
            for drift in (False, True):
                where = Path(made, str(horizon))
                runs = [forecast(windows, where, drift, seed) for seed in seeds]
                name = f"{horizon} hours, {'with' if drift else 'without'} drift"
                details[name] = runs
                mean = float(np.mean([run["mse"] for run in runs]))
                print(name, [{key: round(value, 4) for key, value in run.items()} for run in runs], flush=True)
                told, target = PUBLISHED[horizon]
                claims.append({
                    "claim": f"ETTh1, MSE at {name} ({told})",
                    "ours": f"{mean:.4f}",
                    "theirs": f"{target:.3f}",
                    "ratio": mean / target,
                    "target": "<= 1",
                })  # fmt: skip
        if not options.quick:
            parts = trades(folder)
            prior = baselines.constant(parts["train"].select(["pair", "target"]), classifiers.Softmax("target"))
            shares = prior.evaluate(parts["test"].select(["pair", "target"]))["loss"]
            details["trades, shares"] = shares
            for name, make in EXTRACTORS.items():
                runs = [trade_losses(parts, make(), Path(made, "trades"), seed) for seed in seeds]
                details[f"trades, {name}"] = runs
                mean = float(np.mean([run["log_loss"] for run in runs]))
                print("trades", name, runs, flush=True)
                claims.append({
                    "claim": f"trades from windows of 24 hours, log loss of {name} against the classes' shares",
                    "ours": f"{mean:.4f}",
                    "theirs": f"{shares:.4f}",
                    "ratio": mean / shares,
                    "target": "< 1",
                })  # fmt: skip
    publish("forecast", claims, details)
    return 0


if __name__ == "__main__":
    sys.exit(main())
