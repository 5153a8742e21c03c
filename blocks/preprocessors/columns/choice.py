"""Choice: what `Columns.infer` chose for one column, and what is said of it aloud. The rules are in infer."""

from collections.abc import Sequence
from dataclasses import dataclass

from blocks.block import Preprocessor
from blocks.errors import warn


@dataclass(frozen=True)
class Choice:
    """What was chosen for one column, and why; no blocks where it is left out."""

    column: str
    blocks: list[Preprocessor] | tuple[list[Preprocessor], ...]
    reason: str
    aloud: bool = False
    """Whether leaving the column out is said at once: it looks like any other, and would be taken for a feature."""
    doubt: str = ""
    """What speaks for another choice, and how to make it, if anything does."""


def warn_of_choices(choices: Sequence[Choice]) -> None:
    """Say which columns were left out that look like features, and of which something speaks for another choice."""
    if left_out := [choice for choice in choices if choice.aloud]:
        reasons = ", ".join(f"{choice.column!r} ({choice.reason})" for choice in left_out)
        names = [choice.column for choice in left_out]
        warn(f"Left out, as no features: {reasons}. exclude={names!r} agrees; a chain for one in Columns takes it in.")
    for choice in choices:
        if choice.doubt:
            warn(f"Column {choice.column!r}{'' if choice.blocks else ' is left out'}: {choice.doubt}.")
