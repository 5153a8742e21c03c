"""The answers of a regressor that are numbers in its target's unit; no block lives here."""

from blocks.block import Block, Head, Regressor
from blocks.errors import InvalidArgument

POINTS = ("prediction", "quantiles", "low", "high")
"""Answers that are points on the target's axis."""

NEEDS = (POINTS,)


def require_regressor(block: Block, head: Head) -> None:
    """Refuse a head whose answers are no numbers.

    Raises:
        InvalidArgument: The head is no regressor.
    """
    if not isinstance(head, Regressor):
        raise InvalidArgument(
            f"{type(block).__name__} works on a regressor's predictions. Received: a {type(head).__name__} head. "
            "Leave it out, or use a regressor."
        )
