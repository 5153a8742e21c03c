"""Claim: adapt learns a table's statistics many times faster than Keras' FeatureSpace, and near Polars' aggregates.

    python benchmarks/adapt.py [ROWS] [--family]

Ours reads Parquet from disk. FeatureSpace is fed twice: as its documentation does (`from_tensor_slices(columns)
.batch(8192)`), and as well as we could (the batches cached in memory as tensors); scikit-learn is given arrays in
memory. Polars' streaming engine computes the same aggregates (mean, deviation, token counts) from the same file.

With `--family` ours adapts 40 columns through all kinds of blocks that learn, sketches of quantiles included, in one
pass; FeatureSpace still learns means and token counts alone, from cached batches.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import tensorflow as tf
from measure import interleaved, medians, publish, seconds
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from table import FLOATS, STRINGS, write_table

import blocks
from blocks.offline.adapt import adapt, passes
from blocks.preprocessors import (
    Bucketize,
    Clip,
    Columns,
    Cross,
    Frequency,
    Hashing,
    Impute,
    Log1p,
    MaxAbs,
    MinMax,
    MultiHot,
    Normalize,
    OneHot,
    PiecewiseLinear,
    PowerTransform,
    QuantileTransform,
    RobustScale,
    Standardize,
    TfIdf,
    Tokens,
    Vocabulary,
)

BATCH = 8192


def ours(path: Path) -> None:
    columns = Columns({name: Standardize() for name in FLOATS} | {name: Vocabulary() for name in STRINGS})
    adapt(columns, None, blocks.read(path), verbose=False)


def family() -> Columns:
    """40 columns: every kind of block that learns, none twice in one chain."""
    numbers = [
        lambda: Standardize(add_indicator=True),
        lambda: [Log1p(signed=True), MinMax()],
        RobustScale,
        QuantileTransform,
        PiecewiseLinear,
        PowerTransform,
        lambda: Impute("median"),
        MaxAbs,
        lambda: Bucketize(num_bins=32),
        lambda: Clip(quantile_range=(1.0, 99.0)),
    ]
    strings = [
        Vocabulary,
        lambda: OneHot(top_k=50),
        Frequency,
        lambda: [Normalize(), Vocabulary(min_count=2)],
        lambda: MultiHot(":", top_k=100),
        lambda: Tokens(4, top_k=1_000),
        lambda: TfIdf(100),
        lambda: Hashing(1_000),
    ]
    columns: dict[Any, Any] = {name: numbers[i % len(numbers)]() for i, name in enumerate(FLOATS)}
    columns |= {name: strings[i % len(strings)]() for i, name in enumerate(STRINGS)}
    return Columns({**columns, (STRINGS[2], STRINGS[3]): Cross(top_k=10_000)})


def whole_family(path: Path) -> None:
    columns = family()
    assert passes(columns) == 1
    adapt(columns, None, blocks.read(path), verbose=False)


def polars(path: Path) -> None:
    table = pl.scan_parquet(path)
    numbers = table.select([pl.col(FLOATS).mean().name.suffix("_mean"), pl.col(FLOATS).std(ddof=0)])
    counts = [table.group_by(name).len().sort("len", name, descending=[True, False]) for name in STRINGS]
    pl.collect_all([numbers, *counts], engine="streaming")


def feature_space(batches: tf.data.Dataset) -> None:
    features = {name: keras.utils.FeatureSpace.float_normalized() for name in FLOATS}
    features |= {name: keras.utils.FeatureSpace.string_categorical(output_mode="int") for name in STRINGS}
    keras.utils.FeatureSpace(features, output_mode="dict").adapt(batches)


def main() -> None:
    given = [argument for argument in sys.argv[1:] if argument != "--family"]
    rows = int(given[0]) if given else 200_000
    with tempfile.TemporaryDirectory() as folder:
        path = write_table(Path(folder) / "table.parquet", rows, target=False)
        table = pq.read_table(path)
        # FeatureSpace turns a column with one NaN into NaN: it is given zeros, ours and Polars the nulls
        arrays: dict[str, Any] = {name: table[name].fill_null(0.0).to_numpy() for name in FLOATS}
        arrays |= {name: table[name].to_numpy().astype(object) for name in STRINGS}
        documented = tf.data.Dataset.from_tensor_slices(arrays).batch(BATCH)
        cached = documented.cache()
        for _ in cached:  # fill the cache: later passes read whole batches from memory
            pass
        if "--family" in sys.argv:
            whole_family(path)
            fast = interleaved({"family": lambda: whole_family(path), "blocks": lambda: ours(path)}, 3)
            slow = interleaved({"feature_space_cached": lambda: feature_space(cached)}, 1)
            times = medians({**fast, **slow})
            claims = [
                claim(
                    "FeatureSpace.adapt, cached, the whole family",
                    slow["feature_space_cached"][0],
                    times["family"],
                    ">= 15",
                ),
                claim("Standardize and Vocabulary alone", times["blocks"], times["family"], None),
            ]
            publish("adapt_family", claims, {"rows": rows, "seconds": {**fast, **slow}})
            return
        numbers = np.stack([arrays[name] for name in FLOATS], axis=1)
        strings = np.stack([arrays[name] for name in STRINGS], axis=1)

        def sklearn() -> None:
            StandardScaler().fit(numbers)
            OrdinalEncoder().fit(strings)

        ours(path)  # threads and file cache warm, for all
        polars(path)
        fast = interleaved({"blocks": lambda: ours(path), "polars": lambda: polars(path)}, 7)
        slow = interleaved({"feature_space_cached": lambda: feature_space(cached), "sklearn": sklearn}, 1)
        slow["feature_space_documented"] = [seconds(lambda: feature_space(documented))]
        times = medians({**fast, **slow})
    ours_s = times["blocks"]
    claims = [
        claim("FeatureSpace.adapt, cached batches", times["feature_space_cached"], ours_s, ">= 15"),
        claim("FeatureSpace.adapt, as documented", times["feature_space_documented"], ours_s, ">= 200"),
        claim("scikit-learn, arrays in memory", times["sklearn"], ours_s, None),
        claim("Polars' streaming aggregates", times["polars"], ours_s, ">= 0.4"),
    ]
    publish("adapt", claims, {"rows": rows, "seconds": {**fast, **slow}})


def claim(peer: str, theirs: float, ours_s: float, target: str | None) -> dict[str, Any]:
    return {
        "claim": f"adapt, speed over {peer}",
        "ours": f"{ours_s:.3f} s",
        "theirs": f"{theirs:.3f} s",
        "ratio": theirs / ours_s,
        "target": target,
    }


if __name__ == "__main__":
    main()
