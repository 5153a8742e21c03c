"""Whole numbers as users give them: of Python or NumPy, never a float that happens to be one, never a boolean."""

import operator
from typing import Any

from blocks.errors import InvalidArgument


def whole(name: str, value: Any, least: int = 0, otherwise: str = "") -> int:
    """A whole number as an `int`.

    Args:
        name: The argument's, for the message.
        value: What was given.
        least: The smallest number that will do.
        otherwise: What else the argument may be, for the message: "or None".

    Raises:
        InvalidArgument: It is none, or smaller.

    Example:
        >>> whole("batch_size", 32, least=1)
        32
        >>> whole("batch_size", 32.0, least=1)
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: batch_size must be a whole number, at least 1. Received: 32.0.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < least:
        also = f", {otherwise}" if otherwise else ""
        raise InvalidArgument(f"{name} must be a whole number, at least {least}{also}. Received: {value!r}.")
    return number
