"""What a step says when it is done: what it made or found as it should be, and what comes next."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH = 78

NEXT = {
    "inspect": "blocks adapt",
    "adapt": "blocks precompute",
    "precompute": "blocks fit",
    "fit": "blocks evaluate",
    "evaluate": "blocks export",
    "export": "blocks verify",
    "verify": "blocks report, or blocks serve",
    "report": "blocks serve",
    "tune": "blocks evaluate",
    "predict": "",
}
"""By step, the command that most people want then."""


@dataclass(frozen=True)
class Outcome:
    """What a step did.

    Attributes:
        step: Its name.
        made: What there is now, in a line.
        lines: More of it, a line each.
        reused: Whether it was there and fits, so that nothing was done.
        ok: Whether all is as it should be.
    """

    step: str
    made: str
    lines: Sequence[str] = ()
    reused: bool = False
    ok: bool = True

    def __str__(self) -> str:
        fits = ["is there already and fits: nothing is done"] if self.reused else []
        told = [part for line in [*fits, *self.lines] for part in _wrapped(line)]
        return "\n".join([f"{self.step}: {self.made}", *(f"  {line}".rstrip() for line in told)])


def _wrapped(line: str) -> list[str]:
    """A line for a terminal of 80 columns, what is beyond them further in."""
    indent = line[: len(line) - len(line.lstrip())] + "    "
    return textwrap.wrap(line, _WIDTH, subsequent_indent=indent, break_long_words=False) or [""]


def reason(differing: Sequence[str]) -> list[str]:
    """Why something that was made before is made anew, as lines to show."""
    known = [one for one in differing if one != "nothing was made before"]
    return [f"anew, since other: {', '.join(known)}"] if known else []
