"""From databases to a SavedModel: hourly exchange rates, and whether a trade would have won within 12 hours.

    python examples/balcones.py                  # small databases of the same shape, made up
    python examples/balcones.py --data FOLDER    # fx_classify_raw_data.db, _train_data.db and _train_data_clean.db

What is printed is a line a step: what is in the tables, which rows go and why, the split by time, and whether the
model's probabilities are better than the classes' shares: with exchange rates, the answer may well be no. Trades of
neighbouring hours end alike, so that the intervals, which take rows for independent, are narrow.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import blocks
from blocks import classifiers, feature_extractors, postprocessors, preprocessors

KEYS = ["date", "pair"]
HOURS = 12  # a window's, and those within which a trade wins or has lost
LAGS = [f"{price}_standard_{lag}" for lag in range(HOURS, 0, -1) for price in ("open", "high", "low", "close")]
METRICS = ["log_loss", "brier_score", "expected_calibration_error", "accuracy"]
TECHNICAL = ["high_vol", "sma_roc", "close_to_std_dev"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the three databases")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="demo/balcones", help="folder for what is written (default: demo/balcones)")
    options = parser.parse_args(arguments)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)

    tables = read_tables(Path(options.data) if options.data else make_databases(out / "data"))
    found = blocks.describe(tables["targets"], target="target", key=KEYS, time="date")
    print(f"1. inspect     {', '.join(tables)}; of the targets:\n" + indented(found))
    missing = {"lags": LAGS[0], "technical": "close_to_std_dev"}
    clean = blocks.clean(
        tables,
        keys=KEYS,
        rules={
            "outcomes": {"no outcome yet": pc.field("outcome") == "wait"},
            **{table: {"too few hours before": pc.field(name).is_null()} for table, name in missing.items()},
        },
        rejects=out / "rejects.parquet",
    )
    print("2. clean       reasons are in rejects.parquet\n" + indented(clean))
    rows = blocks.join(clean, keys=KEYS)
    splits = rows.split(train=0.7, valid=0.1, test=0.2, time="date", horizon=f"{HOURS}h")
    parts = [f"{name} {part.count():,} ({part.purged} purged)" for name, part in splits.items()]
    print(f"3. split       {rows.count():,} rows by date: {', '.join(parts)}")

    model = blocks.Model(
        preprocessor=preprocessors.Columns(
            {
                "date": [preprocessors.DateParts(["hour"]), preprocessors.Bucketize(range(1, 24))],  # a class an hour
                "pair": preprocessors.Vocabulary(),
                **{name: preprocessors.Standardize() for name in (*TECHNICAL, "range", "late_range")},
                re.compile(r".+_standard_\d+"): preprocessors.Standardize(),
            }
        ),
        feature_extractor=feature_extractors.TabM([64, 32], k=8, dropout=0.3),
        head=classifiers.Softmax("target"),
        postprocessors=[postprocessors.Temperature(), postprocessors.Labels()],
        seed=options.seed,
    )
    model.adapt(splits["train"])
    store = model.precompute(splits, out / "store", overwrite=True)
    model.fit(store["train"], epochs=options.epochs, batch_size=64, seed=options.seed, verbose=0)
    model.calibrate(store["valid"])
    answers = model.predict_table(splits["test"], out / "test.parquet", keys=KEYS, overwrite=True)
    print(f"4. train       {options.epochs} epochs; {answers.count():,} test rows with probabilities in test.parquet")

    prior = blocks.baselines.constant(splits["train"], model.head)
    compared = blocks.compare({"prior": prior, "model": model}, data=splits["test"]).to_pylist()
    found = {row["metric"]: row for row in compared if row["metric"] in METRICS}
    print("5. evaluate    on the test rows: the classes' shares in training, the model, and the difference")
    for name, row in found.items():
        told = f"{row['baseline_value']:.4f} {row['other_value']:.4f} {row['difference']:+.4f}"
        print(f"      {name:<26} {told} ({row['low']:+.4f} to {row['high']:+.4f})")
    better = found["log_loss"]["verdict"] == "other is better"
    print(f"6. verdict     {'better' if better else 'NO better'} than the classes' shares, by log loss")

    export = next(folder for n in range(1, 1000) if not (folder := out / "export" / str(n)).exists())
    model.export(export)
    page = blocks.report(model, splits, out / "report.html", export=export)
    print(f"7. export      {export} (SavedModel), {page}")
    verified = blocks.verify(export, splits["test"], store["test"])
    print("8. verify      " + str(verified).replace("\n", "\n               "))
    return 0 if verified.ok else 1


def indented(told: object) -> str:
    return "      " + str(told).replace("\n", "\n      ")


def read_tables(folder: Path) -> dict[str, blocks.Source]:
    """The databases hold every number as text, and each table has a row for a date and a pair."""

    def table(database: str, name: str, columns: list[str], kind: str) -> blocks.Source:
        types = {"date": "timestamp[us]", **dict.fromkeys(columns, kind)}
        rows = blocks.read(f"sqlite:///{folder}/fx_classify_{database}.db", table=name, column_types=types)
        return rows.select([*KEYS, *columns])

    outcomes = blocks.read(
        f"sqlite:///{folder}/fx_classify_train_data.db",
        query="select date, pair, target as outcome from targets",
        column_types={"date": "timestamp[us]"},
    )
    return {
        "ranges": blocks.read(ranges(table("raw_data", "test_hourly_exchange_rate", ["high", "low"], "float64"))),
        "lags": table("train_data", "test_hourly_feature_data", LAGS, "float64"),
        "technical": table("train_data", "test_technical_feature_data", TECHNICAL, "float64"),
        "outcomes": outcomes,
        "targets": table("train_data_clean", "targets", ["target"], "string"),
    }


def ranges(prices: blocks.Source) -> pa.Table:
    """How far prices went in each window of 12 hours, and in its last 3, as logarithms."""
    windows = blocks.windows(prices, length=HOURS, by="pair", order="date", every="1h", columns=["high", "low"])
    rows = windows.to_table().combine_chunks()
    high, low = (rows[name].combine_chunks().flatten().to_numpy().reshape(-1, HOURS) for name in ("high", "low"))
    whole, late = (np.log(high[:, part].max(1) / low[:, part].min(1)) for part in (slice(None), slice(-3, None)))
    return rows.select(KEYS).append_column("range", pa.array(whole)).append_column("late_range", pa.array(late))


def make_databases(folder: Path, hours: int = 400) -> Path:
    """Databases of these tables and types, of prices that walk at random: of the target, the hour alone tells."""
    random, pairs = np.random.default_rng(0), ["AUDUSD", "CHFJPY", "EURUSD"]
    dates = np.datetime64("2025-01-01T00:00:00") + np.arange(hours) * np.timedelta64(1, "h")
    close = np.exp(np.cumsum(random.normal(0, 1e-3, (len(pairs), hours)), axis=1))
    first = np.insert(close[:, :-1], 0, 1.0, axis=1)
    wick = 1 + np.abs(random.normal(0, 5e-4, (2, *close.shape)))
    prices = np.stack([first, np.maximum(first, close) * wick[0], np.minimum(first, close) / wick[1], close], axis=-1)
    lags = np.full((*close.shape, HOURS, 4), np.nan)
    lags[:, HOURS - 1 :] = np.lib.stride_tricks.sliding_window_view(prices, HOURS, axis=1).swapaxes(2, 3)
    lags /= lags[:, :, :1, :1]
    wins = random.random(close.shape) < np.where(np.arange(hours) % 24 < 12, 0.5, 0.02)
    target = np.where(wins, random.integers(1, 3, close.shape), 0)
    outcome = np.where(np.arange(hours) < hours - 3, np.array(["loss", "buy", "sell"])[target], "wait")
    technical = np.where(np.arange(hours)[:, None] < 4, np.nan, random.normal(size=(*close.shape, 3)))
    keys = {"date": pc.strftime(np.tile(dates, len(pairs)), "%Y-%m-%d %H:%M:%S"), "pair": np.repeat(pairs, hours)}

    def write(database: str, name: str, columns: list[str], values: np.ndarray, kind: pa.DataType) -> None:
        flat = values.reshape(-1, len(columns)).T
        texts = {column: pa.array(one, from_pandas=True).cast(kind) for column, one in zip(columns, flat, strict=True)}
        uri = f"sqlite:///{folder}/fx_classify_{database}.db"
        blocks.read(pa.table(keys | texts)).write(uri, table=name, overwrite=True)

    folder.mkdir(exist_ok=True)
    write("raw_data", "test_hourly_exchange_rate", ["open", "high", "low", "close"], prices, pa.float64())
    write("train_data", "test_hourly_feature_data", LAGS, lags, pa.string())
    write("train_data", "test_technical_feature_data", TECHNICAL, technical, pa.string())
    write("train_data", "targets", ["target"], outcome, pa.string())
    write("train_data_clean", "targets", ["target"], target, pa.string())
    return folder


if __name__ == "__main__":
    raise SystemExit(main())
