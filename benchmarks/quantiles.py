"""Claim: learned bins do not depend on the batch size. Quartiles of N(0, 1), ours beside Keras' Discretization.

    python benchmarks/quantiles.py [--rows 100000] [--large 2000000]

Both adapt on the same batches of 32, of 1,000 and of all rows. Ours are exact up to the exact size of
blocks.statistics.Quantiles, and carry its stated rank error beyond: the second table, of --large rows, measures it.
Writes benchmarks/results/quantiles.json and exits with 1 where a quartile of ours is off by more than that error.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf

from blocks.preprocessors.numeric.bucketize import Bucketize
from blocks.statistics import Quantiles

FRACTIONS = np.array([0.25, 0.5, 0.75])
SKETCHED_BATCHES = (1_000, 131_072)


def ours(data: np.ndarray, size: int) -> list[float]:
    block = Bucketize(num_bins=4).adapt(data[i : i + size] for i in range(0, len(data), size))
    return block.state["boundaries"].tolist()


def theirs(data: np.ndarray, size: int) -> list[float]:
    layer = keras.layers.Discretization(num_bins=4)
    layer.adapt(tf.data.Dataset.from_tensor_slices(data[:, None].astype("float32")).batch(size))
    return [float(boundary) for boundary in layer.bin_boundaries]


def rank_error(data: np.ndarray, quartiles: list[float]) -> float:
    """The most by which a quartile's rank is off, as a fraction of the rows."""
    ranks = np.searchsorted(np.sort(data), quartiles, side="right") / len(data)
    return float(np.abs(ranks - FRACTIONS).max())


def sketch_error() -> float:
    quantiles = Quantiles(exact=0)
    quantiles.update(pa.array(np.arange(100_000.0)))
    return quantiles.result().error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=2_000_000)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    results, worst = [], 0.0
    for data, sizes, peers in (
        (rng.normal(size=arguments.rows), (32, 1_000, arguments.rows), [("blocks", ours), ("keras", theirs)]),
        (rng.normal(size=arguments.large), SKETCHED_BATCHES, [("blocks", ours)]),
    ):
        true = np.quantile(data, FRACTIONS)
        print(f"\n{len(data):,} rows of N(0, 1), true quartiles {np.round(true, 4).tolist()}")
        print(f"{'batch':>10}  {'who':8}{'quartiles':32}{'off, in std':>12}{'off, in rank':>14}")
        for size in sizes:
            for who, learn in peers:
                found = learn(data, size)
                off, rank = float(np.abs(np.array(found) - true).max()), rank_error(data, found)
                worst = max(worst, rank if who == "blocks" else 0.0)
                results.append(
                    {"rows": len(data), "batch": size, "who": who, "quartiles": found, "off": off, "rank_off": rank}
                )
                print(f"{size:>10,}  {who:8}{np.round(found, 4).tolist()!s:32}{off:>12.4f}{rank:>14.5f}")
    # three quartiles at once, twice: a little more than one quantile's bound at 99% confidence
    limit = 1.5 * sketch_error()
    print(f"\nours at most {worst:.5f} of the rows off, stated {limit:.5f}")
    report = {"true": [-0.6744897501960817, 0.0, 0.6744897501960817], "rank_error_stated": limit, "results": results}
    path = Path(__file__).parent / "results" / "quantiles.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    return int(worst > limit)


if __name__ == "__main__":
    sys.exit(main())
