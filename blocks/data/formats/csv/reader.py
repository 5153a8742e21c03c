"""CSV files as one table: a scan of each settles its columns (`scan`), then every pass reads with one schema."""

import contextlib
import dataclasses
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from blocks.data.files import File, extensions
from blocks.data.files_reader import FilesReader
from blocks.data.formats.csv.digits import EXACT
from blocks.data.formats.csv.file_spans import numbered, require_utf8, spans_at, spans_of
from blocks.data.formats.csv.held_tables import HeldTables
from blocks.data.formats.csv.options import CsvOptions
from blocks.data.formats.csv.parser import refuse_bad_row
from blocks.data.formats.csv.rejects import RejectsTable
from blocks.data.formats.csv.row_spans import RowSpan
from blocks.data.formats.csv.scan import Scanned, Scanner
from blocks.data.formats.csv.types import join
from blocks.data.in_order import in_order
from blocks.data.schema import conform, require_columns
from blocks.errors import InvalidArgument, SchemaMismatch, warn


def read_csv(files: Sequence[File], **options: Any) -> "CsvReader":
    """A reader of CSV files by options as `blocks.read` takes them; files that are all .tsv have tabs between values.

    Raises:
        InvalidArgument: if an option is unknown or of a wrong value, or the rejects are to go into a file that is read.
    """
    tabs = {"delimiter": "\t"} if all(extensions(file.path)[0] == ".tsv" for file in files) else {}
    made = dataclasses.replace(CsvOptions.of(**tabs | options), given=sorted(options))
    if made.rejects is not None and any(file.path == made.rejects for file in files):
        raise InvalidArgument(f"rejects={made.rejects!r} is one of the files to read. Name another.")
    return CsvReader(files, made)


class CsvReader(FilesReader):
    """CSV files as one table, in order.

    Types that are not declared are inferred from the first block; the first use scans the files once, and a later value
    that does not fit widens its column (int64 to float64; dates to timestamps; else to string), which a BlocksWarning
    says. So a pass has one schema, and cannot stop in the middle. Without undeclared columns there is no scan.

    Args:
        files: at least one.
        options: see `CsvOptions`.
    """

    def __init__(self, files: Sequence[File], options: CsvOptions) -> None:
        super().__init__(files, "csv")
        self._options = options
        self._lock = threading.Lock()
        self._scans: list[Scanned] | None = None
        self._known: pa.Schema | None = None
        self._held = HeldTables()

    @property
    def schema(self) -> pa.Schema:
        """The columns of all files, by name; the first access scans the files."""
        self._scanned()
        assert self._known is not None
        return self._known

    @property
    def rejected(self) -> int:
        """Rows in the rejects file."""
        return sum(scan.rejected for scan in self._scanned())

    def count(self) -> int | None:
        """Rows, if the files were scanned already."""
        rows = [None] if self._scans is None else [scan.rows for scan in self._scans]
        return None if None in rows else sum(row or 0 for row in rows)

    def fingerprint(self) -> dict[str, Any]:
        """Names, sizes, times of change, and the options that decide what the text means."""
        options = {f.name: str(getattr(self._options, f.name)) for f in dataclasses.fields(self._options)}
        del options["block_size"], options["rejects"], options["given"]
        for added in ("skip_lines", "skip_initial_space"):  # of later versions: not in the stores of earlier ones
            if not getattr(self._options, added):
                del options[added]
        return {**super().fingerprint(), "options": options}

    def _rows_of(self, index: int, target: pa.Schema, rows: int, encoded: bool) -> Iterator[pa.RecordBatch]:
        file, scan, schema = self._files[index], self._scanned()[index], self.schema
        present = [name for name in target.names if name in scan.types] or scan.names[:1]
        types = {name: schema.field(name).type for name in present}
        held = {number: table for number, table in self._held.of(index).items() if _fits(table, types)}

        def parsed(item: tuple[int, RowSpan | None]) -> pa.Table:
            number, block = item
            if block is None:
                return held[number].select(present)
            if scan.rows is None:
                require_utf8(file, block, scan.parser.options)
            names = scan.names if number else None
            try:
                table, bad = scan.parser.parse(file, block, names, types, present)
            except pa.ArrowInvalid as error:
                scan.parser.refuse(error, file, block, names, types, scan.names)
            if len(bad) and scan.rows is None:
                refuse_bad_row(bad)
            return table

        options = scan.parser.options
        spans: Generator[tuple[int, RowSpan | None]]
        if scan.places is None:
            spans = numbered(spans_of(file, options))
        else:
            spans = spans_at(file, options, scan.places, held.keys())
        with contextlib.closing(spans), contextlib.closing(in_order(spans, parsed)) as tables:
            for table in tables:
                for batch in table.to_batches():
                    yield conform(batch, target)

    def _scanned(self) -> list[Scanned]:
        with self._lock:
            if self._scans is None:
                rejects = None if self._options.rejects is None else RejectsTable(self._options.rejects)
                scanner = Scanner(self._options)
                try:
                    scans = [scanner.scan(file, rejects, self._held, index) for index, file in enumerate(self._files)]
                    self._known = self._joined(scans)
                except BaseException:
                    self._held = HeldTables()
                    if rejects:
                        rejects.abandon()
                    raise
                if rejects:
                    rejects.finish()
                self._scans = scans
        return self._scans

    def _joined(self, scans: Sequence[Scanned]) -> pa.Schema:
        types: dict[str, pa.DataType] = {}
        sizes: dict[str, int] = {}
        for scan in scans:
            sizes |= {name: max(size, sizes.get(name, 0)) for name, size in scan.largest.items()}
        first = self._files[0].name
        for file, scan in zip(self._files, scans, strict=True):
            if not set(scan.names) & set(scans[0].names):
                raise SchemaMismatch(
                    f"Files that are read together must share columns; {file.name} has none of the columns of {first}: "
                    f"{scan.names[:6]} against {scans[0].names[:6]}. Read them apart, or name them: column_names=[...]."
                )
            for name in scan.names:
                kind = scan.types[name]
                before = types.get(name, kind)
                types[name] = join(before, kind) if name not in self._options.column_types else kind
                if pa.types.is_floating(types[name]) and not self._options.declares(name):
                    types[name] = pa.string() if sizes.get(name, 0) > EXACT else types[name]
                if before not in (types[name], pa.null()) or kind not in (types[name], pa.null()):
                    warn(
                        f"Column {name!r} is {kind} in {file.name} and {before} before; it is read as {types[name]} "
                        f"everywhere. Declare it to choose: column_types={{{name!r}: ...}}."
                    )
        unknown = [name for name in self._options.column_types if name not in types]
        require_columns(unknown, list(types), "column_types")
        for file, scan in zip(self._files, scans, strict=True):
            missing = [name for name in types if name not in scan.types]
            if missing:
                warn(
                    f"{file.name} has no column {', '.join(map(repr, missing[:6]))}, which other files have; "
                    "it is null there."
                )
        return pa.schema(list(types.items()))


def _fits(table: pa.Table, types: Mapping[str, pa.DataType]) -> bool:
    """Whether columns of a block were parsed by the types that they have in the end."""
    return all(table.schema.field(name).type == kind for name, kind in types.items())
