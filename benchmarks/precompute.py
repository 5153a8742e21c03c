"""Claim: precompute writes a store about as fast as Keras' FeatureSpace merely transforms rows that it has in memory.

    python benchmarks/precompute.py [ROWS]

Ours reads Parquet (strings dictionary-encoded, as Parquet writes them, and once as plain text) or CSV from disk,
transforms and writes HDF5 or TFRecord. FeatureSpace transforms in `tf.data` without writing anything, fed as its
documentation does and from batches cached in memory.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from measure import interleaved, medians, publish
from table import FLOATS, STRINGS, write_table

import blocks  # isort: skip
import keras
import tensorflow as tf

from blocks import classifiers, feature_extractors
from blocks.preprocessors import Columns, Standardize, Vocabulary

BATCH = 8192


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parquet = write_table(folder / "table.parquet", rows)
        plain = folder / "plain.parquet"
        pq.write_table(pq.read_table(parquet), plain, use_dictionary=False)
        csv = folder / "table.csv"
        pa_csv.write_csv(pq.read_table(parquet).slice(0, rows // 5), csv)
        columns = Columns({name: Standardize() for name in FLOATS} | {name: Vocabulary() for name in STRINGS})
        model = blocks.Model(columns, feature_extractors.MLP([8]), classifiers.Softmax("label"))
        model.adapt(blocks.read(parquet), verbose=False)

        def precompute(path: Path, format: str) -> None:
            shutil.rmtree(folder / "store", ignore_errors=True)
            model.precompute({"train": blocks.read(path)}, folder / "store", format=format, verbose=False)

        table = pq.read_table(parquet).slice(0, min(rows, 200_000))
        arrays: dict[str, Any] = {name: table[name].fill_null(0.0).to_numpy() for name in FLOATS}
        arrays |= {name: table[name].to_numpy().astype(object) for name in STRINGS}
        few = len(table)
        documented = tf.data.Dataset.from_tensor_slices(arrays).batch(BATCH)
        cached = documented.cache()
        for _ in cached:
            pass
        features = {name: keras.utils.FeatureSpace.float_normalized() for name in FLOATS}
        features |= {name: keras.utils.FeatureSpace.string_categorical(output_mode="int") for name in STRINGS}
        space = keras.utils.FeatureSpace(features, output_mode="dict")
        space.adapt(cached)

        def transform(batches: tf.data.Dataset) -> None:
            for _ in batches.map(space, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE):
                pass

        contestants = {
            "hdf5": (rows, lambda: precompute(parquet, "hdf5")),
            "tfrecord": (rows, lambda: precompute(parquet, "tfrecord")),
            "hdf5_plain_text": (rows, lambda: precompute(plain, "hdf5")),
            "hdf5_csv": (rows // 5, lambda: precompute(csv, "hdf5")),
            "feature_space_cached": (few, lambda: transform(cached)),
            "feature_space_documented": (few, lambda: transform(documented)),
        }
        for _, work in contestants.values():
            work()
        times = interleaved({name: work for name, (_, work) in contestants.items()}, 5)
    speed = {name: contestants[name][0] / value for name, value in medians(times).items()}
    claims = [
        {
            "claim": f"precompute {ours}, rows/s over FeatureSpace's transform, {peer}",
            "ours": f"{speed[ours] / 1e3:.0f}k/s",
            "theirs": f"{speed[f'feature_space_{peer}'] / 1e3:.0f}k/s",
            "ratio": speed[ours] / speed[f"feature_space_{peer}"],
            "target": target,
        }
        for ours, peer, target in (
            ("hdf5", "cached", ">= 2"),
            ("hdf5", "documented", ">= 5"),
            ("hdf5_plain_text", "cached", ">= 1"),
            ("tfrecord", "cached", ">= 1"),
            ("hdf5_csv", "cached", ">= 1"),
        )
    ]
    publish("precompute", claims, {"rows": rows, "seconds": times, "rows_per_second": speed})


if __name__ == "__main__":
    main()
