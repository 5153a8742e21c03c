"""What an inspection points out, in one form: how grave, of what, in one sentence with its numbers, and what to do."""

import dataclasses
from collections.abc import Iterable
from typing import Any, Final

from blocks.errors import InvalidArgument

SEVERITIES: Final = ("error", "warning", "note")
"""From what makes a model or a test wrong, over what probably does, to what is worth knowing."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that somebody who knows data would point out.

    Args:
        severity: "error", "warning" or "note".
        kind: What it is, in the same few words wherever it is found: "copy of the target", "label conflicts".
        columns: Those that it is about; none where it is about rows.
        sentence: What was found, with its numbers; a sentence.
        advice: What to do about it; a sentence.
        parts: The splits that it is about; none where it is about all rows.

    Raises:
        InvalidArgument: The severity is none of these.

    Example:
        >>> Finding("warning", "id-like column", ("ticket",), "681 of 891 values of 'ticket' differ.", "Leave it out.")
        Finding('warning', 'id-like column', "681 of 891 values of 'ticket' differ.")
    """

    severity: str
    kind: str
    columns: tuple[str, ...]
    sentence: str
    advice: str
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise InvalidArgument(f"A severity is one of {', '.join(SEVERITIES)}. Received: {self.severity!r}.")

    def __repr__(self) -> str:
        return f"Finding({self.severity!r}, {self.kind!r}, {self.sentence!r})"

    def as_dict(self) -> dict[str, Any]:
        """What JSON holds of it."""
        return {**dataclasses.asdict(self), "columns": list(self.columns), "parts": list(self.parts)}


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """The gravest first; of one severity in the order in which they came."""
    return sorted(findings, key=lambda one: SEVERITIES.index(one.severity))
