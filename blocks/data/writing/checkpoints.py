"""How far an unfinished file is written: a journal beside it, by which the same call goes on where another was killed.

The journal is begun when the first rows are made safe, so that what is written quickly leaves none. Its first line says
what is written; each other one, how many rows are safe, how the format's writer goes on behind them, and a hash of the
last of them, by which rows that come otherwise when they are read again are noticed.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import pyarrow as pa

from blocks.data.content_hash import content_hash
from blocks.data.writing.rows_writer import ResumableWriter, Rows, RowsWriter
from blocks.errors import InvalidArgument, StoreMismatch
from blocks.files import durable
from blocks.files.checked_lines import checked_line, parse_lines
from blocks.files.regular_files import NotRegular, read_regular
from blocks.progress import Progress

CHECKPOINT_BYTES: Final = 1 << 26
"""Of rows, after which those so far are made safe."""

_SEAM_ROWS: Final = 256
_MOST_BYTES: Final = 1 << 30
_FORMAT: Final = 1
"""Of the journal, and of what writers say in it."""


class Checkpoint(NamedTuple):
    """Rows that are safe.

    Args:
        rows: How many.
        state: How the writer goes on.
        seam: A hash of the last of them.
    """

    rows: int
    state: Mapping[str, Any]
    seam: str


class Checkpoints:
    """The journal of one file.

    Args:
        unfinished: The file.
        rows: What is written to it.
        name: What the file is called in messages.
        overwrite: Whether to begin anew where something else was begun, instead of refusing.

    Attributes:
        last: Where to go on, None at the beginning.

    Raises:
        StoreMismatch: What was begun is of another source.
    """

    def __init__(self, unfinished: durable.Unfinished, rows: Rows, name: str, *, overwrite: bool) -> None:
        self._unfinished, self._rows, self._name = unfinished, rows, name
        self._size = 0
        self.last: Checkpoint | None = None
        lines = self._read()
        if len(lines) > 1 and lines[-1]["state"]["bytes"] <= unfinished.path.stat().st_size:
            differs = [part for part, value in self._plan().items() if lines[0].get(part) != value]
            if differs and not overwrite:
                unfinished.keep = True
                raise StoreMismatch(
                    f"What is begun is finished with the same rows. Received: another {', '.join(differs)} than that "
                    f"of the {lines[-1]['rows']:,} rows of '{name}' that an unfinished call wrote. Repeat that call, "
                    "or begin anew: overwrite=True."
                )
            if not differs:
                self.last = Checkpoint(**lines[-1])
                unfinished.keep = True
        if self.last is None:
            unfinished.journal.unlink(missing_ok=True)
            self._size = 0
        with unfinished.path.open("r+b") as file:
            file.truncate(0 if self.last is None else self.last.state["bytes"])

    def _plan(self) -> dict[str, Any]:
        identity = self._rows.identity
        plan = {"format": _FORMAT, "source": None if identity is None else identity()}
        found: dict[str, Any] = json.loads(json.dumps(plan))
        return found

    def _read(self) -> list[Any]:
        try:
            raw = read_regular(self._unfinished.journal, _MOST_BYTES)
        except (FileNotFoundError, NotRegular):
            return []
        lines, self._size = parse_lines(raw, _believable)
        return lines

    def write(self, writer: RowsWriter, progress: Progress) -> None:
        """Gives a writer, which goes on at `last`, the rows that it lacks.

        Raises:
            StoreMismatch: Rows that were written are others now.
        """
        resumable = isinstance(writer, ResumableWriter) and self._rows.identity is not None
        skip, since, tail = 0 if self.last is None else self.last.rows, 0, _Tail()
        begin, batches = self._begin_near(skip)
        skip -= begin
        progress.advance(begin)
        for batch in batches:
            for part in _parts(batch, skip):
                tail.add(part)
                progress.advance(part.num_rows)
                if skip:
                    skip -= part.num_rows
                    self._require_same(skip, tail)
                    continue
                writer.write_batch(part)
                since += part.nbytes
            if resumable and since >= CHECKPOINT_BYTES:
                resumable = self._save(writer, progress.done, tail)
                since = 0
        self._require_same(skip, tail, ended=True)

    def _begin_near(self, row: int) -> tuple[int, Iterator[pa.RecordBatch]]:
        """The rows from a little before this one, if they can begin there: those that a seam is of."""
        if self._rows.since is None or row <= _SEAM_ROWS:
            return 0, self._rows.batches()
        return self._rows.since(row - _SEAM_ROWS)

    def _require_same(self, left: int, tail: "_Tail", *, ended: bool = False) -> None:
        """Refuses rows that are not those which were written."""
        if self.last is not None and (left > 0 if ended else left == 0 and tail.seam() != self.last.seam):
            self._unfinished.keep = False
            raise StoreMismatch(
                f"What is begun is finished with the same rows. Received: other rows than the {self.last.rows:,} of "
                f"'{self._name}' that an unfinished call wrote, though their source says that it is the same. They are "
                "given up: the next call begins anew. Rows come in one order on every pass; sort those of a query."
            )

    def _save(self, writer: Any, rows: int, tail: "_Tail") -> bool:
        """Makes rows safe; whether that is of use."""
        journal = self._unfinished.journal
        if self.last is None:
            try:
                begin = checked_line(self._plan())
            except InvalidArgument:  # nothing tells rows that are given once
                return False
            durable.write_bytes(journal, begin)
            self._size = len(begin)
        state = writer.checkpoint()
        durable.sync(self._unfinished.path)
        self.last = Checkpoint(rows, state, tail.seam())
        line = checked_line(self.last._asdict())
        durable.append(journal, line, self._size)
        self._size += len(line)
        self._unfinished.keep = True
        return True


def _parts(batch: pa.RecordBatch, skip: int) -> Iterator[pa.RecordBatch]:
    """A batch, in two where the rows that are written already end in it."""
    if 0 < skip < batch.num_rows:
        yield batch.slice(0, skip)
        yield batch.slice(skip)
    else:
        yield batch


class _Tail:
    """The last rows so far."""

    def __init__(self) -> None:
        self._batches: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        while sum(map(len, self._batches[1:])) >= _SEAM_ROWS:
            del self._batches[0]

    def seam(self) -> str:
        table = pa.Table.from_batches(self._batches)
        return content_hash(table.schema, table.slice(max(0, len(table) - _SEAM_ROWS)).to_batches())


def _believable(content: Any, first: bool) -> bool:
    """Whether a line is what this module writes."""
    if not isinstance(content, dict):
        return False
    if first:
        return set(content) == {"format", "source"}
    rows, state = content.get("rows"), content.get("state")
    whole = isinstance(state, dict) and all(type(one) is int and one > 0 for one in (rows, state.get("bytes")))
    return whole and set(content) == {"rows", "state", "seam"}
