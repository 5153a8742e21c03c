"""Bootstrap: intervals from sums that were streamed once. No metric lives here.

Every row falls into one of a fixed number of buckets by a hash of its position, so the buckets' sums are sums over
independent random subsamples, however the rows came in chunks. A replicate weighs each bucket by a Poisson(1) number
(the Poisson bootstrap over random groups), so replicates cost nothing per row. With b buckets an interval's width
is itself uncertain by about 1 / sqrt(2 b): 3% for 512. All metrics, groups and models share the same weights, which
makes differences between them paired.

Source: Chamandy, Muralidharan, Najmi, Naidu, "Estimating Uncertainty for Massive Data Streams" (2012); Wolter,
"Introduction to Variance Estimation" (2007), random groups.
"""

import functools
from statistics import NormalDist

import numpy as np

from blocks.statistics.hashing import STEP, mix64

BUCKETS = 512


def bucket_count(width: int) -> int:
    """How many buckets a table of so many sums gets: 512, fewer (64 at least) where there are thousands of sums."""
    return int(np.clip(32_768 // max(width, 1), 64, BUCKETS))


def buckets(positions: np.ndarray, count: int) -> np.ndarray:
    """The bucket of each row.

    Args:
        positions: (rows,) integers: the row's place in its table.
        count: Number of buckets, a power of two or not.

    Returns:
        (rows,) int64 from 0 to count - 1.

    Example:
        >>> bool((buckets(np.arange(9), 4)[3:] == buckets(np.arange(3, 9), 4)).all())
        True
    """
    hashes = mix64((positions.astype(np.uint64) + np.uint64(1)) * STEP)
    return ((hashes >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)


@functools.lru_cache(maxsize=8)
def poisson_weights(replicates: int, count: int, seed: int) -> np.ndarray:
    """The weight of each bucket in each replicate: Poisson(1), float64 (replicates, count)."""
    drawn = np.random.default_rng([seed, count]).poisson(1.0, (replicates, count)).astype(np.float64)
    drawn.flags.writeable = False
    return drawn


def percentiles(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """The interval that holds the middle `confidence` of replicates; NaN where under half of them are defined."""
    defined = values[np.isfinite(values)]
    if len(defined) < max(2, len(values) / 2):
        return np.nan, np.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def normal_interval(value: float, error: float, confidence: float) -> tuple[float, float]:
    """Value plus and minus the normal quantile times its standard error."""
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return value - reach, value + reach


def wilson(share: np.ndarray, rows: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a share; rows may be an effective number.

    Example:
        >>> low, high = wilson(np.array([0.5]), np.array([100.0]), 0.95)
        >>> low.round(4), high.round(4)
        (array([0.4038]), array([0.5962]))
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rows = np.maximum(rows, np.finfo(np.float64).tiny)
    center = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    reach = z / (1 + z * z / rows) * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return np.maximum(center - reach, 0.0), np.minimum(center + reach, 1.0)
