"""What readers of files have in common: several files as one table, in order, or the rows of one of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from blocks.data.files import File, unchanged


class FilesReader(ABC):
    """A `Reader` of files; a format says their schema, how many rows they have if they tell, and the rows of one.

    Args:
        files: at least one.
        format: its name.
    """

    ahead: bool = True
    fingerprint_is_quick: bool = True

    def __init__(self, files: Sequence[File], format: str) -> None:
        self._files = list(files)
        self._format = format

    @property
    @abstractmethod
    def schema(self) -> pa.Schema:
        """The columns of all files, by name."""

    @abstractmethod
    def count(self) -> int | None:
        """Rows, if they are known without reading them."""

    @abstractmethod
    def _rows_of(self, index: int, target: pa.Schema, rows: int, encoded: bool) -> Iterator[pa.RecordBatch]:
        """Gives the rows of one file, with the columns of `target`."""

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False, only: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Gives the rows, file by file, or those of the file of one index; see `Reader`."""
        schema = self.schema
        target = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        for index in range(len(self._files)) if only is None else (only,):
            with unchanged(self._files[index]):
                yield from self._rows_of(index, target, rows, encoded)

    def fingerprint(self) -> dict[str, Any]:
        """Names, sizes and times of change."""
        return {"format": self._format, "files": [file.fingerprint() for file in self._files]}

    def description(self) -> str:
        """The first path, and how many more."""
        more = f" and {len(self._files) - 1} more" if len(self._files) > 1 else ""
        return f"{self._files[0].name!r}{more}"
