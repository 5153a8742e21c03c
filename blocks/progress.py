"""Progress on long work: rows, rows a second and time left on a terminal; silent elsewhere."""

import sys
from types import TracebackType
from typing import Any, Self


def shown(verbose: bool | None) -> bool:
    """Whether to show anything: as told, or on a terminal only."""
    return sys.stderr.isatty() if verbose is None else verbose


def announce(text: str, verbose: bool | None) -> None:
    """Say what is about to be done, where progress is shown."""
    if shown(verbose):
        print(text, file=sys.stderr)


class Progress:
    """A progress bar over rows.

    Args:
        what: The work, in a word or two.
        total: Number of rows, or None when it is not known.
        verbose: True to show, False to be silent, None to show on a terminal only.
        note: What to show behind the numbers.
        unit: What is counted.
        done: Rows that were done before.

    Example:
        >>> with Progress("adapt 1/1", 10, verbose=False) as progress:
        ...     progress.advance(10)
        >>> progress.done
        10
    """

    def __init__(
        self,
        what: str,
        total: int | None,
        verbose: bool | None = None,
        *,
        note: str = "",
        unit: str = "rows",
        done: int = 0,
    ) -> None:
        self.done = done
        self._shown = shown(verbose)
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
        if self._shown:
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
