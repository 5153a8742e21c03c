"""CSV files: one scan that settles types, line numbers and bad rows, then passes that cannot go wrong.

Where rows end lives in `text_blocks`, parsing in `csv_parse`, types in `csv_types`, the options in `csv_options`.
"""

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from blocks.data.chunking import ahead
from blocks.data.files import File, describe, extensions, naming, unchanged
from blocks.data.formats.csv.diagnosis import stray_text
from blocks.data.formats.csv.digits import EXACT, largest, losses
from blocks.data.formats.csv.first_lines import NUMBERS
from blocks.data.formats.csv.header import Head, diagnosed, opened, said_dialect, sampled
from blocks.data.formats.csv.options import CsvOptions
from blocks.data.formats.csv.parser import BlockParser, misfit, refuse_bad_row
from blocks.data.formats.csv.rejects import RejectsTable
from blocks.data.formats.csv.row_spans import RowSpan, blocks, without_initial_space
from blocks.data.formats.csv.types import join, wider
from blocks.data.schema import conform, require_columns, require_unique
from blocks.errors import InvalidArgument, MalformedData, SchemaMismatch, warn


@dataclasses.dataclass
class _Scanned:
    """What one file is known to hold.

    Attributes:
        parser: in its dialect.
        names: of all columns.
        types: of all columns, as far as they are known.
        rows: None if it was not scanned through.
        rejected: rows that were set aside.
        largest: the greatest size of the values of an int64 column.
        rounded: columns of numbers that were said to be rounded.
    """

    parser: BlockParser
    names: list[str]
    types: dict[str, pa.DataType]
    rows: int | None = None
    rejected: int = 0
    largest: dict[str, int] = dataclasses.field(default_factory=dict)
    rounded: set[str] = dataclasses.field(default_factory=set)


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


class CsvReader:
    """CSV files as one table, in order.

    Types that are not declared are inferred from the first block; the first use scans the files once, and a later value
    that does not fit widens its column (int64 to float64; dates to timestamps; else to string), which a BlocksWarning
    says. So a pass has one schema, and cannot stop in the middle. Without undeclared columns there is no scan.

    Args:
        files: at least one.
        options: see `CsvOptions`.
    """

    ahead: bool = True

    def __init__(self, files: Sequence[File], options: CsvOptions) -> None:
        self._files = list(files)
        self._options = options
        self._lock = threading.Lock()
        self._scans: list[_Scanned] | None = None
        self._known: pa.Schema | None = None

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
        return {"format": "csv", "files": [file.fingerprint() for file in self._files], "options": options}

    def description(self) -> str:
        """The first path and the number of files."""
        return describe(self._files)

    def chunks(
        self, rows: int, columns: Sequence[str] | None = None, *, encoded: bool = False, only: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Gives the rows, file by file, or those of one file; see `Reader`."""
        chosen = slice(None) if only is None else slice(only, only + 1)
        scans = self._scanned()
        target = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        for file, scan in list(zip(self._files, scans, strict=True))[chosen]:
            present = [name for name in target.names if name in scan.types] or scan.names[:1]
            types = {name: self.schema.field(name).type for name in present}
            with unchanged(file), contextlib.closing(self._blocks(file, scan.parser)) as cut:
                for index, block in enumerate(cut):
                    names = scan.names if index else None
                    try:
                        table, bad = scan.parser.parse(file, block, names, types, present)
                    except pa.ArrowInvalid as error:
                        scan.parser.refuse(error, file, block, names, types, scan.names)
                    if len(bad) and scan.rows is None:
                        refuse_bad_row(bad)
                    for batch in table.to_batches():
                        yield conform(batch, target)

    def _scanned(self) -> list[_Scanned]:
        with self._lock:
            if self._scans is None:
                rejects = None if self._options.rejects is None else RejectsTable(self._options.rejects)
                try:
                    scans = [self._scan(file, rejects) for file in self._files]
                    self._known = self._joined(scans)
                except BaseException:
                    if rejects:
                        rejects.abandon()
                    raise
                if rejects:
                    rejects.finish()
                self._scans = scans
        return self._scans

    def _joined(self, scans: Sequence[_Scanned]) -> pa.Schema:
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
                if pa.types.is_floating(types[name]) and not self._declared(name):
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

    def _scan(self, file: File, rejects: RejectsTable | None) -> _Scanned:
        head = Head.of(file, self._options)
        options = said_dialect(file, head, self._options)
        parser = BlockParser(options)
        sample = sampled(head, options)
        findings = list(diagnosed(head, sample, options))
        for finding in findings:
            if not finding.width or rejects is not None:
                warn(f"{file.name}: {finding.message}")
        hint = " ".join(f"{f.message[:1].upper()}{f.message[1:]}" for f in findings if f.width)
        with contextlib.closing(self._blocks(file, parser)) as cut:
            return self._scan_blocks(file, cut, parser, rejects, hint, () if sample.whole else sample.numbers)

    def _scan_blocks(
        self,
        file: File,
        cut: Iterator[RowSpan],
        parser: BlockParser,
        rejects: RejectsTable | None,
        hint: str,
        numbers: Sequence[int],
    ) -> _Scanned:
        scan: _Scanned | None = None
        stray = False
        for index, block in enumerate(cut):
            if block.stray is not None and not stray and not {"quote_char", "escape_char"} & set(self._options.given):
                stray = True
                escaped = block.data[: block.stray].endswith(b"\\")
                warn(f"{file.name}: {stray_text(block.line_at(block.stray), escaped)}")
            if scan is None:
                names = self._names(file, block, parser)
                declared = {n: self._options.column_types.get(n, self._options.default_column_type) for n in names}
                scan = _Scanned(parser, names, {name: kind for name, kind in declared.items() if kind is not None})
                if len(scan.types) == len(names) and rejects is None:
                    return scan
                scan.rows = 0
            table, bad = self._settled(file, block, scan.names if index else None, scan)
            if index == 0:
                self._say_exceptions(file, block, scan, table, numbers)
            if len(bad):
                if rejects is None:
                    refuse_bad_row(bad, hint)
                rejects.add(bad)
                scan.rejected += len(bad)
            assert scan.rows is not None
            scan.rows += table.num_rows
        if scan is None:
            raise MalformedData(f"{file.name} is empty: a CSV file has at least a header. Leave it out.")
        return scan

    def _blocks(self, file: File, parser: BlockParser) -> Generator[RowSpan]:
        """Blocks of one file, cut in another thread while Arrow parses the one before."""
        return ahead(lambda stop: self._cut(file, parser.options))

    def _cut(self, file: File, options: CsvOptions) -> Iterator[RowSpan]:
        with opened(file, options) as stream:
            cut = blocks(stream, options.block_size, options.dialect(), skip_rows=options.skip_rows, name=file.name)
            while True:
                with naming(file, f"It was read as {options.encoding}: pass encoding=... if it is another."):
                    block = next(cut, None)
                if block is None:
                    return
                if block.data[:2] in (b"\xff\xfe", b"\xfe\xff") and options.encoding == "utf-8" and block.line == 1:
                    raise MalformedData(f"{file.name} is encoded as UTF-16, not UTF-8. Pass encoding='utf-16'.")
                if options.skip_initial_space:
                    block = without_initial_space(block, options.dialect(lines=False))
                if block.data[0] not in b"\r\n" or block.data.strip(b"\r\n"):
                    self._require_utf8(file, block)
                    yield block

    def _require_utf8(self, file: File, block: RowSpan) -> None:
        """Names the line of bytes that are no text; Arrow would call the column binary and go on."""
        declared = [*self._options.column_types.values(), self._options.default_column_type]
        if block.data.isascii() or any(kind is not None and _is_binary(kind) for kind in declared):
            return
        try:
            block.data.decode()
        except UnicodeDecodeError as error:
            raise MalformedData(
                f"{file.name}, line {block.line_at(error.start)}: {block.data[error.start : error.end]!r} is not valid "
                "UTF-8. Pass the file's encoding, often encoding='latin1', or declare the column 'binary'."
            ) from None

    def _names(self, file: File, block: RowSpan, parser: BlockParser) -> list[str]:
        try:
            names = parser.parse(file, self._start(block), None, {}, None)[0].column_names
        except pa.ArrowInvalid as error:
            raise MalformedData(f"{file.name} has no header that can be read: {str(error)[:300]}.") from None
        require_unique(names, file.name)
        return list(names)

    def _start(self, block: RowSpan) -> RowSpan:
        """As much of the first block as tells the names."""
        rows = self._options.rows_before_data + 10
        while not (start := block.head(rows)).data.strip() and len(start.data) < len(block.data):
            rows *= 2
        return start

    def _settled(
        self, file: File, block: RowSpan, names: Sequence[str] | None, scan: _Scanned
    ) -> tuple[pa.Table, pa.Table]:
        """Parses a block, widening the types in `scan` until every value fits."""
        widened: dict[str, tuple[pa.DataType, str]] = {}
        while True:
            try:
                table, bad = scan.parser.parse(file, block, names, scan.types, None)
            except pa.ArrowInvalid as error:
                found = misfit(error)
                name = scan.names[found.column] if found else ""
                if found is None or self._declared(name):
                    scan.parser.refuse(error, file, block, names, scan.types, scan.names)
                before = scan.types[name]
                if pa.types.is_null(before):
                    del scan.types[name]  # inferred from this block, like every column from the first
                else:
                    scan.types[name] = self._wider(before, scan.largest.get(name, 0))
                    widened.setdefault(name, (before, found.why))
                continue
            texts = self._keep_digits(file, block, names, scan, table)
            if not texts:
                break
            for name in texts:
                widened.pop(name, None)
        for field in table.schema:
            scan.types.setdefault(field.name, field.type)
        for name, (before, why) in widened.items():
            warn(
                f"{file.name}: column {name!r} began as {before}, but from line {block.line} on there is a value that "
                f"does not fit ({why[:100]}); it is {scan.types[name]} now. Declare it to choose: "
                f"column_types={{{name!r}: ...}}."
            )
        return table, bad

    def _say_exceptions(
        self, file: File, block: RowSpan, scan: _Scanned, table: pa.Table, numbers: Sequence[int]
    ) -> None:
        """Warns of columns that are text because of values far below the numbers that they began with."""
        for name in [scan.names[column] for column in numbers if column < len(scan.names)]:
            if self._declared(name) or scan.types[name] != pa.string() or self._options.convert.get("null_values"):
                continue
            texts = table[name].combine_chunks()
            other = pc.fill_null(pc.invert(pc.match_substring_regex(texts, NUMBERS)), False)
            count = pc.sum(other).as_py() or 0
            # many texts are text, and no notes
            if 0 < count <= len(texts) / 10 and pc.count_distinct(texts.filter(other)).as_py() <= 2:
                cells, rows = scan.parser.cells(block, None), pc.indices_nonzero(other).to_pylist()[:20]
                lines = [block.line_at(cells.start_of(row)) for row in rows]
                value = texts[rows[0]].as_py()
                warn(
                    f"{file.name}: column {name!r} is text because of {value[:60]!r} on line {lines[0]}, below numbers "
                    f"alone. Pass skip_rows={lines} if that is a note, or null_values={['', 'NA', value]!r} if it "
                    "stands for a missing value."
                )

    @staticmethod
    def _wider(kind: pa.DataType, size: int) -> pa.DataType:
        """The next type; integers that float64 would round become text instead."""
        above = wider(kind)
        return pa.string() if pa.types.is_floating(above) and size > EXACT else above

    def _keep_digits(
        self, file: File, block: RowSpan, names: Sequence[str] | None, scan: _Scanned, table: pa.Table
    ) -> list[str]:
        """Makes text of columns whose values are no numbers digit for digit; returns their names."""
        types = table.schema.types
        numbers = {
            index: name
            for index, name in enumerate(scan.names)
            if types[index] in (pa.int64(), pa.float64()) and not self._declared(name)
        }
        for index, name in numbers.items():
            if types[index] == pa.int64():
                scan.largest[name] = max(scan.largest.get(name, 0), largest(table.column(index)))
        found = losses(
            block.data,
            scan.parser.dialect,
            table,
            numbers,
            functools.cache(lambda: scan.parser.cells(block, names)),
            lambda wanted: scan.parser.parse(file, block, names, dict.fromkeys(wanted, pa.string()), wanted)[0],
            scan.rounded,
        )
        for name, loss in found.items():
            if loss.text:
                scan.types[name] = pa.string()
            else:
                scan.rounded.add(name)
            then = "kept as text, digit for digit" if loss.text else "rounded to float64"
            warn(
                f"{file.name}: column {name!r} holds {loss.value!r}, which {loss.why}; it is {then}. Declare it to "
                f"choose: column_types={{{name!r}: 'string'}}, or 'float64'."
            )
        return [name for name, loss in found.items() if loss.text]

    def _declared(self, name: str) -> bool:
        return name in self._options.column_types or self._options.default_column_type is not None


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))
