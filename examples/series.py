"""Forecasts of many steps with intervals: one network for all series of a long table, beside what naive forecasts say.

    python examples/series.py                    # three made-up series, or with BLOCKS_DATA a part of ETTh1's
    python examples/series.py --hours 14400 --length 336 --horizon 96 --epochs 4      # all of ETTh1

Rows are split by time first, then cut into windows; those of validation and test reach back over the border, their
targets do not. The hour of each step to come is known ahead of time, the series' name tells series apart. The last
lines say whether the intervals hold what they promise at each step. Windows overlap, so that the intervals of the
table, which take rows for independent, are narrow.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pyarrow.csv

import blocks
from blocks import baselines, feature_extractors, postprocessors, preprocessors, regressors

DAY = 24


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=int, default=900)
    parser.add_argument("--length", type=int, default=2 * DAY)
    parser.add_argument("--horizon", type=int, default=DAY)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    data = os.environ.get("BLOCKS_DATA")
    rows = blocks.read(etth1(Path(data), options.hours) if data else made_up(options.hours))
    splits = rows.split(train=0.6, valid=0.2, test=0.2, time="date")
    windows = {
        name: blocks.windows(
            part,
            length=options.length,
            horizon=options.horizon,
            by="series",
            order="date",
            every="1h",
            columns=["value"],
            future=["hour"],
            target="value",
            history=name != "train",
        )
        for name, part in splits.items()
    }
    model = blocks.Model(
        preprocessor=preprocessors.Columns(
            {
                "value": preprocessors.Standardize(),
                "hour_ahead": preprocessors.Bucketize(range(1, DAY)),  # a class an hour
                "series": preprocessors.Vocabulary(),
            }
        ),
        feature_extractor=feature_extractors.ReversibleNorm(
            feature_extractors.DLinear(None, basis="cosines", embedding_dim=4), "value"
        ),
        head=regressors.Horizons("value_ahead", quantiles=(0.1, 0.5, 0.9), season=DAY, drift=False),
        postprocessors=[postprocessors.ConformalInterval(0.8)],
        seed=options.seed,
    )
    model.adapt(windows["train"], verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        # windows come in the order of time: the finer the chunks, the better the stream mixes them
        store = model.precompute(windows, Path(folder, "store"), rows_per_chunk=64, verbose=0)
        print("1. windows     " + ", ".join(f"{name} {store[name].rows:,}" for name in splits))
        model.compile(optimizer=keras.optimizers.Adam(0.01))
        model.fit(store["train"], epochs=options.epochs, batch_size=64, seed=options.seed, verbose=0)
        model.calibrate(store["valid"])
        print(f"2. train       {model.core.count_params():,} weights, {options.epochs} epochs; margins of each step")

        contestants = {
            "seasonal naive": baselines.seasonal_naive(windows["train"], model.head),
            "naive": baselines.naive(windows["train"], model.head),
            "model": model,
        }
        names = ["mean_absolute_error", "smape", "mase", "weighted_quantile_loss"]
        found = blocks.compare(contestants, data=windows["test"], metrics=names).to_pylist()
        print("3. evaluate    on the test windows: the season before, and what each other differs from it by")
        for row in found:
            if "[" not in row["metric"]:
                told = f"{row['baseline_value']:.4f} {row['other_value']:.4f}  {row['verdict']}"
                print(f"      {row['other']:<8} {row['metric']:<24} {told}")

        table = model.predict_table(windows["test"], Path(folder, "test.parquet"), keys=["series", "date"], verbose=0)
        steps = blocks.evaluate.step_errors(table).to_pylist()
        print("4. steps       error, and share of truths within the interval of 80%")
        for step in dict.fromkeys([1, options.horizon // 4, options.horizon // 2, options.horizon]):
            of = {row["metric"]: row["value"] for row in steps if row["step"] == step}
            print(f"      {step:<4} {of['mean_absolute_error']:.4f}  {of['coverage']:.3f}")

        model.export(Path(folder, "export"))
        verified = blocks.verify(Path(folder, "export"), windows["test"], store["test"], verbose=0)
        print("5. verify      " + str(verified).splitlines()[0].rpartition(": ")[2])
    return 0 if verified.ok else 1


def etth1(data: Path, hours: int) -> pa.Table:
    """The first hours of ETTh1, its seven columns one below the other."""
    wide = pyarrow.csv.read_csv(data / "etth1" / "ETTh1.csv").slice(0, hours)
    names = wide.column_names[1:]
    return long(np.stack([wide[name].to_numpy() for name in names]), names, wide["date"].cast(pa.timestamp("us")))


def made_up(hours: int) -> pa.Table:
    """Three series with days of their own, whose levels wander."""
    random, hour = np.random.default_rng(0), np.arange(hours)
    phase = np.array([[0.0], [1.0], [3.0]])
    values = 3 * np.sin(2 * np.pi * hour / DAY + phase) + np.cumsum(random.normal(0, 0.1, (3, hours)), axis=1)
    dates = np.datetime64("2024-01-01", "us") + hour * np.timedelta64(1, "h")
    return long(values + random.normal(0, 0.5, values.shape), ["a", "b", "c"], pa.array(dates))


def long(values: np.ndarray, names: Sequence[str], dates: pa.Array) -> pa.Table:
    """Series (series, hours) as rows of series, date, hour of the day and value."""
    date = np.tile(dates.to_numpy(), len(names))
    hour = date.astype("datetime64[h]").astype(np.int64) % DAY
    return pa.table(
        {"series": np.repeat(names, values.shape[1]), "date": date, "hour": hour, "value": values.reshape(-1)}
    )


if __name__ == "__main__":
    raise SystemExit(main())
