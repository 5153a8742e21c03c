"""`Source`: the rows of a reader, filtered, split and projected; a schema and chunks, lazily, in bounded memory.

How a format is read lives in its reader; `blocks.read` chooses the reader.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from blocks.arguments import check_whole_number, checked_methods
from blocks.data.chunking import ahead, rechunk, worthwhile_rows
from blocks.data.content_hash import content_hash
from blocks.data.reader_protocol import Filterable, Reader
from blocks.data.schema import conform, index_columns, require_columns
from blocks.data.source_html import source_html
from blocks.data.source_steps import Filter, Part, Step, sample_of
from blocks.data.splitting.balanced import ByGroup, ByStratum, Chosen
from blocks.data.splitting.by_time import FIRST, Spans
from blocks.data.splitting.division import Division
from blocks.data.splitting.division_record import DivisionRecord
from blocks.data.writing.rows_writer import Rows
from blocks.data.writing.write_rows import write_rows
from blocks.errors import InvalidArgument
from blocks.progress import Verbose


@checked_methods()
class Source:
    """Rows with a schema, given in chunks, in the same order on every pass; never all in memory.

    `blocks.read` makes one. `select`, `filter` and `split` give new sources and read nothing of the rows.

    Args:
        reader: what gives the rows.
        steps: what is done to them.
        columns: the columns that remain, in order; None for all.
        divisions: how the rows were divided off from others.

    Example:
        >>> import blocks.data
        >>> import pyarrow.compute as pc
        >>> source = blocks.data.read({"id": [1, 2, 3, 4], "city": ["Oslo", "Rome", "Oslo", None]})
        >>> source.schema.names, source.count()
        (['id', 'city'], 4)
        >>> [chunk["id"].to_pylist() for chunk in source.chunks(3)]
        [[1, 2, 3], [4]]
        >>> source.filter(pc.field("city") == "Oslo").select(["id"]).to_table().to_pydict()
        {'id': [1, 3]}
    """

    def __init__(
        self,
        reader: Reader,
        steps: Sequence[Step] = (),
        columns: Sequence[str] | None = None,
        divisions: Sequence[DivisionRecord] = (),
    ) -> None:
        self._reader = reader
        self._steps = tuple(steps)
        self._columns = None if columns is None else tuple(columns)
        self.division_records = tuple(divisions)

    @property
    def schema(self) -> pa.Schema:
        """The columns by their natural Arrow types: strings are strings, however they are stored."""
        full = self._reader.schema
        if self._columns is None:
            return full
        return pa.schema([full.field(name) for name in self._columns], metadata=full.metadata)

    @property
    def bookkeeping(self) -> dict[str, str]:
        """Columns that say how rows are stored or divided rather than what they are, and what each is.

        Example:
            >>> import blocks.data
            >>> blocks.data.read({"id": [1, 2], "x": [0.5, 1.5]}).split(a=0.5, b=0.5, key="id")["a"].bookkeeping
            {'id': 'the key by which the rows were split'}
        """
        found = dict.fromkeys(index_columns(self._reader.schema), "the index of a pandas frame")
        for step in self._steps:
            if isinstance(step, Part | Chosen):
                found |= dict.fromkeys(_keys(step), "the key by which the rows were split")
        return {name: what for name, what in found.items() if name in self.schema.names}

    @property
    def rejected(self) -> int:
        """Rows that `on_bad_rows="keep"` or `blocks.clean` has set aside; 0 for every other reader."""
        return int(getattr(self._reader, "rejected", 0))

    @property
    def left_out(self) -> dict[str, int]:
        """Of `blocks.windows`, how many rows are the last step of no window, by reason; {} for every other reader."""
        return dict(getattr(self._reader, "left_out", {}))

    def chunks(
        self,
        rows: int = 65_536,
        *,
        columns: Sequence[str] | None = None,
        encoded: bool = False,
        exact: bool = True,
    ) -> Generator[pa.RecordBatch]:
        """Gives the rows in order, in chunks of exactly `rows` rows but the last; never an empty one.

        A chunk is shorter where a column of it would hold more than 2 GB of text or bytes, which Arrow's arrays do not.

        Args:
            rows: rows of a chunk, at least 1.
            columns: the columns wanted, in this order; None for all of the source's.
            encoded: string columns may come as dictionaries (int32 indices) where that is cheaper.
            exact: False where at most `rows` will do: pieces of a file are then never copied to fill a chunk up.

        Returns:
            A generator of record batches, all of the source's schema (with `encoded`, dictionaries for some strings).

        Raises:
            InvalidArgument: if `rows` is not a positive integer.
            SchemaMismatch: if a column is unknown.
            MalformedData: while iterating, if a file cannot be read as what it says it is.
        """
        rows = check_whole_number("rows", rows, 1)
        wanted = self.schema.names if columns is None else list(columns)
        if columns is not None:
            require_columns(wanted, self.schema.names, "chunks")
        return self._chunks(rows, wanted, encoded, exact)

    def _chunks(self, rows: int, wanted: Sequence[str], encoded: bool, exact: bool = True) -> Generator[pa.RecordBatch]:
        full = self._reader.schema
        needed = list(dict.fromkeys([*wanted, *(name for step in self._steps for name in step.columns)]))
        # A batch without columns has no rows in Arrow, so at least one column is read.
        needed = needed or full.names[:1]
        shape = pa.schema([full.field(name) for name in needed])
        project = needed != list(wanted)

        def make(stop: threading.Event) -> Generator[pa.RecordBatch]:
            passes = [step.start() for step in self._steps]
            return rechunk(self._stepped(rows, needed, shape, passes, encoded, stop), rows, exact=exact)

        with contextlib.closing(ahead(make) if self._reader.ahead else make(threading.Event())) as made:
            for batch in made:
                yield batch.select(list(wanted)) if project else batch

    def _stepped(
        self,
        rows: int,
        needed: Sequence[str],
        shape: pa.Schema,
        passes: Sequence[Callable[[pa.RecordBatch], pa.RecordBatch]],
        encoded: bool,
        stop: threading.Event,
    ) -> Iterator[pa.RecordBatch]:
        # However few rows are wanted at once, a filter may let none of them through: reading by those few would take as
        # many steps as there are rows.
        for batch in self._reader.chunks(max(rows, worthwhile_rows(shape)), needed, encoded=encoded):
            if stop.is_set():
                return
            batch = conform(batch, shape, encoded=encoded)
            for apply in passes:
                batch = apply(batch)
            yield batch

    def count(self) -> int:
        """The number of rows: from metadata where the format has it, else by a pass."""
        known = None if self._steps else self._reader.count()
        if known is not None:
            return known
        full = self._reader.schema
        if not full.names:
            return 0
        # The column that is cheapest to read: numbers before strings before lists.
        cheapest = min(full, key=lambda f: (pa.types.is_nested(f.type), not pa.types.is_primitive(f.type)))
        columns = [] if any(step.columns for step in self._steps) else [cheapest.name]
        needed = list(dict.fromkeys([*columns, *(name for step in self._steps for name in step.columns)]))
        return sum(batch.num_rows for batch in self._chunks(262_144, needed, True, exact=False))

    def estimated_rows(self) -> int | None:
        """About how many rows there are if that is known without a pass, else None; for progress bars."""
        known = self._reader.count()
        for step in self._steps:
            if known is None or step.fraction is None:
                return None
            known = round(known * step.fraction)
        return known

    def select(self, columns: Sequence[str]) -> "Source":
        """The source with these columns alone, in this order.

        Keys and filters may still use the others.

        Raises:
            SchemaMismatch: if a column is unknown.
        """
        if isinstance(columns, str):
            raise InvalidArgument(f"select takes a list of columns. Use select([{columns!r}]).")
        require_columns(columns, self.schema.names, "select")
        if len(set(columns)) != len(columns):
            raise InvalidArgument(f"select takes each column once. Received: {list(columns)!r}.")
        return Source(self._reader, self._steps, columns, self.division_records)

    def filter(self, expression: pc.Expression) -> "Source":
        """The rows for which an Arrow expression is true (null counts as false), in order.

        Args:
            expression: as in `pyarrow.compute.field("age") > 30`; it may use columns that are not selected.

        Raises:
            SchemaMismatch: if a column is unknown, or its type does not fit the expression.
        """
        step = Filter.checked(expression, self._reader.schema)
        reader = self._reader
        # not where rows are told by their position, which those that are left out change
        placed = any(isinstance(step, Part | Chosen) and not _keys(step) for step in self._steps)
        if not placed and isinstance(reader, Filterable):
            reader = reader.filtered(expression)
        return Source(reader, [*self._steps, step], self._columns, self.division_records)

    def split(
        self,
        *,
        key: str | Sequence[str] | None = None,
        group: str | Sequence[str] | None = None,
        stratify: str | Sequence[str] | None = None,
        time: str | None = None,
        horizon: Any = None,
        embargo: Any = None,
        seed: int = 0,
        **fractions: float,
    ) -> dict[str, "Source"]:
        """Divides the rows into named parts that are disjoint and together are everything, but for what `time` purges.

        With a key a row's part depends on its key's values alone (a 64-bit hash): rows of equal keys stay together, and
        the same row lands in the same part for ever, whatever is added or reordered. Null keys are one key. Without a
        key it depends on the row's position in this source. The parts take their ranges of the hash in the order
        given. A split of a part is independent of the split that made the part.

        By group, stratum or time a pass over these columns comes first. Groups stay together as with a key, but parts
        have the sizes that were asked for as nearly as whole groups allow; with `stratify` every class has its share in
        every part, to one row, or as nearly as whole groups allow. By time, parts follow each other, earliest first,
        and rows of one time are in one part; a row of an earlier part stays if its time, the horizon and the embargo
        together do not reach beyond the start of the next part: `purged` of a part says how many did not.

        Args:
            key: the column, or columns, that say which rows belong together; need not be selected.
            group: the same, for parts of the right sizes.
            stratify: columns of classes; alone or with `group`.
            time: a column of timestamps, dates or whole numbers.
            horizon: how far a row's target reaches into the future: "4h", a timedelta, a number for whole numbers.
            embargo: a duration that is left out beyond that.
            seed: another seed, another split.
            **fractions: the share of each part by its name; they sum to 1.

        Returns:
            A dict of part name to source, in the order given.

        Raises:
            InvalidArgument: if the fractions are not positive or do not sum to 1, if these ways do not go together, or
                a part would be empty.
            SchemaMismatch: if a column is unknown, or of another type.

        Example:
            >>> import blocks.data
            >>> source = blocks.data.read({"id": list(range(1000)), "x": [0.5] * 1000})
            >>> splits = source.split(train=0.8, test=0.2, key="id")
            >>> {name: part.count() for name, part in splits.items()}  # doctest: +ELLIPSIS
            {'train': ..., 'test': ...}
            >>> sum(part.count() for part in splits.values())
            1000
            >>> later = source.split(train=0.8, test=0.2, time="id", horizon=10)
            >>> {name: (part.count(), part.purged) for name, part in later.items()}
            {'train': (791, 9), 'test': (200, 0)}
        """
        ways = {"key": key, "group": group, "stratify": stratify, "time": time, "horizon": horizon, "embargo": embargo}
        steps = self._divided(seed=seed, **ways).split(fractions, self._depth)
        record = self._record("split", {**ways, "seed": seed, **fractions}, steps)
        return {name: self._with(step, dataclasses.replace(record, part=name)) for name, step in steps.items()}

    def folds(
        self,
        count: int,
        *,
        key: str | Sequence[str] | None = None,
        group: str | Sequence[str] | None = None,
        stratify: str | Sequence[str] | None = None,
        time: str | None = None,
        horizon: Any = None,
        embargo: Any = None,
        seed: int = 0,
    ) -> list[dict[str, "Source"]]:
        """Divides the rows into folds: each row is a validation row once, and a training row of all other folds.

        By time, the validation parts follow each other; training rows lie before and after, but for those so near to
        the validation part that targets overlap, on both sides.

        Args:
            count: how many, at least 2.
            key: as of `split`, and so are all others.

        Returns:
            For each fold its training and validation rows, "train" and "valid".

        Raises:
            InvalidArgument: as of `split`.
            SchemaMismatch: as of `split`.

        Example:
            >>> import blocks.data
            >>> source = blocks.data.read({"patient": [1, 1, 2, 2, 3, 3], "x": [1, 2, 3, 4, 5, 6]})
            >>> [fold["valid"].count() for fold in source.folds(3, group="patient")]
            [2, 2, 2]
        """
        count = check_whole_number("folds", count, least=2)
        ways = {"key": key, "group": group, "stratify": stratify, "time": time, "horizon": horizon, "embargo": embargo}
        made = self._divided(seed=seed, **ways).folds(count, self._depth)
        record = self._record("folds", {"count": count, **ways, "seed": seed}, {})
        return [
            {
                name: self._with(step, dataclasses.replace(record, steps=fold, part=name, fold=at))
                for name, step in fold.items()
            }
            for at, fold in enumerate(made)
        ]

    def sample(self, rows: int, *, seed: int = 0) -> "Source":
        """So many rows, drawn without replacement, in their order; all of them where there are no more.

        Args:
            rows: how many, at least 1.
            seed: another seed, another sample.

        Example:
            >>> import blocks.data
            >>> blocks.data.read({"x": list(range(1000))}).sample(10).count()
            10
        """
        rows, seed = check_whole_number("rows", rows, least=1), check_whole_number("seed", seed, most=2**63 - 1)
        total = self.count()
        record = self._record("sample", {"rows": rows, "seed": seed}, {})
        return self if rows >= total else self._with(sample_of(rows, total, seed, self._depth), record)

    @property
    def divisions(self) -> list[dict[str, Any]]:
        """How the rows were divided off from others, the first division first, as JSON holds it.

        Of each its method, "split", "folds" or "sample"; the arguments, by which the same source is divided to the
        same rows again; part and fold; of a split by time when each part begins and ends, its rows and those purged;
        a digest of the source's fingerprint, where that takes no pass.

        Example:
            >>> import blocks.data
            >>> source = blocks.data.read({"id": list(range(100))})
            >>> [division] = source.split(train=0.8, test=0.2, key="id")["train"].divisions
            >>> again = source.split(**division["arguments"])[division["part"]]
            >>> division["part"], again.to_table() == source.split(train=0.8, test=0.2, key="id")["train"].to_table()
            ('train', True)
        """
        return [record.to_json() for record in self.division_records]

    @property
    def purged(self) -> int:
        """Rows that a split by time left out of this part, because they lie too near to another one."""
        return sum(step.purged for step in self._steps if isinstance(step, Spans))

    def before_its_start(self, time: str) -> tuple["Source", int] | None:
        """Of a part of a split by time: the same with all earlier rows, and its first time; else None."""
        for at, step in enumerate(self._steps):
            if isinstance(step, Spans) and step.column == time and len(step.spans) == 1:
                [(low, high)] = step.spans
                wider = dataclasses.replace(step, spans=((FIRST, high),))
                steps = [*self._steps[:at], wider, *self._steps[at + 1 :]]
                return Source(self._reader, steps, self._columns, self.division_records), low
        return None

    @property
    def _depth(self) -> int:
        return sum(isinstance(step, Part | Chosen | Spans) for step in self._steps)

    def _with(self, step: Step, record: DivisionRecord) -> "Source":
        return Source(self._reader, [*self._steps, step], self._columns, [*self.division_records, record])

    def _record(self, method: str, arguments: dict[str, Any], steps: Mapping[str, Step]) -> DivisionRecord:
        return DivisionRecord(method, arguments, steps, self._reader.schema, self._quick_digest)

    def _quick_digest(self) -> str | None:
        """A digest of the fingerprint, where it takes no pass."""
        if not getattr(self._reader, "fingerprint_is_quick", False):
            return None
        text = json.dumps(self.fingerprint(), sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _divided(self, **ways: Any) -> Division:
        return Division(lambda names: self._chunks(65_536, names, True), self._reader.schema, **ways)

    def head(self, rows: int = 10) -> pa.Table:
        """The first rows as a table; reads no more than some 250,000 values beyond them."""
        if not check_whole_number("rows", rows):
            return self.schema.empty_table()
        chunks = self.chunks(rows)
        first = next(chunks, None)
        chunks.close()
        return self.schema.empty_table() if first is None else pa.Table.from_batches([first])

    def to_table(self) -> pa.Table:
        """All rows as one Arrow table, in memory."""
        return pa.Table.from_batches(list(self.chunks()), schema=self.schema)

    def write(
        self,
        target: str | os.PathLike[str],
        *,
        table: str | None = None,
        overwrite: bool = False,
        verbose: Verbose = "auto",
    ) -> "Source":
        """Writes all rows to a file or a table of a database, whole or not at all; a source of what was written.

        A file gets its name when all rows are in it and were counted there; what had the name before stays until then,
        whatever happens. In a database a staging table is filled, counted and renamed in one transaction. Memory is
        bounded. A column that the format does not hold is refused by name; what a format says by other types (CSV: by
        text) comes back as it was from the source that is returned, and a warning says how to read it elsewhere.

        Long work is resumed: where a call was killed, interrupted or ran out of disk, the same call leaves the rows out
        that are safe, those up to the last 64 MiB, and adds the rest. That goes for local files but .orc, .h5 and .npz;
        these, URLs and tables of databases begin anew, and so does what only a pass would identify, as a reader of your
        own without `fingerprint`. Until then `.tmp-NAME` and `.journal.tmp-NAME` lie beside the target.

        Args:
            target: a path or URL that ends with .parquet, .csv, .tsv, .jsonl (also .csv.gz, .jsonl.zst), .arrow,
                .feather, .orc, .h5, .tfrecord, .npy or .npz, or the URI of a database: sqlite:///PATH, duckdb:///PATH,
                postgresql://...
            table: in a database, the table.
            overwrite: replace a file or table of this name, and begin anew where another source is unfinished.
            verbose: how much to show, as of Keras: "auto", 0, 1 or 2.

        Raises:
            InvalidArgument: if the target does not say what to write, or is there already.
            SchemaMismatch: if the format does not hold a column.
            StoreMismatch: if a call that wrote other rows to this file is unfinished.
            WriteError: if the disk is full, or the operating system or the database keeps it from being written.

        Example:
            >>> import blocks.data, tempfile
            >>> source = blocks.data.read({"id": [1, 2, 3], "city": ["Oslo", "", None]})
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     written = source.write(f"{folder}/clean.parquet")
            ...     written.count(), written.to_table()["city"].to_pylist()
            (3, ['Oslo', '', None])
        """
        rows = Rows(
            self.schema,
            lambda: self._chunks(8_192, self.schema.names, False, False),
            self.estimated_rows(),
            self.fingerprint if getattr(self._reader, "identified", True) else None,
        )
        return Source(write_rows(rows, target, table=table, overwrite=overwrite, verbose=verbose))

    def fingerprint(self, *, content: bool = False) -> dict[str, Any]:
        """What identifies these rows, as JSON holds it.

        Args:
            content: hash every value (a pass) rather than trusting names, sizes and times of change. The hash does not
                depend on the format, the chunk size or the encoding.
        """
        found: dict[str, Any] = (
            {"content": content_hash(self.schema, self.chunks(encoded=True))}
            if content
            else dict(self._reader.fingerprint())
        )
        found["schema"] = [[field.name, str(field.type)] for field in self.schema]
        if not content:
            found["steps"] = [step.describe() for step in self._steps]
        return found

    def __repr__(self) -> str:
        described = [(name, step.describe().get(name)) for step in self._steps for name in ("filter", "part")]
        steps = "".join(f", {name}={value!r}" for name, value in described if value is not None)
        columns = "" if self._columns is None else f", columns={list(self._columns)!r}"
        return f"Source({self._reader.description()}{steps}{columns})"

    def _repr_html_(self) -> str:
        if self._reader.count() is None:  # its columns and first rows may cost a pass, or be given only once
            return source_html(repr(self), None, None)
        filtered = any(isinstance(step, Filter) for step in self._steps)  # which may let through the last row alone
        return source_html(repr(self), self.schema, None if filtered else self.head(5))


def _keys(step: Part | Chosen) -> Sequence[str]:
    """The columns that say which rows belong together; classes are none."""
    by = step.by if isinstance(step, Chosen) else step
    return by.group if isinstance(by, ByGroup) else () if isinstance(by, ByStratum) else by.columns
