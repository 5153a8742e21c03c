"""The quantile of held-out scores that promises a coverage; no block lives here."""

import math
from typing import Any

from blocks.block import Block
from blocks.errors import EmptySource, InvalidArgument
from blocks.statistics import QuantilesResult


def checked_coverage(block: Block, coverage: Any) -> float:
    """A coverage between 0 and 1.

    Raises:
        InvalidArgument: It is none.
    """
    if isinstance(coverage, bool) or not isinstance(coverage, int | float) or not 0 < coverage < 1:
        raise InvalidArgument(
            f"{type(block).__name__}'s coverage is a share between 0 and 1, 0.9 say. Received: {coverage!r}."
        )
    return float(coverage)


def quantile_of(block: Block, scores: QuantilesResult, coverage: float) -> float:
    """The ceil((n + 1) coverage)-th smallest of n held-out scores.

    Raises:
        EmptySource: There are too few: the rank would be beyond the last.
    """
    # decimals such as 0.9 lie a last bit beside themselves
    rank = math.ceil((scores.count + 1) * coverage - 1e-9)
    if rank > scores.count:
        needed = math.ceil(coverage / (1 - coverage) - 1e-9)
        raise EmptySource(
            f"{type(block).__name__} of coverage {coverage:g} is calibrated on {needed:,} held-out rows at least. "
            f"Received: {scores.count:,}. Give it more, or ask for less coverage."
        )
    return scores.smallest(max(rank, 1))
