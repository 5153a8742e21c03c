"""Successive halving: how many trials train on how many rows for how many epochs, and which of them go on."""

from collections.abc import Mapping
from dataclasses import dataclass

from blocks.training import defaults

FACTOR = 3
"""Each rung has so many times the rows, or epochs, of the one before, and so many times fewer trials."""

LEAST_ROWS = 1024
"""Fewer rows say little of how a model does on all of them."""

LONGER = 2.0
"""Where a batch cannot be smaller few rows make few steps: up to so many times the epochs make up for it."""

DEFAULT = 0
"""The number of the trial whose settings are those of the model that was given."""


@dataclass(frozen=True)
class Rung:
    """What the trials of one rung are trained on.

    Args:
        share: Of the training rows, in (0, 1].
        rows: About how many that are.
        epochs: Passes over these.
        trials: How many are trained, the default aside if it is not among the best.
    """

    share: float
    rows: int
    epochs: int
    trials: int

    @property
    def row_passes(self) -> int:
        """How many rows all its trials are trained on."""
        return self.rows * self.epochs * self.trials


def rungs(rows: int, trials: int) -> tuple[Rung, ...]:
    """The rungs of a search: first more rows each, then all rows for more epochs.

    The last one's trials take as many epochs as a `fit` of a fixed length would. Of few rows the batch is smaller, so
    that a rung has about as many steps as the next; the epochs of very few are more, by up to `LONGER`.

    Args:
        rows: Training rows that there are.
        trials: How many begin.

    Example:
        >>> for rung in rungs(90_000, 32):
        ...     print(rung.trials, rung.rows, rung.epochs)
        32 10000 7
        10 30000 7
        3 90000 7
        1 90000 20
        >>> [(rung.rows, rung.trials) for rung in rungs(2_000, 3)]
        [(2000, 3), (2000, 1)]

    Source: Jamieson, Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization" (2016).
    """
    # the last of 3 ** k trials stands alone after k rungs; exact, where a logarithm is not
    steps = 0
    while FACTOR ** (steps + 1) <= trials:
        steps += 1
    by_rows = 0
    while by_rows < steps - 1 and rows / FACTOR ** (by_rows + 1) >= LEAST_ROWS:
        by_rows += 1
    most = defaults.fixed_epochs(rows)
    found = []
    for step in range(steps + 1):
        share = FACTOR ** -float(max(by_rows - step, 0))
        here = max(round(rows * share), 1)
        epochs = most / FACTOR ** min(steps - step, steps - by_rows)
        short = defaults.STEPS_AN_EPOCH * defaults.batch_size(here) / here
        wanted = epochs * (min(max(short, 1.0), LONGER) if share < 1 else 1)
        found.append(Rung(share, here, max(round(wanted), 1), max(trials // FACTOR**step, 1)))
    return tuple(found)


def promoted(losses: Mapping[int, float], count: int) -> list[int]:
    """Which trials go on: those of the lowest losses, and always the default.

    Args:
        losses: By trial, of those that reached the rung's end; smaller is better.
        count: How many are among the best.

    Returns:
        Numbers of trials, the best first; of equal losses the earlier trial.

    Example:
        >>> promoted({0: 0.5, 1: 0.3, 2: 0.4, 3: 0.9}, 2)
        [1, 2, 0]
        >>> promoted({0: 0.5, 1: 0.9}, 1)
        [0]
    """
    ranked = sorted(losses, key=lambda trial: (losses[trial], trial))
    best = ranked[:count]
    return best + [trial for trial in ranked[count:] if trial == DEFAULT]
