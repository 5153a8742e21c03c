"""What a reader is: the one seam between a file format, or an object in memory, and `Source`."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.compute as pc


class Reader(Protocol):
    """One format a class: a schema and the rows, in order, as often as they are asked for.

    `ahead` says whether `chunks` may run in another thread than the caller's. One whose `fingerprint` takes no pass may
    say `fingerprint_is_quick = True`.
    """

    ahead: bool

    @property
    def schema(self) -> pa.Schema:
        """The columns by their natural Arrow types: strings are strings, never dictionaries."""

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Gives all rows in order, as batches of about `rows` rows at most.

        Args:
            rows: a hint; the caller regroups.
            columns: the columns wanted, in this order; None for all.
            encoded: string columns may come as dictionaries (int32 indices) where the format gives that cheaply.
        """

    def count(self) -> int | None:
        """The number of rows if that is known without reading them, else None."""

    def fingerprint(self) -> dict[str, Any]:
        """What identifies the data, as JSON holds it; it changes when the data change."""

    def description(self) -> str:
        """What this reads, in a few words, for messages."""


@runtime_checkable
class Filterable(Protocol):
    """A reader that can leave out parts of a file in which no row satisfies an expression."""

    def filtered(self, expression: pc.Expression) -> Reader:
        """A reader of at least the rows that satisfy `expression`, in order."""
