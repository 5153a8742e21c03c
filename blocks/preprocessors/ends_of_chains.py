"""What blocks from text to text share: they answer strings, and never end a chain. No block lives here."""

from typing import Any

import keras

from blocks.block import Preprocessor
from blocks.errors import InvalidArgument


def text_output(inputs: Any) -> keras.KerasTensor:
    """The symbolic strings of symbolic strings."""
    return keras.KerasTensor(inputs.shape, "string")


def not_last(block: Preprocessor) -> InvalidArgument:
    """The error for a chain of `Columns` that ends in text."""
    return InvalidArgument(
        f"A chain ends with a block that emits numbers or ids. Received: {block.__class__.__name__} at the end, which "
        "emits text. Put Vocabulary(), OneHot(), Hashing(...) or Tokens(...) after it."
    )
