"""Progress on long work: rows, rows a second and time left on a terminal; silent elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from blocks.errors import InvalidArgument

Verbose: TypeAlias = Literal["auto"] | int
"""How much to show, as Keras has it: 0 nothing, 1 a bar, 2 a line each; "auto" a bar on a terminal only."""


def check_verbose(verbose: Verbose) -> int:
    """How much to show, as 0, 1 or 2.

    Args:
        verbose: "auto", 0, 1 or 2.

    Raises:
        InvalidArgument: It is none of these.

    Example:
        >>> check_verbose(2)
        2
        >>> check_verbose(None)
        Traceback (most recent call last):
        blocks.errors.InvalidArgument: verbose is "auto", 0, 1 or 2. Received: None. Leave it out for "auto".
    """
    if isinstance(verbose, str) and verbose == "auto":
        return int(sys.stderr.isatty())
    if isinstance(verbose, int) and verbose in (0, 1, 2):
        return int(verbose)
    raise InvalidArgument(f'verbose is "auto", 0, 1 or 2. Received: {verbose!r}. Leave it out for "auto".')


def announce(text: str, verbose: Verbose) -> None:
    """Say what is about to be done, where progress is shown."""
    if check_verbose(verbose):
        print(text, file=sys.stderr)


class Progress:
    """A progress bar over rows.

    Args:
        what: The work, in a word or two.
        total: Number of rows, or None when it is not known.
        verbose: 1 for a bar, 2 for a line at its end, 0 for neither; "auto" for a bar on a terminal only.
        note: What to show behind the numbers.
        unit: What is counted.
        done: Rows that were done before.

    Example:
        >>> with Progress("adapt 1/1", 10, verbose=0) as progress:
        ...     progress.advance(10)
        >>> progress.done
        10
    """

    def __init__(
        self,
        what: str,
        total: int | None,
        verbose: Verbose = "auto",
        *,
        note: str = "",
        unit: str = "rows",
        done: int = 0,
    ) -> None:
        self.done = done
        self._verbose = check_verbose(verbose)
        self._arguments = {
            "desc": what,
            "total": total,
            "initial": done,
            "unit": f" {unit}",
            "unit_scale": total is None or total >= 1000,
            "postfix": note,
        }
        self._bar: Any = None

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        if self._verbose == 1:
            from tqdm import tqdm

            self._bar = tqdm(**self._arguments, file=sys.stderr, mininterval=0.2, dynamic_ncols=True)
        return self

    def advance(self, rows: int) -> None:
        """Count rows that are done."""
        self.done += rows
        if self._bar is not None:
            if self._bar.total is not None:  # an estimate of what a filter or split leaves may be too small
                self._bar.total = max(self._bar.total, self.done)
            self._bar.update(rows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            if kind is None and self._bar.total is not None:
                self._bar.total = self.done
            self._bar.close()
        if kind is None and self._verbose == 2:
            took = time.monotonic() - self._begun
            print(f"{self._arguments['desc']}: {self.done:,}{self._arguments['unit']}, {took:.1f} s", file=sys.stderr)
