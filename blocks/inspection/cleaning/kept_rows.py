"""The rows of a source that stay, told by their position."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from blocks.data import Source
from blocks.errors import MalformedData


def rows_have_changed(source: Source, known: int, found: str) -> MalformedData:
    """Say that a source is no longer what was read of it before."""
    return MalformedData(
        f"Rows are the same on every pass. Received: {found} of {source!r}, which had {known:,} when its keys were "
        "read. Clean them anew."
    )


class KeptRows:
    """Reads the rows that stay; as many bits are held as there are rows.

    Args:
        source: All rows.
        bits: Whether each stays, uint8, eight rows in each.
        rows: How many there are.
        why: What decided, for the fingerprint.
    """

    ahead = False

    def __init__(self, source: Source, bits: np.ndarray, rows: int, why: dict[str, Any]) -> None:
        self._source, self._bits, self._rows, self._why = source, bits, rows, why
        self._kept = sum(int(np.unpackbits(bits[low : low + (1 << 20)]).sum()) for low in range(0, len(bits), 1 << 20))
        self.schema = source.schema

    @property
    def rejected(self) -> int:
        """Rows that go, and those that the reader of all rows has set aside."""
        return self._rows - self._kept + self._source.rejected

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Gives the rows; see `Reader`.

        Raises:
            MalformedData: There are not as many rows as there were.
        """
        begin = 0
        for batch in self._source.chunks(rows, columns=columns, encoded=encoded, exact=False):
            end = begin + len(batch)
            if end > self._rows:
                raise rows_have_changed(self._source, self._rows, "more rows")
            bits = np.unpackbits(self._bits[begin // 8 : -(-end // 8)])[begin % 8 :][: len(batch)]
            begin = end
            yield batch if bits.all() else batch.filter(pa.array(bits.astype(bool)))
        if begin < self._rows:
            raise rows_have_changed(self._source, self._rows, f"{begin:,} rows")

    def count(self) -> int | None:
        """Known."""
        return self._kept

    def fingerprint(self) -> dict[str, Any]:
        """All rows', what decided, and which stay."""
        digest = hashlib.blake2b(self._bits.tobytes(), digest_size=16).hexdigest()
        return {**self._why, "of": self._source.fingerprint(), "kept": digest}

    def description(self) -> str:
        """What it is of."""
        return f"{self._kept:,} of {self._rows:,} rows of {self._source!r}"
