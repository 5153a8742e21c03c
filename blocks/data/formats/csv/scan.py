"""One scan of a CSV file settles its types, counts its rows and sets bad ones aside; passes then cannot go wrong.

Where rows end lives in `row_spans`, parsing in `parser`, how types widen in `types`, what is odd about a file in
`header` and `digits`.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from blocks.data.files import File
from blocks.data.formats.csv.digits import EXACT
from blocks.data.formats.csv.examined import Examined, examine
from blocks.data.formats.csv.file_spans import Place, require_utf8, spans_of
from blocks.data.formats.csv.findings import stray_text
from blocks.data.formats.csv.first_lines import NUMBERS
from blocks.data.formats.csv.header import Head, diagnosed, said_dialect, sampled
from blocks.data.formats.csv.held_tables import HeldTables
from blocks.data.formats.csv.options import CsvOptions
from blocks.data.formats.csv.parser import BlockParser, misfit, refuse_bad_row
from blocks.data.formats.csv.rejects import RejectsTable
from blocks.data.formats.csv.row_spans import RowSpan
from blocks.data.formats.csv.types import wider
from blocks.data.in_order import in_order
from blocks.data.schema import require_unique
from blocks.errors import MalformedData, warn


@dataclasses.dataclass
class Scanned:
    """What one file is known to hold.

    Attributes:
        parser: in its dialect.
        names: of all columns.
        types: of all columns, as far as they are known.
        rows: None if it was not scanned through.
        rejected: rows that were set aside.
        largest: the greatest size of the values of an int64 column.
        rounded: columns of numbers that were said to be rounded.
        places: where its blocks lie, if all of it was scanned and they can be read again as they are.
    """

    parser: BlockParser
    names: list[str]
    types: dict[str, pa.DataType]
    rows: int | None = None
    rejected: int = 0
    largest: dict[str, int] = dataclasses.field(default_factory=dict)
    rounded: set[str] = dataclasses.field(default_factory=set)
    places: list[Place] | None = None


class Scanner:
    """Settles what files hold, one by one.

    Args:
        options: as given.
    """

    def __init__(self, options: CsvOptions) -> None:
        self._options = options

    def scan(self, file: File, rejects: RejectsTable | None, held: HeldTables, index: int = 0) -> Scanned:
        """What a file holds, from one reading of it; what is odd about it is said.

        Blocks are parsed on all cores, by the types that are known when each one's turn comes. In their order it is
        then seen whether the types still hold; where they do not, the block is parsed again.

        Args:
            file: to read through, unless all its columns are declared.
            rejects: for rows with a wrong number of values; None to refuse them.
            held: takes the rows of each block, as far as there is room; nothing is made of texts beyond.
            index: of the file, among those of `held`.

        Raises:
            MalformedData: if it cannot be read, or a value is not of its declared type.
        """
        head = Head.of(file, self._options)
        options = said_dialect(file, head, self._options)
        parser = BlockParser(options)
        sample = sampled(head, options)
        findings = list(diagnosed(head, sample, options))
        for finding in findings:
            if not finding.width or rejects is not None:
                warn(f"{file.name}: {finding.message}")
        hint = " ".join(f"{f.message[:1].upper()}{f.message[1:]}" for f in findings if f.width)
        with contextlib.closing(spans_of(file, parser.options)) as cut:
            numbers = () if sample.whole else sample.numbers
            return self._scan_spans(file, cut, parser, rejects, hint, numbers, held, index)

    def _scan_spans(
        self,
        file: File,
        cut: Iterator[RowSpan],
        parser: BlockParser,
        rejects: RejectsTable | None,
        hint: str,
        numbers: Sequence[int],
        held: HeldTables,
        index: int,
    ) -> Scanned:
        scan: Scanned | None = None
        stray = bool({"quote_char", "escape_char"} & set(self._options.given))
        places: list[Place] = []

        def first_try(block: RowSpan) -> tuple[RowSpan, Examined | None]:
            require_utf8(file, block, self._options)
            if scan is None:
                return block, None
            return block, self._examined(file, block, scan.names, scan, texts=not held.full)

        with contextlib.closing(in_order(cut, first_try)) as tried:
            for block, examined in tried:
                if (
                    block.stray is not None
                    and not stray
                    and not {"quote_char", "escape_char"} & set(self._options.given)
                ):
                    stray = True
                    escaped = block.data[: block.stray].endswith(b"\\")
                    warn(f"{file.name}: {stray_text(block.line_at(block.stray), escaped)}")
                begins = scan is None
                if scan is None:
                    names = self._names(file, block, parser)
                    declared = {n: self._options.column_types.get(n, self._options.default_column_type) for n in names}
                    scan = Scanned(parser, names, {name: kind for name, kind in declared.items() if kind is not None})
                    if len(scan.types) == len(names) and rejects is None:
                        return scan
                    scan.rows = 0
                table, bad = self._settled(file, block, None if begins else scan.names, scan, examined)
                if begins:
                    self._say_exceptions(file, block, scan, table, numbers)
                if len(bad):
                    if rejects is None:
                        refuse_bad_row(bad, hint)
                    rejects.add(bad)
                    scan.rejected += len(bad)
                assert scan.rows is not None
                scan.rows += table.num_rows
                if not parser.options.skip_initial_space and not parser.options.skip_lines:
                    if table.schema.names == scan.names:
                        held.add(index, len(places), table)
                    places.append(Place.of(block))
                del block, examined, table
        if scan is None:
            raise MalformedData(f"{file.name} is empty: a CSV file has at least a header. Leave it out.")
        scan.places = places or None
        return scan

    def _examined(
        self, file: File, block: RowSpan, names: Sequence[str] | None, scan: Scanned, *, texts: bool = True
    ) -> Examined:
        types, rounded = dict(scan.types), set(scan.rounded)
        undeclared = [name for name in scan.names if not self._options.declares(name)]
        return examine(scan.parser, file, block, names, scan.names, types, undeclared, rounded, texts=texts)

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
        self, file: File, block: RowSpan, names: Sequence[str] | None, scan: Scanned, tried: Examined | None
    ) -> tuple[pa.Table, pa.Table]:
        """Parses a block, widening the types in `scan` until every value fits; `tried` is a first try, if any."""
        widened: dict[str, tuple[pa.DataType, str]] = {}
        while True:
            if tried is None or tried.types != scan.types:
                tried = self._examined(file, block, names, scan)
            if tried.error is not None:
                found = misfit(tried.error)
                name = scan.names[found.column] if found else ""
                if found is None or self._options.declares(name) or scan.types[name] == pa.string():
                    scan.parser.refuse(tried.error, file, block, names, scan.types, scan.names)
                before = scan.types[name]
                if pa.types.is_null(before):
                    del scan.types[name]  # inferred from this block, like every column from the first
                else:
                    scan.types[name] = self._wider(before, scan.largest.get(name, 0))
                    widened.setdefault(name, (before, found.why))
                continue
            texts = self._keep_digits(file, scan, tried)
            if not texts:
                break
            for name in texts:
                widened.pop(name, None)
        table = tried.table
        for field in table.schema:
            scan.types.setdefault(field.name, field.type)
        for name, (before, why) in widened.items():
            warn(
                f"{file.name}: column {name!r} began as {before}, but from line {block.line} on there is a value that "
                f"does not fit ({why[:100]}); it is {scan.types[name]} now. Declare it to choose: "
                f"column_types={{{name!r}: ...}}."
            )
        return table, tried.bad

    def _say_exceptions(
        self, file: File, block: RowSpan, scan: Scanned, table: pa.Table, numbers: Sequence[int]
    ) -> None:
        """Warns of columns that are text because of values far below the numbers that they began with."""
        for name in [scan.names[column] for column in numbers if column < len(scan.names)]:
            if (
                self._options.declares(name)
                or scan.types[name] != pa.string()
                or self._options.convert.get("null_values")
            ):
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

    @staticmethod
    def _keep_digits(file: File, scan: Scanned, tried: Examined) -> list[str]:
        """Makes text of columns whose values are no numbers digit for digit; returns their names."""
        for name, size in tried.largest.items():
            scan.largest[name] = max(scan.largest.get(name, 0), size)
        found = {n: loss for n, loss in tried.losses.items() if loss.text or n not in scan.rounded}
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
