"""What a classifier's probabilities must be before anything is learned from them; no block lives here."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.block import AnswerChunk, Block
from blocks.errors import EmptySource, InvalidArgument

TINY = float(np.finfo(np.float32).tiny)
"""What a probability of 0 counts as in a logarithm."""

FAR = 1e-3
"""How far from 1 the sum of a row's probabilities may lie."""


def probabilities_of(block: Block, chunk: AnswerChunk) -> np.ndarray:
    """Held-out probabilities, float64 (rows, classes), each row a distribution over the classes of the target.

    Raises:
        InvalidArgument: They are not, or a target is no class of theirs.
    """
    name = type(block).__name__
    probabilities, target = np.asarray(chunk.answers["probabilities"], np.float64), chunk.target
    if probabilities.ndim != 2 or probabilities.shape[1] < 2 or target.shape != probabilities.shape[:1]:
        raise InvalidArgument(
            f"{name} is calibrated on probabilities of shape (rows, classes) and one class a row. "
            f"Received: probabilities of shape {probabilities.shape}, targets of shape {target.shape}."
        )
    sums = probabilities.sum(axis=1)
    # NaN fails both comparisons
    wrong = ~((probabilities.min(axis=1, initial=np.inf) >= 0) & (np.abs(sums - 1) <= FAR))
    if wrong.any():
        row = int(np.argmax(wrong))
        found = probabilities[row].tolist()[:10]
        raise InvalidArgument(
            f"Probabilities are not negative and sum to 1. {name} received: {found}, with the "
            f"sum {sums[row]:.6g}. Give it a classifier's probabilities over classes that exclude each other."
        )
    if len(target) and not (target.min() >= 0 and target.max() < probabilities.shape[1]):
        raise InvalidArgument(
            f"{name} is calibrated on targets from 0 to {probabilities.shape[1] - 1}, the positions of the classes. "
            f"Received: from {target.min()} to {target.max()}."
        )
    return probabilities


def position(block: Block, name: Any, classes: Sequence[Any]) -> int:
    """Which of the classes is called so.

    Raises:
        InvalidArgument: None is.
    """
    if name not in classes:
        raise InvalidArgument(
            f"{type(block).__name__}'s positive class is one of {list(classes)!r}. Received: {name!r}."
        )
    return list(classes).index(name)


def require_every_class(block: Block, rows: np.ndarray) -> None:
    """Refuse to learn where a class has no row.

    Args:
        block: Named in the message.
        rows: (classes,) Weight or number of each class's rows.

    Raises:
        EmptySource: A class has none.
    """
    if not np.all(rows > 0):
        absent = np.flatnonzero(~(rows > 0)).tolist()
        raise EmptySource(
            f"{type(block).__name__} is calibrated on held-out rows of every class. Received: none, or none of weight, "
            f"of the classes at {', '.join(map(str, absent[:10]))} (counted from 0). Give it more rows."
        )


def rows_of(values: np.ndarray) -> pa.Array:
    """An array (rows, width) as Arrow lists, as statistics of whole rows take them."""
    flat = pa.array(np.ascontiguousarray(values, np.float64).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
