"""Tests of whether two columns are of one distribution, from their statistics: value, p-value and size of effect.

Under "no difference" each p-value is below a level at most so often, whatever the sizes of the two; where that cannot
be promised (too few rows, tokens dropped for want of memory), there is none.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from scipy import special, stats

from blocks.inspection.drift.column_reference import FrequentTokens, RanksAt
from blocks.statistics import CountsResult, MomentsResult, QuantilesResult

FEWEST = 20
"""Numbers of each column from which on their means are compared."""

MOST_GROUPS = 100
"""Tokens that are compared one by one; all others are one group."""

_LEAST_EXPECTED = 5
# where only the tokens of 5 rows of the reference are known: so many that those are not chosen by chance
_LEAST_OF_LISTED = 15
_POINTS = 2048
# a rank error holds for one point with 99%; 1.5 times as much for all points at once
_ALL_POINTS = 1.5


class Difference(NamedTuple):
    """What a test found; nan where it cannot tell."""

    value: float
    p_value: float
    effect: float


UNTOLD = Difference(np.nan, np.nan, np.nan)


def means(reference: MomentsResult, current: MomentsResult, alike: float = 1.0) -> Difference:
    """The difference of the means; its effect is in standard deviations.

    The p-value is the larger of Welch's and Student's: the one holds where a large column is compared with a small one
    that is wider, the other where the small one happens to be too narrow for its skewed values.

    Args:
        reference: Of the one column.
        current: Of the other.
        alike: How many numbers tell as much as one, where a row has several.
    """
    n, m = reference.count / alike, current.count / alike
    if min(n, m) < FEWEST:
        return UNTOLD
    shift = current.mean - reference.mean
    squares = reference.m2 / alike, current.m2 / alike
    one, other = squares[0] / (n - 1), squares[1] / (m - 1)
    spread = np.sqrt(sum(squares) / (n + m - 2))
    if not (np.isfinite(shift) and np.isfinite(spread) and spread > 0):
        return Difference(shift, np.nan, np.nan)
    columns = (reference.mean, np.sqrt(one), n, current.mean, np.sqrt(other), m)
    p_values = [stats.ttest_ind_from_stats(*columns, equal_var=equal).pvalue for equal in (False, True)]
    return Difference(shift, float(max(p_values)), float(abs(shift) / spread))


def distributions(reference: QuantilesResult | RanksAt, current: QuantilesResult, alike: float = 1.0) -> Difference:
    """Kolmogorov and Smirnov's largest distance between the shares below a number.

    What sketches may be off by is taken off the distance before it is judged, of both. At edges alone it can only be
    smaller: by what lies between two of them at most.

    Args:
        reference: Of the one column; known at some edges alone, or everywhere.
        current: Of the other.
        alike: As of `means`.
    """
    n, m = reference.count, current.count
    if not (n and m):
        return UNTOLD
    at = reference.numbers(_POINTS)
    if not isinstance(reference, RanksAt):
        at = np.union1d(at, current.numbers(_POINTS))
    distance = float(np.abs(reference.rank(at) - current.rank(at)).max())
    sure = max(0.0, distance - _ALL_POINTS * (reference.error + current.error))
    p_value = float(np.clip(stats.kstwo.sf(sure, max(1, round(n * m / (n + m) / alike))), 0, 1))
    return Difference(distance, p_value, sure)


def shares(reference: int, n: int, current: int, m: int) -> Difference:
    """The difference of two shares, reference / n and current / m; exact where rows are few (Fisher)."""
    if not (n and m):
        return UNTOLD
    value, total = current / m - reference / n, n + m
    hits = reference + current
    if hits > total // 2:  # the rarer of the two outcomes has the smaller numbers
        hits, reference, current = total - hits, n - reference, m - current
    if hits * (min(n, m) / total) < FEWEST:
        law = stats.hypergeom(total, hits, m)
        p_value = min(1.0, 2 * min(float(law.cdf(current)), float(law.sf(current - 1))))
    else:
        expected = hits * m / total
        variance = expected * (1 - hits / total) * n / (total - 1)
        p_value = 2 * float(special.ndtr(-max(0.0, abs(current - expected) - 0.5) / np.sqrt(variance)))
    return Difference(value, p_value, abs(value))


class TokenCounts:
    """How often each token stands in either column.

    Args:
        reference: Of the one; all tokens, or the frequent ones.
        current: Of the other; text may be compared with bytes.
    """

    def __init__(self, reference: CountsResult, current: CountsResult) -> None:
        self._listed = reference if isinstance(reference, FrequentTokens) and reference.unlisted is not None else None
        self.exact = reference.exact and current.exact
        self._error = max(reference.error, current.error)
        self._totals = reference.total, current.total
        values = [reference.values, current.values]
        if values[0].type != values[1].type:  # text here and bytes there
            values = [one.cast(pa.large_binary()) for one in values]
        tokens = pa.concat_arrays(values).dictionary_encode()
        at, size = tokens.indices.to_numpy(), len(tokens.dictionary)
        split = len(reference.values)
        self._reference = np.bincount(at[:split], reference.counts, minlength=size).astype(np.int64)
        self._current = np.bincount(at[split:], current.counts, minlength=size).astype(np.int64)

    def groups(self, alike: float = 1.0) -> Difference:
        """Chi-square over the frequent tokens and all others; the effect is the share of rows with another token.

        A token is frequent where both columns should have it in 5 rows, and often enough for its count to be known.

        Args:
            alike: As of `means`.
        """
        n, m = self._totals
        if not (n and m):
            return UNTOLD
        both = self._reference + self._current
        fewest = _LEAST_EXPECTED if self._listed is None else max(_LEAST_OF_LISTED, 3 * self._listed.least)
        least = max(fewest * alike, 100 * self._error**2)
        known = (self._listed is None) | (self._reference > 0)
        frequent = np.flatnonzero(known & (both * (min(n, m) / (n + m)) >= least))
        frequent = frequent[np.argsort(-both[frequent], kind="stable")][:MOST_GROUPS]
        observed = np.stack([self._reference[frequent], self._current[frequent]])
        others = np.array([[n], [m]]) - observed.sum(axis=1, keepdims=True)
        if others.sum() * (min(n, m) / (n + m)) >= least:
            observed = np.hstack([observed, others])
        elif not self._error and len(frequent):  # too few to be a group: with the rarest one that is
            observed[:, -1:] += others
        groups = observed.shape[1]
        if groups < 2:
            return UNTOLD
        sums = observed.sum(axis=1, keepdims=True)
        expected = sums * (observed.sum(axis=0) / sums.sum())
        value = float(((observed - expected) ** 2 / expected).sum())
        effect = float(np.abs(observed[0] / sums[0] - observed[1] / sums[1]).sum() / 2)
        return Difference(value, float(stats.chi2.sf(value / alike, groups - 1)), effect)

    def new_tokens(self) -> Difference:
        """Rows of the current column whose token the reference does not have; the effect is their share.

        Tokens that stand in few rows stand in one column alone by chance, as names do: of the c rows of a token all are
        in the current column with a known probability. The p-value is twice the smaller of two: for the most frequent
        new token (the sum of those probabilities over all tokens as frequent), and for the number of tokens of one row.
        """
        n, m = self._totals
        if self._listed is not None:
            return self._not_listed(self._listed)
        new = self._reference == 0
        rows = int(self._current[new].sum())
        if not (n and m):
            return UNTOLD
        if not self.exact:
            return Difference(float(rows), np.nan, rows / m)
        if not rows:
            return Difference(0.0, 1.0, 0.0)
        counts, tokens = np.unique(self._reference + self._current, return_counts=True)
        possible = counts <= m
        counts, tokens = counts[possible], tokens[possible]
        # the probability that c given rows of n + m are all among the m
        alone = np.exp(_log_choose(m, counts) - _log_choose(n + m, counts))
        frequent = float((tokens * alone)[counts >= self._current[new].max()].sum())
        once = int(tokens[counts == 1].sum())
        singles = float(stats.hypergeom.sf(int((self._current[new] == 1).sum()) - 1, n + m, once, m))
        return Difference(float(rows), min(1.0, 2 * min(frequent, singles)), rows / m)

    def _not_listed(self, reference: FrequentTokens) -> Difference:
        """Rows of the current column whose token is not among the reference's frequent ones, more than it expects.

        The effect is the difference of the shares. Rows of a rare token come and go together, so that of the
        reference's as many as it may have tell as much as one.
        """
        n, m = self._totals
        rows = m - int(self._current[self._reference > 0].sum())
        if not (n and m) or not self.exact or reference.unlisted is None:
            return Difference(float(rows), np.nan, np.nan)
        few = max(1, round(n / reference.least))
        found = shares(round(reference.unlisted / n * few), few, rows, m)
        more = rows / m - reference.unlisted / n
        return Difference(float(rows), found.p_value if more > 0 else 1.0, max(0.0, more))


def discovery_level(p_values: np.ndarray, level: float) -> float:
    """The p-value up to which tests speak, so that of those that do at most a share `level` is expected to be wrong.

    However the tests depend on each other.

    Args:
        p_values: (tests,); nan speaks never.
        level: From 0 to 1.

    Returns:
        The p-value, or -1 where none speaks.

    Example:
        >>> round(discovery_level(np.array([0.0001, 0.5, np.nan]), 0.05), 6)
        0.016667

    Source: Benjamini, Yekutieli, "The Control of the False Discovery Rate in Multiple Testing under Dependency" (2001).
    """
    ordered = np.sort(p_values[~np.isnan(p_values)])
    ranks = np.arange(1, len(ordered) + 1)
    bounds = level * ranks / (max(1, len(ordered)) * (1 / ranks).sum())
    passing = bounds[ordered <= bounds]
    return float(passing[-1]) if len(passing) else -1.0


def _log_choose(n: int, k: np.ndarray) -> np.ndarray:
    return special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0)
